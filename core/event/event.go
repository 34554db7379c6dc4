// Package event writes what API Gateway sends to Lambda functions and reads what they answer: proxy integration, payload
// format 1.0 (spec/rest.md 5).
//
// It neither calls a function nor decides what a request's facts are: path, headers and query come as they are to be
// shown, and the caller has already taken away the headers that never reach a function.
//
// The surprise: an empty map is JSON null, never {}; and the single-value maps hold the last of several values, at the
// place of the first.
package event

import (
	"encoding/base64"
	"strconv"
	"time"
)

// Field is a name with a value: a header line, a parameter, a variable. The type is an alias, so that any slice of such
// pairs fits without being copied. Order and repetition count.
type Field = struct{ Name, Value string }

// Request holds the facts of one call of a function by proxy integration.
type Request struct {
	Resource       string // template of the resource: /pets/{id}
	Path           string // without the stage, with the base path of a custom domain; slash at the end kept
	HTTPMethod     string
	Headers        []Field // as received
	Query          []Field // decoded, see AppendQuery
	PathParameters []Field // percent-encoded as sent (spec/rest.md 1.4)
	StageVariables []Field
	Context        Context
	Body           []byte
	Binary         bool // Body matched a binary media type and travels as base64
}

// Context is the event's requestContext. Empty texts are left out or null, as AWS does for each.
type Context struct {
	ResourceID        string
	ResourcePath      string
	OperationName     string // only when set
	HTTPMethod        string
	ExtendedRequestID string
	RequestTime       time.Time
	Path              string // with the stage, or with the base path
	AccountID         string
	Stage             string
	DomainPrefix      string
	RequestID         string
	Identity          Identity
	DomainName        string
	DeploymentID      string
	APIID             string
	Authorizer        *Authorizer // nil without one
	CanaryEnabled     bool        // the stage has a canary; only then isCanaryRequest is there
	Canary            bool
	BasePathMatched   string // only behind a custom domain
}

// Identity is requestContext.identity. An empty text is null; those in the second block are left out instead.
type Identity struct {
	CognitoIdentityPoolID         string
	AccountID                     string
	CognitoIdentityID             string
	Caller                        string
	SourceIP                      string
	PrincipalOrgID                string
	AccessKey                     string
	CognitoAuthenticationType     string
	CognitoAuthenticationProvider string
	UserARN                       string
	UserAgent                     string
	User                          string

	APIKey     string // only when the method requires a key
	APIKeyID   string
	VPCID      string // only for private APIs
	VPCEID     string
	ClientCert *ClientCert // only with mutual TLS
}

// ClientCert is identity.clientCert.
type ClientCert struct {
	PEM          string
	SubjectDN    string
	IssuerDN     string
	SerialNumber string
	NotBefore    string // Aug  5 00:28:21 2020 GMT
	NotAfter     string
}

// Authorizer is requestContext.authorizer. With Claims (a Cognito authorizer) nothing else of it is shown.
type Authorizer struct {
	PrincipalID        string
	IntegrationLatency int64 // milliseconds
	Context            []Field
	Claims             []Field
}

// clf is the form of requestTime.
const clf = "02/Jan/2006:15:04:05 -0700"

// Append appends the event as JSON, members in the order of AWS's sample.
func Append(dst []byte, r *Request) []byte {
	dst = appendMember(append(dst, '{'), "resource", r.Resource)
	dst = appendMember(append(dst, ','), "path", r.Path)
	dst = appendMember(append(dst, ','), "httpMethod", r.HTTPMethod)
	dst = appendMaps(append(dst, ','), "headers", "multiValueHeaders", r.Headers)
	dst = appendMaps(append(dst, ','), "queryStringParameters", "multiValueQueryStringParameters", r.Query)
	dst = appendMap(append(dst, `,"pathParameters":`...), r.PathParameters)
	dst = appendMap(append(dst, `,"stageVariables":`...), r.StageVariables)
	dst = appendContext(append(dst, `,"requestContext":`...), &r.Context)
	dst = append(dst, `,"body":`...)
	switch {
	case len(r.Body) == 0:
		dst = append(dst, "null"...)
	case r.Binary:
		dst = append(dst, '"')
		dst = base64.StdEncoding.AppendEncode(dst, r.Body)
		dst = append(dst, '"')
	default:
		dst = appendString(dst, r.Body)
	}
	dst = append(dst, `,"isBase64Encoded":`...)
	dst = strconv.AppendBool(dst, r.Binary && len(r.Body) > 0)
	return append(dst, '}')
}

func appendContext(dst []byte, c *Context) []byte {
	dst = appendMember(append(dst, '{'), "resourceId", c.ResourceID)
	dst = appendMember(append(dst, ','), "resourcePath", c.ResourcePath)
	dst = appendOptional(dst, "operationName", c.OperationName)
	dst = appendMember(append(dst, ','), "httpMethod", c.HTTPMethod)
	dst = appendMember(append(dst, ','), "extendedRequestId", c.ExtendedRequestID)
	dst = append(dst, `,"requestTime":"`...)
	dst = c.RequestTime.UTC().AppendFormat(dst, clf)
	dst = append(dst, '"')
	dst = appendMember(append(dst, ','), "path", c.Path)
	dst = appendMember(append(dst, ','), "accountId", c.AccountID)
	// HTTP/1.1 even for clients that speak HTTP/2 (spec/rest.md 5.1).
	dst = append(dst, `,"protocol":"HTTP/1.1"`...)
	dst = appendMember(append(dst, ','), "stage", c.Stage)
	dst = appendMember(append(dst, ','), "domainPrefix", c.DomainPrefix)
	dst = append(dst, `,"requestTimeEpoch":`...)
	dst = strconv.AppendInt(dst, c.RequestTime.UnixMilli(), 10)
	dst = appendMember(append(dst, ','), "requestId", c.RequestID)
	dst = appendIdentity(append(dst, `,"identity":`...), &c.Identity)
	dst = appendMember(append(dst, ','), "domainName", c.DomainName)
	dst = appendMember(append(dst, ','), "deploymentId", c.DeploymentID)
	dst = appendMember(append(dst, ','), "apiId", c.APIID)
	if c.Authorizer != nil {
		dst = appendAuthorizer(append(dst, `,"authorizer":`...), c.Authorizer)
	}
	if c.CanaryEnabled {
		dst = appendMember(append(dst, ','), "isCanaryRequest", strconv.FormatBool(c.Canary))
	}
	if c.BasePathMatched != "" {
		dst = appendMember(append(dst, `,"customDomain":{`...), "basePathMatched", c.BasePathMatched)
		dst = append(dst, '}')
	}
	return append(dst, '}')
}

func appendIdentity(dst []byte, id *Identity) []byte {
	dst = appendNullable(append(dst, '{'), "cognitoIdentityPoolId", id.CognitoIdentityPoolID)
	dst = appendNullable(append(dst, ','), "accountId", id.AccountID)
	dst = appendNullable(append(dst, ','), "cognitoIdentityId", id.CognitoIdentityID)
	dst = appendNullable(append(dst, ','), "caller", id.Caller)
	dst = appendNullable(append(dst, ','), "sourceIp", id.SourceIP)
	dst = appendNullable(append(dst, ','), "principalOrgId", id.PrincipalOrgID)
	dst = appendNullable(append(dst, ','), "accessKey", id.AccessKey)
	dst = appendNullable(append(dst, ','), "cognitoAuthenticationType", id.CognitoAuthenticationType)
	dst = appendNullable(append(dst, ','), "cognitoAuthenticationProvider", id.CognitoAuthenticationProvider)
	dst = appendNullable(append(dst, ','), "userArn", id.UserARN)
	dst = appendNullable(append(dst, ','), "userAgent", id.UserAgent)
	dst = appendNullable(append(dst, ','), "user", id.User)
	dst = appendOptional(dst, "apiKey", id.APIKey)
	dst = appendOptional(dst, "apiKeyId", id.APIKeyID)
	dst = appendOptional(dst, "vpcId", id.VPCID)
	dst = appendOptional(dst, "vpceId", id.VPCEID)
	if c := id.ClientCert; c != nil {
		dst = appendMember(append(dst, `,"clientCert":{`...), "clientCertPem", c.PEM)
		dst = appendMember(append(dst, ','), "subjectDN", c.SubjectDN)
		dst = appendMember(append(dst, ','), "issuerDN", c.IssuerDN)
		dst = appendMember(append(dst, ','), "serialNumber", c.SerialNumber)
		dst = appendMember(append(dst, `,"validity":{`...), "notBefore", c.NotBefore)
		dst = appendMember(append(dst, ','), "notAfter", c.NotAfter)
		dst = append(dst, "}}"...)
	}
	return append(dst, '}')
}

func appendAuthorizer(dst []byte, a *Authorizer) []byte {
	if a.Claims != nil {
		dst = appendObject(append(dst, `{"claims":`...), a.Claims, single)
		return append(dst, '}')
	}
	dst = appendMember(append(dst, '{'), "principalId", a.PrincipalID)
	dst = append(dst, `,"integrationLatency":`...)
	dst = strconv.AppendInt(dst, a.IntegrationLatency, 10)
	for i := range a.Context {
		// A function's own keys never hide what the gateway says.
		if name := a.Context[i].Name; name != "principalId" && name != "integrationLatency" && !repeated(a.Context[i+1:], name) {
			dst = appendMember(append(dst, ','), name, a.Context[i].Value)
		}
	}
	return append(dst, '}')
}

// repeated reports whether a name comes again: then the later one counts.
func repeated(rest []Field, name string) bool {
	for i := range rest {
		if rest[i].Name == name {
			return true
		}
	}
	return false
}
