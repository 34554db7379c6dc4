package vtl

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/limen-gateway/limen/platform/casetest"
)

// stockOnly are cases whose one output is a stock Velocity's and not the service's, which turns invalid references into the
// empty string before they are escaped or assigned (spec/vtl.md 1.4, 2.5).
var stockOnly = map[string]bool{"vtl/46781e0507": true, "vtl/0900f36fd8": true}

type conformanceCase struct {
	casetest.About
	Input struct {
		Context  json.RawMessage
		Template string
	}
	Expect struct {
		Output           *string
		APIGatewayOutput *string `json:"apiGatewayOutput"`
		Error            string
	}
}

// TestConformance runs each case in both modes, and the vectors beside the cases.
func TestConformance(t *testing.T) {
	casetest.Judge(t, "vtl", func(t *testing.T, c conformanceCase) { c.judge(t) })
	casetest.JudgeLines(t, "vtl", func(t *testing.T, line string) {
		x, err := readVector(line)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := x.check(); wrong != "" {
			t.Errorf("%q: %s", x.Template, wrong)
		}
	})
}

func (c *conformanceCase) judge(t *testing.T) {
	if (c.Expect.Output == nil) == (c.Expect.Error == "") {
		t.Fatal("the case wants one of output and error")
	}
	if wrong := c.check(Options{Stock: true}, c.Expect.Output); wrong != "" {
		t.Errorf("stock Velocity: %q: %s", c.Input.Template, wrong)
	}
	want := c.Expect.Output
	if c.Expect.APIGatewayOutput != nil {
		want = c.Expect.APIGatewayOutput
	}
	if stockOnly[c.Name] {
		return
	}
	if wrong := c.check(Options{}, want); wrong != "" {
		t.Errorf("API Gateway: %q: %s", c.Input.Template, wrong)
	}
}

func (c *conformanceCase) check(o Options, want *string) string {
	context, err := readJSON(string(c.Input.Context))
	if err != nil {
		return err.Error()
	}
	var variables []Variable
	for k, v := range context.Map().All() {
		variables = append(variables, Variable{k.text(), plainLists(v)})
	}
	p, err := CompileText(c.Input.Template, o)
	var out []byte
	if err == nil {
		out, err = p.Render(variables, Limits{}, nil)
	}
	switch {
	case want == nil && err == nil:
		return fmt.Sprintf("got %q, want an error (%s)", out, c.Expect.Error)
	case want == nil:
		return ""
	case err != nil:
		return fmt.Sprintf("got the error %v, want %q", err, *want)
	case string(out) != *want:
		return fmt.Sprintf("got %q, want %q", out, *want)
	}
	return ""
}

// plainLists makes ordinary lists of a context's JSON arrays: these cases come from plain Java collections.
func plainLists(v Value) Value {
	if l := v.List(); l != nil {
		l.class = arrayList
		for _, x := range l.items {
			plainLists(x)
		}
	}
	if m := v.Map(); m != nil {
		for _, x := range m.All() {
			plainLists(x)
		}
	}
	return v
}
