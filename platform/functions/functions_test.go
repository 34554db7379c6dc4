package functions

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/limen-gateway/limen/core/arn"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const f = "arn:aws:lambda:eu-west-1:123456789012:function:f"

func invoker(t *testing.T, c Config) *Invoker {
	t.Helper()
	i, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.Close)
	return i
}

func target(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

func TestOverHTTP(t *testing.T) {
	var got *http.Request
	var body string
	url := target(t, func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		got, body = r, string(text)
		h := w.Header()
		h.Set("X-Amzn-RequestId", "id")
		h.Set("X-Amz-Function-Error", "Unhandled")
		h.Set("X-Amz-Executed-Version", "7")
		h.Set("X-Amz-Log-Result", "bG9n")
		io.WriteString(w, "answer")
	})
	i := invoker(t, Config{Endpoint: url + "/"})
	r, err := i.Invoke(context.Background(), f+":live", []byte("event"), Options{Type: Event, ClientContext: "e30=", TraceID: "Root=1", LogTail: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Status != 200 || string(r.Payload) != "answer" || r.FunctionError != "Unhandled" || r.RequestID != "id" || r.ExecutedVersion != "7" || string(r.Log) != "log" {
		t.Errorf("got %+v", r)
	}
	if got.RequestURI != "/2015-03-31/functions/"+"arn:aws:lambda:eu-west-1:123456789012:function:f"+"/invocations?Qualifier=live" || body != "event" {
		t.Errorf("asked %s with %s", got.RequestURI, body)
	}
	for name, want := range map[string]string{"X-Amz-Invocation-Type": "Event", "X-Amz-Client-Context": "e30=", "X-Amzn-Trace-Id": "Root=1", "X-Amz-Log-Type": "Tail", "Content-Type": "application/json"} {
		if got.Header.Get(name) != want {
			t.Errorf("%s is %q", name, got.Header.Get(name))
		}
	}
}

func TestTargetsComeFirst(t *testing.T) {
	say := func(text string) string {
		return target(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, text+r.RequestURI) })
	}
	i := invoker(t, Config{Host: host{}, Targets: map[string]string{f: say("plain") + "/x?y", f + ":live": say("alias")}})
	for name, want := range map[string]string{f: "plain/x?y", f + ":1": "plain/x?y", f + ":live": "alias/", strings.TrimSuffix(f, "f") + "g": "host"} {
		r, err := i.Invoke(context.Background(), name, nil, Options{})
		if err != nil || string(r.Payload) != want {
			t.Errorf("%s answers %s, %v", name, r.Payload, err)
		}
	}
}

// host answers in process.
type host struct{}

func (host) Invoke(context.Context, arn.Function, []byte, Options) (Result, error) {
	return Result{Status: 200, Payload: []byte("host")}, nil
}

func TestErrors(t *testing.T) {
	answer := func(status int, kind, body string) string {
		return target(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Amzn-ErrorType", kind)
			w.Header().Set("X-Amzn-RequestId", "id")
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			io.WriteString(w, body)
		})
	}
	tests := []struct {
		name, url string
		kind      Kind
		errorType string
		message   string
	}{
		{"missing", answer(404, "ResourceNotFoundException:http://x", `{"Message":"Function not found: x"}`), Missing, "ResourceNotFoundException", "Function not found: x"},
		{"throttled", answer(429, "TooManyRequestsException", `{"message":"Rate Exceeded."}`), Throttled, "TooManyRequestsException", "Rate Exceeded."},
		{"denied", answer(403, "AccessDeniedException", `{"Message":"no"}`), Denied, "AccessDeniedException", "no"},
		{"refused", answer(400, "InvalidRequestContentException", `{"message":"bad"}`), Refused, "InvalidRequestContentException", "bad"},
		{"broken", answer(502, "", `<html>`), Unreachable, "", ""},
		{"redirect", answer(302, "", ``), Unreachable, "", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := invoker(t, Config{Endpoint: tt.url}).Invoke(context.Background(), f, nil, Options{})
			var e *Error
			if !errors.As(err, &e) || e.Kind != tt.kind || e.Type != tt.errorType || e.Message != tt.message || e.RequestID != "id" {
				t.Fatalf("got %#v", err)
			}
			if !strings.Contains(e.Error(), tt.kind.String()) {
				t.Errorf("text %q", e)
			}
		})
	}
}

func TestUnreachable(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	cut := target(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	log := target(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Amz-Log-Result", "!") })
	large := target(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, strings.Repeat("x", maxAnswer+1)) })
	short := target(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		io.WriteString(w, "x")
	})
	for name, url := range map[string]string{"nobody listens": gone.URL, "broken off": cut, "damaged log": log, "too large": large, "too short": short, "not configured": ""} {
		_, err := invoker(t, Config{Endpoint: url}).Invoke(context.Background(), f, nil, Options{})
		var e *Error
		if !errors.As(err, &e) || e.Kind != Unreachable || e.Unwrap() == nil || strings.Contains(e.Error(), "127.0.0.1/") {
			t.Errorf("%s gives %v", name, err)
		}
	}
	if _, err := NewClient(nil).Post(context.Background(), "://", nil, Options{}); err == nil {
		t.Error("posted to nowhere")
	}
}

// resetting resets the first connection before it has said anything, as a host does that ends with connections in its queue.
type resetting struct {
	net.Listener
	once sync.Once
}

func (l *resetting) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err == nil {
		l.once.Do(func() {
			err = errors.Join(c.(*net.TCPConn).SetLinger(0), c.Close())
			if err == nil {
				c, err = l.Listener.Accept()
			}
		})
	}
	return c, err
}

func TestAConnectionThatWasNeverTakenIsTriedAgain(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `"answer"`) }))
	s.Listener = &resetting{Listener: s.Listener}
	s.StartTLS()
	t.Cleanup(s.Close)
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	got, err := invoker(t, Config{Endpoint: s.URL, TLS: &tls.Config{RootCAs: roots}}).Invoke(context.Background(), f, nil, Options{})
	if err != nil || string(got.Payload) != `"answer"` {
		t.Errorf("%s, %v", got.Payload, err)
	}
}

func TestTimedOut(t *testing.T) {
	arrived := make(chan struct{})
	url := target(t, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // or the server does not see that the client has gone
		close(arrived)
		<-r.Context().Done()
	})
	ctx, cancel := context.WithTimeoutCause(context.Background(), time.Minute, nil)
	defer cancel()
	go func() {
		<-arrived
		cancel()
	}()
	_, err := invoker(t, Config{Endpoint: url}).Invoke(ctx, f, nil, Options{})
	var e *Error
	if !errors.As(err, &e) || e.Kind != TimedOut || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestInvalidARN(t *testing.T) {
	_, err := invoker(t, Config{}).Invoke(context.Background(), "f", nil, Options{})
	var e *Error
	if !errors.As(err, &e) || e.Kind != Missing || e.Message != "Invalid function ARN: f" {
		t.Fatalf("got %v", err)
	}
}

func TestConfigRefused(t *testing.T) {
	for name, c := range map[string]Config{
		"endpoint":   {Endpoint: "functions:9001"},
		"no host":    {Endpoint: "http://"},
		"no URL":     {Endpoint: ":"},
		"target":     {Targets: map[string]string{f: "x"}},
		"not an ARN": {Targets: map[string]string{"f": "http://x"}},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
