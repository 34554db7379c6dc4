package vtl

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// The cases of the conformance folder are not ours to copy: they are read where the environment says they are.
const conformanceFolder = "LIMEN_CONFORMANCE"

// stockOnly are cases whose one output is a stock Velocity's and not the service's, which turns invalid references into the
// empty string before they are escaped or assigned (spec/vtl.md 1.4, 2.5).
var stockOnly = map[string]bool{"vtl/46781e0507": true, "vtl/0900f36fd8": true}

type conformanceCase struct {
	Name  string
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

func TestConformance(t *testing.T) {
	folder := os.Getenv(conformanceFolder)
	if folder == "" {
		t.Skipf("%s does not say where the conformance cases are", conformanceFolder)
	}
	text, err := os.ReadFile(filepath.Join(folder, "vtl", "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []conformanceCase }
	if err = json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	passed, total := 0, 0
	for _, c := range file.Cases {
		outputs := []*string{c.Expect.Output, c.Expect.Output}
		if c.Expect.APIGatewayOutput != nil {
			outputs[1] = c.Expect.APIGatewayOutput
		}
		for i, want := range outputs {
			if i == 1 && stockOnly[c.Name] {
				continue
			}
			total++
			if wrong := c.check(Options{Stock: i == 0}, want); wrong != "" {
				t.Errorf("%s, stock %v: %q: %s", c.Name, i == 0, c.Input.Template, wrong)
				continue
			}
			passed++
		}
	}
	t.Logf("vtl: conformance %d of %d, each case in both modes", passed, total)
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
