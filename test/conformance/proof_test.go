package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// proof is a small case, the answers with which it passes, and changes of them that must turn it red.
type proof struct {
	Case    json.RawMessage       `json:"case"`
	Answers map[string]scripted   `json:"answers"`
	Red     []map[string]scripted `json:"red"`
}

func proofs(t *testing.T) []proof {
	t.Helper()
	text, err := os.ReadFile("testdata/proof.json")
	if err != nil {
		t.Fatal(err)
	}
	var out []proof
	if err := strict(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// soon is enough for what never comes; what must come gets the suite's own time, on a busy machine too.
const soon = 400 * time.Millisecond

// judged runs one case against answers.
func judged(t *testing.T, text json.RawMessage, answers map[string]scripted, eventually time.Duration) Result {
	t.Helper()
	var out Result
	suiteOf(t, answers, eventually).Run(context.Background(), []Area{{Name: "own", Cases: []json.RawMessage{text}}}, func(r Result) { out = r })
	return out
}

// suiteOf judges against a gateway with these answers.
func suiteOf(t *testing.T, answers map[string]scripted, eventually time.Duration) *Suite {
	t.Helper()
	operations, err := ReadOperations("testdata/operations.json")
	if err != nil {
		t.Error(err)
	}
	g := startGateway(t, answers)
	key := Key{"300000000001", "AKIACASE000000000001", "conformance-secret"}
	return &Suite{Target: &Target{Control: g.server.URL, Data: g.server.URL, Region: "us-east-1", Keys: []Key{key}}, Operations: operations, Listen: "127.0.0.1", Eventually: eventually}
}

func TestEveryMutationTurnsItsCaseRed(t *testing.T) {
	for _, p := range proofs(t) {
		var c struct{ Name string }
		_ = json.Unmarshal(p.Case, &c)
		t.Run(strings.TrimPrefix(c.Name, "own/"), func(t *testing.T) {
			t.Parallel()
			if r := judged(t, p.Case, p.Answers, 0); r.Verdict != Passed {
				t.Fatalf("with the right answers: %s", r.Reason)
			}
			for i, red := range p.Red {
				t.Run(fmt.Sprint(i), func(t *testing.T) {
					t.Parallel()
					r := judged(t, p.Case, changed(p.Answers, red), soon)
					if r.Verdict != Failed {
						t.Errorf("passes with %s", compact(red))
					}
					t.Log(r.Reason)
				})
			}
		})
	}
}

// TestWrongCasesFail: nothing of a case is passed over in silence.
func TestWrongCasesFail(t *testing.T) {
	answers := map[string]scripted{"POST /things": {Body: json.RawMessage(`{"a":1}`)}, "GET /p": {}}
	call := func(expect string) string {
		return `{"name":"own/x","steps":[{"id":"s0","call":"apigateway.CreateThing","params":{},"expect":` + expect + `}]}`
	}
	request := func(expect string) string {
		return `{"name":"own/x","backends":{"f":{"kind":"lambda","behaviour":"unused"}},"steps":[{"id":"s0","request":{"api":"a","method":"GET","path":"/p"},"expect":` + expect + `}]}`
	}
	for text, why := range map[string]string{
		`{"name":"own/x","stepz":[]}`:                                                "unknown field",
		`{"name":"own/x","input":{},"expect":{}}`:                                    "no engine has judged it",
		`{"name":"own/x","steps":[]}`:                                                "nothing that the case expects",
		`{"name":"own/x","steps":[{"id":"s0"}]}`:                                     "wants one of",
		`{"name":"own/x","steps":[{"id":"s0","call":"apigateway.CreateThing"}]}`:     "nothing that the case expects",
		`{"name":"own/x","steps":[{"id":"s0","call":"apigateway.NoSuch"}]}`:          "has no apigateway.NoSuch",
		`{"name":"own/x","steps":[{"id":"s0","call":"s3.GetObject"}]}`:               "no backend of s3",
		`{"name":"own/x","steps":[{"id":"s0","websocket":{"api":"a","stage":"p"}}]}`: "has a script",
		call(`{}`):                                              "nothing that the case expects",
		call(`{"outputs":{}}`):                                  "unknown field",
		call(`{"checks":[{"path":"a"}]}`):                       "no operator",
		call(`{"checks":[{"path":"a","equalz":1}]}`):            "unknown field",
		call(`{"checks":[{"path":"a","equalsUnordered":1}]}`):   "wants a list",
		call(`{"status":"3xx"}`):                                "has no status",
		call(`{"output":{"a":"{{s9.id}}"}}`):                    "stands for nothing",
		call(`{"output":{"a":"{{backend.x.arn}}"}}`):            "no such backend",
		call(`{"body":{}}`):                                     "no member",
		request(`{}`):                                           "nothing that the case expects",
		request(`{"lambdaEvent":{"backend":"f","checks":[]}}`):  "nothing is expected",
		request(`{"lambdaEvents":{"backend":"f"}}`):             "nothing is expected",
		request(`{"lambdaEvent":{"backend":"g","absent":[]}}`):  "no backend g",
		request(`{"notCalled":["g"]}`):                          "no backend g",
		request(`{"output":{"a":"{{backend.f.token aud=x}}"}}`): "stands for nothing",
	} {
		r := judged(t, json.RawMessage(text), answers, soon)
		if r.Verdict != Failed || !strings.Contains(r.Reason, why) {
			t.Errorf("%s: %v %q, want %q", text, r.Verdict, r.Reason, why)
		}
	}
}

func TestWhatCannotBeFakedIsSkipped(t *testing.T) {
	for text, why := range map[string]string{
		`{"name":"own/x","backends":{"b":{"kind":"aws-sns"}},"steps":[]}`:                "no fake of aws-sns",
		`{"name":"own/x","backends":{"b":{"kind":"lambda","behaviour":"z"}},"steps":[]}`: "no fake of lambda z",
	} {
		if r := judged(t, json.RawMessage(text), nil, soon); r.Verdict != Skipped || r.Reason != why {
			t.Errorf("%s: %v %q, want %q", text, r.Verdict, r.Reason, why)
		}
	}
}
