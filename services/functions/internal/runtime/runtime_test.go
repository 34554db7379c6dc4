package runtime

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T) (*Server, *http.Client) {
	t.Helper()
	s, err := New()
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		s.Close()
		s.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
		client.CloseIdleConnections()
	})
	return s, client
}

func call(t *testing.T, c *http.Client, s *Server, method, path, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+s.Addr()+"/2018-06-01/runtime/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func invoke(t *testing.T, s *Server, id string) <-chan Outcome {
	t.Helper()
	out, err := s.Invoke(Invocation{RequestID: id, FunctionARN: "arn:f", TraceID: "Root=1", ClientContext: `{"a":1}`, Deadline: time.UnixMilli(1234), Payload: []byte(`{"n":1}`)})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestInvocation(t *testing.T) {
	s, c := start(t)
	out := invoke(t, s, "id-1")
	if _, err := s.Invoke(Invocation{}); err != ErrBusy {
		t.Fatalf("a second one gave %v", err)
	}
	resp, body := call(t, c, s, "GET", "invocation/next", "")
	<-s.Asked()
	if body != `{"n":1}` {
		t.Fatalf("event %s", body)
	}
	for name, want := range map[string]string{
		"Lambda-Runtime-Aws-Request-Id": "id-1", "Lambda-Runtime-Deadline-Ms": "1234", "Lambda-Runtime-Invoked-Function-Arn": "arn:f",
		"Lambda-Runtime-Trace-Id": "Root=1", "Lambda-Runtime-Client-Context": `{"a":1}`,
	} {
		if got := resp.Header.Get(name); got != want {
			t.Errorf("%s is %q", name, got)
		}
	}
	if resp, _ := call(t, c, s, "POST", "invocation/other/response", "x"); resp.StatusCode != 400 {
		t.Errorf("an unknown id gave %d", resp.StatusCode)
	}
	if resp, _ := call(t, c, s, "POST", "invocation/id-1/response", "done"); resp.StatusCode != 202 {
		t.Errorf("the answer gave %d", resp.StatusCode)
	}
	if got := <-out; string(got.Payload) != "done" || got.Failed {
		t.Errorf("outcome %+v", got)
	}
	if resp, _ := call(t, c, s, "POST", "invocation/id-1/response", "again"); resp.StatusCode != 400 {
		t.Errorf("a second answer gave %d", resp.StatusCode)
	}
}

func TestFailures(t *testing.T) {
	s, c := start(t)
	out := invoke(t, s, "a")
	call(t, c, s, "GET", "invocation/next", "")
	call(t, c, s, "POST", "invocation/a/error", `{"errorMessage":"boom"}`)
	if got := <-out; string(got.Payload) != `{"errorMessage":"boom"}` || !got.Failed {
		t.Errorf("outcome %+v", got)
	}
	out = invoke(t, s, "b")
	call(t, c, s, "GET", "invocation/next", "")
	if resp, _ := call(t, c, s, "POST", "invocation/b/response", strings.Repeat("x", MaxResponse+1)); resp.StatusCode != 413 {
		t.Errorf("too large gave %d", resp.StatusCode)
	}
	if got := <-out; string(got.Payload) != tooLarge || !got.Failed {
		t.Errorf("outcome %s", got.Payload)
	}
}

func TestInitError(t *testing.T) {
	s, c := start(t)
	if _, failed := s.InitError(); failed {
		t.Fatal("failed before it began")
	}
	call(t, c, s, "POST", "init/error", `{"errorType":"Init"}`)
	<-s.Asked()
	if got, failed := s.InitError(); !failed || string(got) != `{"errorType":"Init"}` {
		t.Fatalf("got %s, %v", got, failed)
	}
}

func TestWithdraw(t *testing.T) {
	s, c := start(t)
	invoke(t, s, "a")
	if !s.Withdraw() {
		t.Fatal("nobody had fetched it")
	}
	invoke(t, s, "b")
	call(t, c, s, "GET", "invocation/next", "")
	if s.Withdraw() {
		t.Fatal("the process had fetched it")
	}
}

// TestFetchByTheDead: a process that went away while it waited does not take the invocation with it.
func TestFetchByTheDead(t *testing.T) {
	s, _ := start(t)
	out := invoke(t, s, "a")
	p := <-s.queue
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if s.fetch(gone, p) {
		t.Fatal("handed to the dead")
	}
	if !s.Withdraw() {
		t.Fatal("counts as fetched")
	}
	if s.fetch(context.Background(), p) {
		t.Fatal("handed out after it was withdrawn")
	}
	if len(out) != 0 {
		t.Fatal("has an outcome")
	}
}

// TestCloseEndsWaiting: a process that waits for work is let go.
func TestCloseEndsWaiting(t *testing.T) {
	s, c := start(t)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		resp, err := c.Get("http://" + s.Addr() + "/2018-06-01/runtime/invocation/next")
		if err == nil {
			resp.Body.Close()
		}
	}()
	<-s.Asked()
	s.Close()
	<-ended
}
