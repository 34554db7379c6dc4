package edge

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/functions"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

// typedInvoker is an invoker that looks at how it is asked to invoke.
type typedInvoker func(payload string, kind functions.InvocationType) (functions.Result, error)

func (f typedInvoker) Invoke(_ context.Context, _ string, payload []byte, o functions.Options) (functions.Result, error) {
	return f(string(payload), o.Type)
}

// custom is an integration of type AWS with a function.
func custom(templates, parameters map[string]string) *apigatewayv1.Integration {
	in := lambda("${stageVariables.fn}")
	in.Type, in.RequestTemplates, in.RequestParameters = proto.String("AWS"), str(templates), str(parameters)
	return in
}

// TestLambda is spec/rest.md 4.8 and 4.9 for functions that are no proxies: templates make the event and the answer, the
// message of an error chooses the response.
func TestLambda(t *testing.T) {
	var sent string
	w := start(t, Deps{Functions: typedInvoker(func(payload string, kind functions.InvocationType) (functions.Result, error) {
		sent = payload
		switch {
		case kind == functions.Event:
			return functions.Result{Status: 202}, nil
		case strings.Contains(payload, "fail"):
			return functions.Result{Status: 200, FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"[404] no such order","errorType":"Missing"}`)}, nil
		case strings.Contains(payload, "gone"):
			return functions.Result{}, &functions.Error{Kind: functions.Missing, Message: "Function not found"}
		}
		return functions.Result{Status: 200, Payload: []byte(`{"id":7,"name":"é"}`)}, nil
	})})
	ok := response("200", "", map[string]string{"method.response.header.X-Error": "integration.response.header.X-Amz-Function-Error"}, asJSON(`{"order":$input.json('$.id')}`))
	missing := response("404", `\[404\].*`, map[string]string{"method.response.header.X-Error": "integration.response.header.X-Amz-Function-Error"}, asJSON(`{"why":"$input.path('$.errorMessage')"}`))
	publish(w.edge, 1, map[string]string{"fn": "orders"}, map[string]*snapshotv1.Deployment{"prod": deployment(nil,
		method{"/plain", "POST", withResponses(custom(nil, nil), response("200", "", nil, nil))},
		method{"/mapped", "POST", withResponses(custom(asJSON(`{"order":"$input.path('$.id')"}`), nil), ok, missing)},
		method{"/event", "POST", withResponses(custom(nil, map[string]string{"integration.request.header.X-Amz-Invocation-Type": "'Event'"}), response("202", "", nil, nil))},
		method{"/asked", "POST", withResponses(custom(asJSON(`#set($context.requestOverride.header.X-Amz-Invocation-Type = "Event"){}`), nil), response("202", "", nil, nil))},
		method{"/strict", "POST", withResponses(custom(nil, nil), response("400", "never", nil, nil))},
	)})
	for _, tt := range []struct {
		path, body, sent string
		status           int
		answer, fails    string
	}{
		{"/plain", "", "{}", 200, `{"id":7,"name":"é"}`, ""},
		{"/plain", `{"a":1}`, `{"a":1}`, 200, `{"id":7,"name":"é"}`, ""},
		{"/mapped", `{"id":"x"}`, `{"order":"x"}`, 200, `{"order":7}`, ""},
		{"/mapped", `{"id":"fail"}`, `{"order":"fail"}`, 404, `{"why":"[404] no such order"}`, "Unhandled"},
		{"/event", "{}", "{}", 202, "", ""},
		{"/asked", "{}", "{}", 202, "", ""},
		{"/strict", "{}", "{}", 500, `{"message": "Internal server error"}`, ""},
		{"/plain", `"gone"`, `"gone"`, 500, `{"message": "Internal server error"}`, ""},
	} {
		a := w.post("/prod"+tt.path, tt.body)
		if a.status != tt.status || a.body != tt.answer || sent != tt.sent || a.header("X-Error") != tt.fails {
			t.Errorf("%s with %s: the function got %s, the client %+v", tt.path, tt.body, sent, a)
		}
	}
	if got := w.explain(w.post("/prod/mapped", `{"id":"fail"}`)); !strings.Contains(got, "[404] no such order") {
		t.Error(got)
	}
}
