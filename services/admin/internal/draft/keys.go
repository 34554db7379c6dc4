package draft

import "strings"

// Root is the prefix of every key. "-" stands where a region would, for what belongs to the installation.
const (
	Root         = "/limen/"
	installation = Root + "-/"
	schemaKey    = Root + "schema"
	epochKey     = Root + "epoch"
)

// Scope is one account in one region, and who acts in it. Nothing is read or written outside of a scope, so two accounts
// cannot see each other.
type Scope struct {
	Account, Region string
	// Actor is the ARN of the caller.
	Actor string
}

func (s Scope) prefix() string { return Root + s.Region + "/" + s.Account + "/" }

// Key joins segments below the scope: things of one kind have a prefix of their own, so that a list is a range.
func (s Scope) Key(segments ...string) string { return s.prefix() + strings.Join(segments, "/") }

// Prefix is Key with a final slash: the range of everything below.
func (s Scope) Prefix(segments ...string) string { return s.Key(segments...) + "/" }

// Kinds of things below a scope; the kind is the first segment of a key.
const (
	RestAPIs    = "restapis"    // restapis/{api}: the head of a REST API
	APIs        = "apis"        // apis/{api}: the head of a WebSocket or HTTP API; what follows serves both families
	Content     = "content"     // content/{api}/{generation}/{kind}/…: what its head points at
	Stages      = "stages"      // stages/{api}/{stage}
	Deployments = "deployments" // deployments/{api}/{deployment}
	Frozen      = "frozen"      // frozen/{api}/{hash}/{chunk}: the bytes of snapshot.v1.Deployment
	APIKeys     = "apikeys"     // apikeys/{id}
	KeyValues   = "keyvalues"   // keyvalues/{SHA-256 of the value} → id
	UsagePlans  = "usageplans"  // usageplans/{id}
	PlanKeys    = "plankeys"    // plankeys/{plan}/{key}
	KeyPlans    = "keyplans"    // keyplans/{key}/{plan}: finds the plans of a key
	PlanStages  = "planstages"  // planstages/turn: written by whoever gives a plan a stage
	Account     = "account"     // account/settings
	Functions   = "functions"   // functions/{name}
)

// Kinds of content of a REST API. WebSocket and HTTP APIs have models/{id} and authorizers/{id}, and those below.
const (
	Resources        = "resources"        // resources/{id}
	Methods          = "methods"          // methods/{resource}/{verb}
	Models           = "models"           // models/{name}
	Validators       = "validators"       // validators/{id}
	Authorizers      = "authorizers"      // authorizers/{id}
	GatewayResponses = "gatewayresponses" // gatewayresponses/{type}
)

// Kinds of content of a WebSocket or HTTP API.
const (
	Routes               = "routes"               // routes/{id}
	RouteResponses       = "routeresponses"       // routeresponses/{route}/{id}
	Integrations         = "integrations"         // integrations/{id}
	IntegrationResponses = "integrationresponses" // integrationresponses/{integration}/{id}
)

// apiOwner is the key that makes API ids unique over the installation.
func apiOwner(api string) string { return installation + "apis/" + api }

// Parsed is a key taken apart: region and account of its scope, and the segments below.
type Parsed struct {
	Region, Account string
	Segments        []string
}

// ParseKey takes a key of a scope apart; ok is false for keys of the installation.
func ParseKey(key string) (p Parsed, ok bool) {
	rest, found := strings.CutPrefix(key, Root)
	parts := strings.Split(rest, "/")
	if !found || len(parts) < 3 || parts[0] == "-" {
		return Parsed{}, false
	}
	return Parsed{parts[0], parts[1], parts[2:]}, true
}
