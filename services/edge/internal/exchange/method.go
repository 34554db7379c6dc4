package exchange

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/limen-gateway/limen/core/expression"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/core/mapping"
	"github.com/limen-gateway/limen/core/throttle"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

// Phase is one step of the pipeline. An error ends the pipeline; a *gatewayresponse.Error names the answer.
type Phase func(context.Context, *Exchange) error

// Scope is the stage a request runs in: facts of its API and the live settings of the stage. It is immutable.
type Scope struct {
	Account      string
	Region       string
	API          string
	Stage        string
	DeploymentID string
	Hash         string // of the deployment's content

	StageVariables   map[string]string
	BinaryMediaTypes mapping.MediaTypes
	// AuthorizerEpoch counts the flushes of authorizer results.
	AuthorizerEpoch  int64
	GatewayResponses *gatewayresponse.Set
	// Caching is nil for stages that cache nothing.
	Caching *Caching
	// Throttles are the stage's limits by route; nil when it limits no method. Revision is that of the stage's settings.
	Throttles []throttle.Limit
	Revision  int64
}

// Method is the compiled form of one method of one resource. It is immutable.
type Method struct {
	ResourceID    string
	ResourcePath  string // template
	HTTPMethod    string // as defined; may be ANY
	Name          string // "{HTTPMethod} {ResourcePath}"
	OperationName string

	// Phases are what a request to this method passes, in order.
	Phases []Phase

	Integration *Integration

	// Responses are the method responses by status code.
	Responses map[string]*MethodResponse
}

// Authorizer is a compiled Lambda authorizer. It is immutable.
type Authorizer struct {
	ID    string
	Token bool // TOKEN; else REQUEST
	// Definition is what authz gets when it does not know Hash.
	Definition *apigatewayv1.Authorizer
	Hash       []byte
	URI        mapping.URI
	// Identity are the identity sources, with their expressions for explanations.
	Identity    []expression.Source
	Expressions []string
	// Validation must match the whole token; nil takes any.
	Validation     *regexp.Regexp
	ValidationText string
	// Keeps tells that results are kept: then every identity source must be there (spec/rest.md 3.3).
	Keeps bool
}

// MethodResponse is one declared answer of a method.
type MethodResponse struct {
	Headers map[string]bool // declared header names
}

// Type is an integration type.
type Type string

// The integration types.
const (
	HTTP      Type = "HTTP"
	HTTPProxy Type = "HTTP_PROXY"
	AWS       Type = "AWS"
	AWSProxy  Type = "AWS_PROXY"
	Mock      Type = "MOCK"
)

// Place is where a mapped parameter goes.
type Place uint8

// The places.
const (
	PlaceHeader Place = iota
	PlaceQuery
	PlacePath
)

// Parameter is one compiled parameter mapping.
type Parameter struct {
	Place  Place
	Name   string
	Source expression.Source
}

// Integration is the compiled integration of a method.
type Integration struct {
	Type            Type
	HTTPMethod      string // "" repeats the client's
	URI             mapping.URI
	Parameters      []Parameter // by place and name
	Templates       *mapping.Templates
	Passthrough     string
	ContentHandling string
	Timeout         time.Duration
	InsecureTLS     bool
	Responses       []IntegrationResponse // by status code
	// ReadsBody tells that a parameter is mapped from inside the request's body.
	ReadsBody bool

	// CacheKey is nil where nothing is ever cached.
	CacheKey *CacheKey

	// Forbidden is a header whose mapping makes every call fail (spec/rest.md 4.4); "" when there is none.
	Forbidden string
}

// ForbiddenHeader reports whether a header may not be mapped: a call with one fails (spec/rest.md 4.4, trap 38).
func ForbiddenHeader(t Type, name string) bool {
	switch strings.ToLower(name) {
	case "content-length", "transfer-encoding", "x-amzn-trace-id", "x-amzn-apigateway-api-id":
		return true
	case "authorization", "connection", "expect", "proxy-authenticate", "te":
		return t == AWS || t == AWSProxy
	}
	return false
}

// IntegrationResponse is one compiled integration response.
type IntegrationResponse struct {
	StatusCode      string
	Status          int
	Pattern         *regexp.Regexp // nil: the default
	PatternText     string
	Parameters      []Parameter
	Templates       *mapping.Templates
	ContentHandling string
}
