package policy

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limen-gateway/limen/platform/casetest"
)

// policyCase is a case in the format of conformance/README.md; the own cases of this package have the same form and may say
// more: the kind of the document is told by the presence of api, and reason is a part of the explanation.
type policyCase struct {
	casetest.About
	Input struct {
		Kind     string
		API      *API
		Policies []json.RawMessage
		Request  struct {
			Action, Resource string
			Principal        json.RawMessage
			Context          map[string]any
		}
		Authorization, Caller, Identity, ResourcePolicy string
	}
	Expect struct{ Decision, Reason string }
}

func TestConformance(t *testing.T) {
	casetest.Judge(t, "iam-policy", func(t *testing.T, c policyCase) { c.judge(t) })
}

// TestCases runs the cases of this package.
func TestCases(t *testing.T) {
	for _, c := range casetest.Read[policyCase](t, filepath.Join("testdata", "cases.json")) {
		t.Run(c.What, c.judge)
	}
}

func (c policyCase) judge(t *testing.T) {
	d := c.decide(t)
	if got := d.Outcome.String(); got != c.Expect.Decision {
		t.Errorf("%s: got %s, want %s", c.What, d, c.Expect.Decision)
	}
	if !strings.Contains(d.String(), c.Expect.Reason) {
		t.Errorf("%s: got %q, want %q in it", c.What, d, c.Expect.Reason)
	}
}

func (c policyCase) decide(t *testing.T) Decision {
	t.Helper()
	if c.Input.Kind == "combination" {
		return Combine(c.rule(t), side(t, c.Input.Identity), side(t, c.Input.ResourcePolicy))
	}
	var policies []*Policy
	for _, text := range c.Input.Policies {
		kind := Identity
		if c.Input.Kind == "resource" {
			kind = Resource
		}
		d, err := Parse(string(text), kind)
		if err != nil {
			t.Fatal(err)
		}
		if c.Input.API != nil {
			if d, err = Parse(d.Expand(*c.Input.API), kind); err != nil {
				t.Fatal(err)
			}
		}
		policies = append(policies, d.Compile("the policy"))
	}
	return Decide(c.request(t), policies...)
}

func (c policyCase) request(t *testing.T) *Request {
	t.Helper()
	r := &Request{Action: c.Input.Request.Action, Resource: c.Input.Request.Resource}
	if raw := c.Input.Request.Principal; len(raw) > 0 && raw[0] == '"' {
		if err := json.Unmarshal(raw, &r.Principal.ARN); err != nil {
			t.Fatal(err)
		}
	} else if len(raw) > 0 {
		if err := json.Unmarshal(raw, &r.Principal); err != nil {
			t.Fatal(err)
		}
	}
	for key, value := range c.Input.Request.Context {
		switch value := value.(type) {
		case string:
			r.Context.Set(key, value)
		case []any:
			var values []string
			for _, v := range value {
				values = append(values, v.(string))
			}
			r.Context.Set(key, values...)
		default:
			t.Fatalf("%s: %v", key, value)
		}
	}
	return r
}

// rule is the table of spec/rest.md 2.6 for a kind of authorization.
func (c policyCase) rule(t *testing.T) Rule {
	t.Helper()
	switch a := c.Input.Authorization; {
	case a == "NONE":
		return ResourceAlone
	case a == "AWS_IAM" && c.Input.Caller == "other account", strings.HasPrefix(a, "COGNITO"):
		return BothAllow
	case a == "AWS_IAM", a == "CUSTOM", strings.Contains(a, "Lambda"):
		return EitherAllows
	case a == "no resource policy":
		return IdentityAlone
	}
	t.Fatalf("authorization %q", c.Input.Authorization)
	return 0
}

// side is a decision of one side, made by a real policy.
func side(t *testing.T, outcome string) Decision {
	t.Helper()
	effect := map[string]string{"allow": "Allow", "deny": "Deny"}[outcome]
	if effect == "" {
		return Decision{}
	}
	d, err := Parse(`{"Statement":{"Effect":"`+effect+`","Action":"*","Resource":"*"}}`, Identity)
	if err != nil {
		t.Fatal(err)
	}
	return Decide(&Request{}, d.Compile(outcome))
}
