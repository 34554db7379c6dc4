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
	"github.com/limen-gateway/limen/platform/casetest"
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

// TestVectors runs the vectors of the project.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "vtl", "testdata", "cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		judgeVector(t, line)
	}
}

// judgeVector passes over vectors that are judged without these objects.
func judgeVector(t *testing.T, line string) {
	v, err := jsonpath.ParseJSON(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	name := v.Get("name").Text()
	if !vectorFeatures[v.Get("feature").Text()] || v.Get("profile").Text() != "apigw" || otherObjects[name] != "" {
		return
	}
	if wrong := checkVector(v); wrong != "" {
		t.Errorf("%s: %q, with the service's objects: %s", name, v.Get("template").Text(), wrong)
	}
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

// rendersCase is a case of area mapping that needs no gateway.
type rendersCase struct {
	casetest.About
	Expect struct {
		Renders []struct {
			Template string
			Context  map[string]json.RawMessage
			Output   *string
		}
	}
}

// TestConformance runs the cases of area mapping that need no gateway, and the vectors of area vtl that lean on the service's
// objects.
func TestConformance(t *testing.T) {
	casetest.Judge(t, "mapping", func(t *testing.T, c rendersCase) { c.judge(t) })
	casetest.JudgeLines(t, "vtl", judgeVector)
}

func (c rendersCase) judge(t *testing.T) {
	if len(c.Expect.Renders) == 0 {
		t.Error("the case renders nothing")
	}
	for _, r := range c.Expect.Renders {
		if r.Output == nil {
			t.Fatalf("%s has no output", r.Template)
		}
		variables := []vtl.Variable{{Name: "util", Value: vtl.ObjectValue(utilities{})}}
		for name, text := range r.Context {
			value, err := new(reader).read(string(text))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			variables = append(variables, vtl.Variable{Name: name, Value: value})
		}
		p, err := vtl.CompileText(r.Template, vtl.Options{})
		var out []byte
		if err == nil {
			out, err = p.Render(variables, vtl.Limits{}, nil)
		}
		if err != nil || string(out) != *r.Output {
			t.Errorf("%s of %s: got %q %v, want %q", r.Template, r.Context, out, err, *r.Output)
		}
	}
}
