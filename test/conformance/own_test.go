package conformance

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/limen-gateway/limen/test/harness"
)

// TestOwnCases runs the project's own cases against the real binary.
func TestOwnCases(t *testing.T) {
	areas, err := ReadAreas("cases", "")
	if err != nil {
		t.Fatal(err)
	}
	operations, err := ReadOperations("cases/operations.json")
	if err != nil {
		t.Fatal(err)
	}
	p, err := Start(t.Context(), harness.Binary(t), 10, nil, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}()
	ran := 0
	s := &Suite{Target: &p.Target, Operations: operations, Listen: "127.0.0.1"}
	s.Run(t.Context(), areas, func(r Result) {
		ran++
		if r.Verdict != Passed {
			t.Errorf("%s: %s", r.Name, r.Reason)
		}
	})
	if ran == 0 {
		t.Error("no case was run")
	}
}

// TestAccountsAreEmptied: what a case left is gone before the next one uses its account.
func TestAccountsAreEmptied(t *testing.T) {
	lists := map[string]string{
		"/usageplans": `{"item":[{"id":"u","apiStages":[{"apiId":"a","stage":"s"}]}]}`, "/restapis": `{"item":[{"id":"a"}]}`,
		"/v2/apis": `{"items":[{"apiId":"w"}]}`, "/apikeys": `{"item":[{"id":"k"}]}`, "/vpclinks": `{"item":[]}`,
	}
	answers := map[string]scripted{
		"PATCH /usageplans/u": {Wants: `{"patchOperations":[{"op":"remove","path":"/apiStages","value":"a:s"}]}`},
	}
	for path, body := range lists {
		answers["GET "+path+"?limit=500"] = scripted{Body: json.RawMessage(body)}
	}
	gone := []string{"DELETE /usageplans/u", "DELETE /restapis/a", "DELETE /v2/apis/w", "DELETE /apikeys/k"}
	for _, name := range gone {
		answers[name] = scripted{Status: http.StatusAccepted}
	}
	g := startGateway(t, answers)
	var mu sync.Mutex
	var deleted []string
	next := g.server.Config.Handler
	g.server.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			mu.Lock()
			deleted = append(deleted, r.Method+" "+r.URL.Path)
			mu.Unlock()
		}
		next.ServeHTTP(w, r)
	})
	target := &Target{Control: g.server.URL, Data: g.server.URL, Region: "us-east-1", Keys: []Key{{"300000000001", "AKIACASE000000000001", "conformance-secret"}}}
	s := &Suite{Target: target}
	if _, err := s.account(t.Context()); err != nil || deleted != nil {
		t.Errorf("a fresh account is emptied: %v, %v", deleted, err)
	}
	if _, err := s.account(t.Context()); err != nil || !slices.Equal(deleted, gone) {
		t.Errorf("gone are %v, %v", deleted, err)
	}
	target.Shared, deleted = true, nil
	if _, err := (&Suite{Target: target}).account(t.Context()); err != nil || !slices.Equal(deleted, gone) {
		t.Errorf("of a shared account gone are %v, %v", deleted, err)
	}
}
