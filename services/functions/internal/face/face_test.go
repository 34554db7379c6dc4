package face

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/limen-gateway/limen/core/arn"
	"github.com/limen-gateway/limen/platform/functions"
)

// stub answers every invocation the same and keeps what it was asked.
type stub struct {
	result  functions.Result
	err     error
	f       arn.Function
	payload string
	o       functions.Options
}

func (s *stub) Invoke(_ context.Context, f arn.Function, payload []byte, o functions.Options) (functions.Result, error) {
	s.f, s.payload, s.o = f, string(payload), o
	return s.result, s.err
}

var home = arn.Function{Region: "eu-west-1", Account: "123456789012"}

func call(s *stub, method, target, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	Handler(s, home).ServeHTTP(w, r)
	return w
}

func TestNames(t *testing.T) {
	const full = "arn:aws:lambda:eu-west-1:123456789012:function:f"
	for target, want := range map[string]string{
		"f":                                  full,
		"f:live":                             full + ":live",
		"f?Qualifier=2":                      full + ":2",
		"f:2?Qualifier=2":                    full + ":2",
		"f?Qualifier=%24LATEST":              full + ":$LATEST",
		"999999999999:function:f":            "arn:aws:lambda:eu-west-1:999999999999:function:f",
		strings.ReplaceAll(full, ":", "%3A"): full,
	} {
		name, query, _ := strings.Cut(target, "?")
		s := &stub{result: functions.Result{Status: 200}}
		w := call(s, "POST", "/2015-03-31/functions/"+name+"/invocations?"+query, "")
		if w.Code != 200 || s.f.String() != want {
			t.Errorf("%s: status %d, %s", target, w.Code, s.f)
		}
	}
}

func TestAnswer(t *testing.T) {
	s := &stub{result: functions.Result{Status: 200, Payload: []byte(`{"a":1}`), FunctionError: "Unhandled", RequestID: "id", ExecutedVersion: "3", Log: []byte("log")}}
	w := call(s, "POST", "/2015-03-31/functions/f/invocations", `{"in":1}`, "X-Amz-Invocation-Type", "Event", "X-Amz-Log-Type", "Tail", "X-Amz-Client-Context", "e30=", "X-Amzn-Trace-Id", "Root=1")
	if want := (functions.Options{Type: functions.Event, ClientContext: "e30=", TraceID: "Root=1", LogTail: true}); s.o != want || s.payload != `{"in":1}` {
		t.Errorf("asked %+v, %s", s.o, s.payload)
	}
	for name, want := range map[string]string{
		"X-Amz-Function-Error": "Unhandled", "X-Amz-Executed-Version": "3", "X-Amzn-RequestId": "id", "Content-Length": "7",
		"X-Amz-Log-Result": base64.StdEncoding.EncodeToString([]byte("log")),
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if w.Code != 200 || w.Body.String() != `{"a":1}` {
		t.Errorf("got %d, %s", w.Code, w.Body)
	}
	w = call(&stub{result: functions.Result{Status: 204}}, "POST", "/2015-03-31/functions/f/invocations", "")
	if w.Code != 204 || w.Body.Len() != 0 {
		t.Errorf("got %d, %s", w.Code, w.Body)
	}
}

func TestRefusals(t *testing.T) {
	const path = "/2015-03-31/functions/f/invocations"
	tests := []struct {
		name, method, target, body string
		err                        error
		status                     int
		kind, text                 string
	}{
		{"missing", "POST", path, "", functions.NotFound(home), 404, "ResourceNotFoundException", `{"Message":"Function not found: ` + home.String() + `","Type":"User"}`},
		{"throttled", "POST", path, "", functions.TooMany(), 429, "TooManyRequestsException", `{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`},
		{"unreachable", "POST", path, "", &functions.Error{Kind: functions.Unreachable}, 500, "ServiceException", `{"Message":"The function host could not run the function.","Type":"Service"}`},
		{"any error", "POST", path, "", errors.New("x"), 500, "ServiceException", `{"Message":"The function host could not run the function.","Type":"Service"}`},
		{"not JSON", "POST", path, "{", nil, 400, "InvalidRequestContentException", `{"Message":"Could not parse request body into json","Type":"User"}`},
		{"too large", "POST", path, strings.Repeat("1", maxPayload+1), nil, 413, "RequestTooLargeException", `{"Message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation","Type":"User"}`},
		{"two qualifiers", "POST", "/2015-03-31/functions/f:1/invocations?Qualifier=2", "", nil, 400, "InvalidParameterValueException", `{"Message":"The derived qualifier from the function name does not match the specified qualifier.","Type":"User"}`},
		{"bad name", "POST", "/2015-03-31/functions/f!/invocations", "", nil, 400, "ValidationException", `1 validation error detected: Value 'f!' at 'functionName'`},
		{"another path", "POST", "/2015-03-31/functions/f", "", nil, 404, "UnknownOperationException", `{"Message":"","Type":"User"}`},
		{"another method", "GET", path, "", nil, 404, "UnknownOperationException", `{"Message":"","Type":"User"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := call(&stub{err: tt.err}, tt.method, tt.target, tt.body)
			if w.Code != tt.status || w.Header().Get("X-Amzn-ErrorType") != tt.kind || !strings.Contains(w.Body.String(), tt.text) {
				t.Fatalf("got %d %s %s", w.Code, w.Header().Get("X-Amzn-ErrorType"), w.Body)
			}
		})
	}
}

// TestBrokenBody: a body that ends early is the caller's fault.
func TestBrokenBody(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/2015-03-31/functions/f/invocations", broken{})
	w := httptest.NewRecorder()
	Handler(&stub{}, home).ServeHTTP(w, r)
	if w.Code != 400 {
		t.Fatalf("got %d", w.Code)
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("broken off") }
