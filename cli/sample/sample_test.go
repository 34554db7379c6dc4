package sample

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// TestMain: started with a name, the test binary is that sample.
func TestMain(m *testing.M) {
	if name := os.Getenv("LIMEN_TEST_SAMPLE"); name != "" {
		if err := Run(name); err != nil {
			os.Exit(7)
		}
		return
	}
	os.Exit(m.Run())
}

// call runs a sample as a process under a runtime that has one event, and returns what it posts and where.
func call(t *testing.T, name, event string) (path, body string) {
	t.Helper()
	type post struct{ path, body string }
	posts := make(chan post, 1)
	events := make(chan string, 1)
	events <- event
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			text, _ := io.ReadAll(r.Body)
			posts <- post{r.URL.Path, string(text)}
			w.WriteHeader(http.StatusAccepted)
			return
		}
		select {
		case e := <-events:
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", "id")
			w.Header().Set("Lambda-Runtime-Deadline-Ms", "9999999999999")
			io.WriteString(w, e)
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = []string{"LIMEN_TEST_SAMPLE=" + name, "AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(server.URL, "http://")}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case p := <-posts:
		cmd.Process.Kill()
		<-ended
		return p.path, p.body
	case err := <-ended:
		return "", err.Error()
	}
}

func TestSamples(t *testing.T) {
	const response = "/2018-06-01/runtime/invocation/id/response"
	tests := []struct{ name, event, path, body string }{
		{"hello", `{"httpMethod":"GET","path":"/a","queryStringParameters":{"name":"Ada"},"multiValueQueryStringParameters":{"name":["Ada"]}}`, response,
			`{"statusCode":200,"headers":{"Content-Type":"application/json"},"multiValueHeaders":null,"body":"{\"message\":\"Hello, Ada!\",\"method\":\"GET\",\"path\":\"/a\",\"query\":{\"name\":[\"Ada\"]}}"}`},
		{"hello", `{"httpMethod":"GET","path":"/","queryStringParameters":null}`, response,
			`{"statusCode":200,"headers":{"Content-Type":"application/json"},"multiValueHeaders":null,"body":"{\"message\":\"Hello, world!\",\"method\":\"GET\",\"path\":\"/\",\"query\":{}}"}`},
		{"echo", `{"any":[1,"x"]}`, response, `{"statusCode":200,"headers":{"Content-Type":"application/json"},"multiValueHeaders":null,"body":"{\"any\":[1,\"x\"]}"}`},
		{"malformed", `{}`, response, `{"body":{"message":"this is not a string"},"statusCode":200}`},
		{"slow", `{"queryStringParameters":{"ms":"1"}}`, response, `{"statusCode":200,"headers":{"Content-Type":"application/json"},"multiValueHeaders":null,"body":"{\"slept\":1}"}`},
		{"crash", `{}`, "", `exit status 1`},
		{"unknown", `{}`, "", `exit status 7`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path, body := call(t, tt.name, tt.event)
			if path != tt.path || body != tt.body {
				t.Fatalf("posted %s to %q\nwant   %s", body, path, tt.body)
			}
		})
	}
}

func TestSlowStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := slow(ctx, events.APIGatewayProxyRequest{QueryStringParameters: map[string]string{"ms": "x"}}); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestRunOutside(t *testing.T) {
	t.Setenv("AWS_LAMBDA_RUNTIME_API", "")
	if err := Run("hello"); !errors.Is(err, ErrNoRuntime) {
		t.Errorf("got %v", err)
	}
	if err := Run("none"); err == nil || !strings.Contains(err.Error(), "hello, echo, malformed, slow, crash") {
		t.Errorf("got %v", err)
	}
	if names := Names(); len(names) != 7 || names[0] != "hello" {
		t.Errorf("names %q", names)
	}
}
