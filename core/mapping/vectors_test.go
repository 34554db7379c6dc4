package mapping

import (
	"encoding/json"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limen-gateway/limen/core/expression"
	"github.com/limen-gateway/limen/core/jsonpath"
	"github.com/limen-gateway/limen/core/vtl"
)

// request is an Input whose facts are those of a vector.
type request struct {
	expression.Values // templates ask for none of them
	params            [len(placeNames)][][2]string
	context, stage    map[string]string
	authorizer        [][2]string
}

// requestOf makes it of the JSON values of a vector: the parameters by place, $context, and the stage variables.
func requestOf(v jsonpath.Value) *request {
	r := &request{context: map[string]string{}, stage: map[string]string{}}
	for place, name := range placeNames {
		for k, x := range members(v.Get("params").Get(name), "") {
			r.params[place] = append(r.params[place], [2]string{k, x})
		}
	}
	for k, x := range members(v.Get("context"), "") {
		r.context[k] = x
	}
	for k, x := range members(v.Get("context").Get("authorizer"), "") {
		r.authorizer = append(r.authorizer, [2]string{k, x})
	}
	for k, x := range members(v.Get("stageVariables"), "") {
		r.stage[k] = x
	}
	return r
}

func pairs(list [][2]string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, x := range list {
			if !yield(x[0], x[1]) {
				return
			}
		}
	}
}

func (r *request) Parameters(p Place) iter.Seq2[string, string] { return pairs(r.params[p]) }

func (r *request) StageVariables() map[string]string { return r.stage }

func (r *request) Authorizer() iter.Seq2[string, string] { return pairs(r.authorizer) }

func (r *request) Context(path string) string { return r.context[path] }

// members walks over the scalars of an object, with dotted names.
func members(v jsonpath.Value, prefix string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := range v.Len() {
			if v.Index(i).Kind() == jsonpath.Object {
				for k, x := range members(v.Index(i), prefix+v.Key(i)+".") {
					yield(k, x)
				}
			} else if !yield(prefix+v.Key(i), printed(v.Index(i))) {
				return
			}
		}
	}
}

func printed(v jsonpath.Value) string { return string(v.AppendPrinted(nil)) }

// vectorFeatures are those of the vectors of core/vtl that lean on the service's objects. TestVectors renders them with the
// real ones.
var vectorFeatures = map[string]bool{"input": true, "input-body": true, "util": true, "context": true, "overrides": true, "real": true, "printing": true}

// otherObjects are vectors about objects that are not as the service makes them.
var otherObjects = map[string]string{
	"context-023":          "identity has the members of the vector alone; the service's has those that do not apply too, as null",
	"passthrough":          "as real-passthrough-all",
	"real-passthrough-all": "stage variables in the order of the vector; a stage's have none, and come by name",
}

func TestVectors(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "vtl", "testdata", "cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	passed, total := 0, 0
	for line := range strings.Lines(string(text)) {
		v, err := jsonpath.ParseJSON(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		name := v.Get("name").Text()
		if !vectorFeatures[v.Get("feature").Text()] || v.Get("profile").Text() != "apigw" || otherObjects[name] != "" {
			continue
		}
		total++
		if wrong := checkVector(v); wrong != "" {
			t.Errorf("%s: %q: %s", name, v.Get("template").Text(), wrong)
			continue
		}
		passed++
	}
	t.Logf("mapping: %d of %d vectors with the service's objects", passed, total)
}

func checkVector(v jsonpath.Value) string {
	x, err := Compile("", v.Get("template").Text())
	var out []byte
	state := &State{}
	if err == nil {
		out, err = x.Render(requestOf(v), v.Get("body").Text(), state)
	}
	switch want := string(trim([]byte(v.Get("output").Text()))); {
	case v.Get("error").Text() != "":
		if err == nil {
			return fmt.Sprintf("got %q, want an error (%s)", out, v.Get("error").Text())
		}
		return ""
	case err != nil:
		return fmt.Sprintf("got the error %v, want %q", err, want)
	case string(out) != want:
		return fmt.Sprintf("got %q, want %q", out, want)
	}
	wanted := v.Get("overrides")
	for i := range wanted.Len() {
		got := map[string]*vtl.Map{"requestOverride": state.request, "responseOverride": state.response}[wanted.Key(i)]
		if g := string(vtl.AppendJSON(nil, vtl.MapValue(got))); g != wanted.Index(i).String() {
			return fmt.Sprintf("%s is %s, want %s", wanted.Key(i), g, wanted.Index(i))
		}
	}
	return ""
}

// The cases of the conformance folder are not ours to copy: they are read where the environment says they are.
const conformanceFolder = "LIMEN_CONFORMANCE"

// TestConformance runs the cases of area mapping that need no gateway.
func TestConformance(t *testing.T) {
	folder := os.Getenv(conformanceFolder)
	if folder == "" {
		t.Skipf("%s does not say where the conformance cases are", conformanceFolder)
	}
	text, err := os.ReadFile(filepath.Join(folder, "mapping", "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases []struct {
			Name   string
			Expect struct {
				Renders []struct {
					Template, Output string
					Context          map[string]string
				}
			}
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	passed, total, steps := 0, 0, 0
	for _, c := range file.Cases {
		if len(c.Expect.Renders) == 0 {
			steps++
			continue
		}
		for _, r := range c.Expect.Renders {
			total++
			variables := []vtl.Variable{{Name: "util", Value: vtl.ObjectValue(utilities{})}}
			for name, value := range r.Context {
				variables = append(variables, vtl.Variable{Name: name, Value: vtl.StringValue(value)})
			}
			p, err := vtl.CompileText(r.Template, vtl.Options{})
			if err != nil {
				t.Errorf("%s: %v", c.Name, err)
				continue
			}
			out, err := p.Render(variables, vtl.Limits{}, nil)
			if err != nil || string(out) != r.Output {
				t.Errorf("%s: %s of %q: %q %v, want %q", c.Name, r.Template, r.Context, out, err, r.Output)
				continue
			}
			passed++
		}
	}
	t.Logf("mapping: %d of %d renders; %d cases have steps and need a gateway", passed, total, steps)
}
