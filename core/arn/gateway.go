package arn

import (
	"errors"
	"strings"
)

var (
	errNotIntegration = errors.New("arn: not an integration URI, arn:aws:apigateway:{region}:{service}:path/{path} or :action/{name}")
	errNotExecute     = errors.New("arn: not an execute-api ARN")
	errNotControl     = errors.New("arn: not the ARN of an API Gateway resource")
)

// Integration is the URI of an AWS integration: arn:aws:apigateway:{region}:{subdomain.service}:{path|action}/{target}.
// The service stands where other ARNs have the account.
type Integration struct {
	Partition string
	Region    string
	Subdomain string // "" when the URI names the service alone
	Service   string
	Action    bool   // action/{target}; otherwise path/{target}
	Target    string // the service's path, or the action's name with its parameters
}

// ParseIntegration reads any AWS integration's URI (spec/rest.md 4.2).
func ParseIntegration(uri string) (Integration, error) {
	a, err := Parse(uri)
	if err != nil {
		return Integration{}, err
	}
	kind, target, ok := strings.Cut(a.Resource, "/")
	if !ok || a.Service != "apigateway" || a.Region == "" || a.Account == "" || kind != "path" && kind != "action" {
		return Integration{}, errNotIntegration
	}
	i := Integration{Partition: a.Partition, Region: a.Region, Service: a.Account, Action: kind == "action", Target: target}
	// The service is the last label: {subdomain.service}, and a bucket used as subdomain may itself hold dots.
	if dot := strings.LastIndexByte(a.Account, '.'); dot >= 0 {
		i.Subdomain, i.Service = a.Account[:dot], a.Account[dot+1:]
		if i.Subdomain == "" || i.Service == "" {
			return Integration{}, errNotIntegration
		}
	}
	return i, nil
}

// String is the inverse of ParseIntegration.
func (i Integration) String() string {
	service := i.Service
	if i.Subdomain != "" {
		service = i.Subdomain + "." + i.Service
	}
	kind := "path/"
	if i.Action {
		kind = "action/"
	}
	return "arn:" + partitionOr(i.Partition, i.Region) + ":apigateway:" + i.Region + ":" + service + ":" + kind + i.Target
}

// Execute names what a caller wants to run: arn:aws:execute-api:{region}:{account}:{api}/{stage}/{verb}/{path}. For a
// WebSocket route Verb is the route key; for an authorizer's source Stage is "authorizers" and Verb its id. Path is
// without its leading slash, with parameters already substituted.
type Execute struct {
	Partition string
	Region    string
	Account   string
	API       string
	Stage     string
	Verb      string
	Path      string
	// NoPath leaves out the slash after the verb; the root of a REST API keeps it (spec/rest.md 3.8: ".../GET/").
	NoPath bool
}

// ParseExecute reads an execute-api ARN of two parts at least: api and stage.
func ParseExecute(s string) (Execute, error) {
	a, err := Parse(s)
	if err != nil {
		return Execute{}, err
	}
	e := Execute{Partition: a.Partition, Region: a.Region, Account: a.Account}
	var ok bool
	if e.API, e.Stage, ok = strings.Cut(a.Resource, "/"); !ok || a.Service != "execute-api" {
		return Execute{}, errNotExecute
	}
	e.Stage, e.Verb, ok = strings.Cut(e.Stage, "/")
	if !ok || e.API == "" || e.Stage == "" || e.Verb == "" {
		return Execute{}, errNotExecute
	}
	e.Verb, e.Path, ok = strings.Cut(e.Verb, "/")
	if e.Verb == "" {
		return Execute{}, errNotExecute
	}
	e.NoPath = !ok
	return e, nil
}

// AuthorizerSource is the ARN by which an authorizer's function sees its caller.
func AuthorizerSource(region, account, api, authorizer string) Execute {
	return Execute{Region: region, Account: account, API: api, Stage: "authorizers", Verb: authorizer, NoPath: true}
}

// String is the ARN.
func (e Execute) String() string { return e.format(e.Account) }

// Masked is the ARN as texts of denial show it: of the account only the last four digits (spec/rest.md 3.7).
func (e Execute) Masked() string { return e.format(MaskAccount(e.Account)) }

func (e Execute) format(account string) string {
	s := "arn:" + partitionOr(e.Partition, e.Region) + ":execute-api:" + e.Region + ":" + account + ":" + e.API + "/" + e.Stage + "/" + e.Verb
	if e.NoPath {
		return s
	}
	return s + "/" + e.Path
}

// MaskAccount hides all but the last four characters of an account id.
func MaskAccount(account string) string {
	if len(account) <= 4 {
		return account
	}
	return strings.Repeat("*", len(account)-4) + account[len(account)-4:]
}

// Control names a resource of the control plane: arn:aws:apigateway:{region}:{account}:{path}. Account is empty but for
// private domain names and their access associations (spec/control-plane.md 3). Path begins with a slash and has no /v2.
type Control struct {
	Partition string
	Region    string
	Account   string
	Path      string
}

// ParseControl reads the ARN of a control-plane resource, as tags and policies name it.
func ParseControl(s string) (Control, error) {
	a, err := Parse(s)
	if err != nil {
		return Control{}, err
	}
	if a.Service != "apigateway" || !strings.HasPrefix(a.Resource, "/") || a.Account != "" && !isAccount(a.Account) {
		return Control{}, errNotControl
	}
	return Control{Partition: a.Partition, Region: a.Region, Account: a.Account, Path: a.Resource}, nil
}

// NewControl names /first/second/... in a region, for instance NewControl(region, "restapis", id, "stages", name).
func NewControl(region string, segments ...string) Control {
	return Control{Region: region, Path: "/" + strings.Join(segments, "/")}
}

// Segments is the path split at its slashes, without the empty one before the first.
func (c Control) Segments() []string { return strings.Split(strings.TrimPrefix(c.Path, "/"), "/") }

// String is the ARN.
func (c Control) String() string {
	return "arn:" + partitionOr(c.Partition, c.Region) + ":apigateway:" + c.Region + ":" + c.Account + ":" + c.Path
}
