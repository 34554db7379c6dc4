package functions

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/limen-gateway/limen/core/arn"
	"github.com/limen-gateway/limen/platform/functions"
)

var tail = functions.Options{LogTail: true}

func home(name string) arn.Function {
	f, err := arn.ParseFunctionName(name, arn.Function{Region: "eu-west-1", Account: "123456789012"})
	if err != nil {
		panic(err)
	}
	return f
}

func self(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// logs collects what the service logs.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// serve runs a host for the length of a test.
func serve(t *testing.T, c Config) (*Service, *logs) {
	t.Helper()
	var l logs
	c.Region, c.Account = "eu-west-1", "123456789012"
	s, err := New(c, Deps{Log: slog.New(slog.NewJSONHandler(&l, nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-s.Ready()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s, &l
}

func one(t *testing.T, f Function) (*Service, *logs) {
	t.Helper()
	f.Name = "f"
	if f.Command == "" && f.URL == "" && f.Sample == "" {
		f.Command = self(t)
	}
	return serve(t, Config{Declare: []Function{f}})
}

func invoke(t *testing.T, s *Service, name string, o order) functions.Result {
	t.Helper()
	payload, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Invoke(context.Background(), home(name), payload, tail)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func good(t *testing.T, r functions.Result) report {
	t.Helper()
	if r.FunctionError != "" || r.Status != 200 {
		t.Fatalf("status %d, function error %q: %s", r.Status, r.FunctionError, r.Payload)
	}
	var out report
	if err := json.Unmarshal(r.Payload, &out); err != nil {
		t.Fatalf("%s: %v", r.Payload, err)
	}
	return out
}

func bad(t *testing.T, r functions.Result, pattern string) {
	t.Helper()
	if r.FunctionError != "Unhandled" || r.Status != 200 || !regexp.MustCompile(pattern).Match(r.Payload) {
		t.Fatalf("status %d, function error %q: %s", r.Status, r.FunctionError, r.Payload)
	}
}

// gate lets a function wait for the test.
type gate struct {
	url     string
	arrived chan struct{}
	open    chan struct{}
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{arrived: make(chan struct{}, 100), open: make(chan struct{})}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.arrived <- struct{}{}
		select {
		case <-g.open:
		case <-r.Context().Done():
		}
	}))
	g.url = server.URL
	t.Cleanup(server.Close)
	return g
}

// witness counts the lives of processes that were told its address.
type witness struct {
	net.Listener
}

func newWitness(t *testing.T) witness {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return witness{l}
}

// next returns a channel that is closed at the end of the process that connects next.
func (w witness) next(t *testing.T) <-chan struct{} {
	t.Helper()
	c, err := w.Accept()
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer c.Close()
		io.Copy(io.Discard, c)
	}()
	return ended
}

func TestInvoke(t *testing.T) {
	t.Setenv("LIMEN_SECRET", "planted")
	s, _ := one(t, Function{Memory: 256, Env: map[string]string{"MINE": "1"}, Handler: "main.go"})
	r := invoke(t, s, "f", order{Do: "env"})
	out := good(t, r)
	if out.ID != r.RequestID || out.ARN != home("f").String() || r.ExecutedVersion != "$LATEST" {
		t.Errorf("report %+v of result %+v", out, r)
	}
	names := []string{"AWS_DEFAULT_REGION", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
		"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION",
		"LAMBDA_TASK_ROOT", "LANG", "MINE", "PATH", "TZ", "_HANDLER", "_X_AMZN_TRACE_ID"}
	for _, v := range out.Env {
		name, _, _ := strings.Cut(v, "=")
		if !slices.Contains(names, name) && name != "PWD" && name != "AWS_EXECUTION_ENV" {
			t.Errorf("the process sees %s", v)
		}
	}
	for _, want := range []string{"AWS_REGION=eu-west-1", "AWS_LAMBDA_FUNCTION_NAME=f", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "_HANDLER=main.go", "MINE=1", "LAMBDA_TASK_ROOT=" + filepath.Dir(self(t))} {
		if !slices.Contains(out.Env, want) {
			t.Errorf("the process does not see %s", want)
		}
	}
	if again := good(t, invoke(t, s, "f", order{})); again.PID != out.PID {
		t.Error("a second process was started for a second call")
	}
}

func TestOptions(t *testing.T) {
	s, _ := one(t, Function{})
	r, err := s.Invoke(context.Background(), home("f"), nil, functions.Options{ClientContext: base64.StdEncoding.EncodeToString([]byte(`{"client":{"app_title":"mine"}}`))})
	if err != nil || good(t, r).Client != "mine" || r.Log != nil {
		t.Errorf("client context: %+v, %v", r, err)
	}
	for _, tt := range []struct {
		name string
		o    functions.Options
		kind string
	}{
		{"broken client context", functions.Options{ClientContext: "!"}, "InvalidRequestContentException"},
		{"unknown type", functions.Options{Type: "Never"}, "InvalidParameterValueException"},
	} {
		_, err := s.Invoke(context.Background(), home("f"), nil, tt.o)
		if e, ok := err.(*functions.Error); !ok || e.Type != tt.kind || e.Kind != functions.Refused || e.RequestID == "" {
			t.Errorf("%s gives %v", tt.name, err)
		}
	}
	if r, err := s.Invoke(context.Background(), home("f"), nil, functions.Options{Type: functions.DryRun}); err != nil || r.Status != 204 {
		t.Errorf("dry run: %+v, %v", r, err)
	}
}

func TestFunctionErrors(t *testing.T) {
	s, _ := one(t, Function{})
	before := good(t, invoke(t, s, "f", order{}))
	bad(t, invoke(t, s, "f", order{Do: "error"}), `^{"errorMessage":"went wrong","errorType":"errorString"}$`)
	if after := good(t, invoke(t, s, "f", order{})); after.PID != before.PID {
		t.Error("an ordinary error ended the process")
	}
	bad(t, invoke(t, s, "f", order{Do: "panic"}), `^{"errorMessage":"help","errorType":"string"`)
	if after := good(t, invoke(t, s, "f", order{})); after.PID == before.PID {
		t.Error("the process of a panic lives on")
	}
	bad(t, invoke(t, s, "f", order{Do: "exit"}), `^{"errorMessage":"RequestId: [-0-9a-f]{36} Error: Runtime exited with error: exit status 1","errorType":"Runtime.ExitError"}$`)
	bad(t, invoke(t, s, "f", order{Do: "quit"}), `Error: Runtime exited without providing a reason","errorType":"Runtime.ExitError"}$`)
	bad(t, invoke(t, s, "f", order{Do: "big"}), `"errorType":"Function.ResponseSizeTooLarge"`)
	good(t, invoke(t, s, "f", order{}))
}

func TestInitFailures(t *testing.T) {
	exe := self(t)
	slow, _ := serve(t, Config{InitTimeout: 200 * time.Millisecond, Declare: []Function{{Name: "hang", Command: exe, Args: []string{"hang"}}}})
	bad(t, invoke(t, slow, "hang", order{}), `Task timed out after 0.20 seconds"}$`)
	host, _ := serve(t, Config{Declare: []Function{
		{Name: "exit", Command: exe, Args: []string{"exit"}},
		{Name: "told", Command: exe, Args: []string{"init-error"}},
		{Name: "none", Command: filepath.Join(t.TempDir(), "none")},
	}})
	bad(t, invoke(t, host, "exit", order{}), `Error: Runtime exited with error: exit status 3","errorType":"Runtime.ExitError"}$`)
	bad(t, invoke(t, host, "told", order{}), `^{"errorMessage":"no database","errorType":"Init.Error"}$`)
	bad(t, invoke(t, host, "none", order{}), `no such file or directory","errorType":"Runtime.InvalidEntrypoint"}$`)
}

// TestTimeout: the answer is Lambda's, the process is gone, and the next call has a new one.
func TestTimeout(t *testing.T) {
	w := newWitness(t)
	s, _ := one(t, Function{Timeout: 500 * time.Millisecond, Env: map[string]string{"WITNESS": w.Addr().String()}})
	bad(t, invoke(t, s, "f", order{Do: "ignore"}), `^{"errorMessage":"\d{4}-\d\d-\d\dT[0-9:.]+Z [-0-9a-f]{36} Task timed out after 0.50 seconds"}$`)
	<-w.next(t)
	good(t, invoke(t, s, "f", order{}))
}

// TestKilledWhileRunning: somebody kills the process while an invocation runs.
func TestKilledWhileRunning(t *testing.T) {
	s, _ := one(t, Function{Timeout: time.Minute})
	pid := good(t, invoke(t, s, "f", order{})).PID
	g := newGate(t)
	results := make(chan functions.Result)
	go func() {
		payload, _ := json.Marshal(order{Gate: g.url})
		r, _ := s.Invoke(context.Background(), home("f"), payload, tail)
		results <- r
	}()
	<-g.arrived
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	bad(t, <-results, `Error: Runtime exited with error: signal: killed","errorType":"Runtime.ExitError"}$`)
	if next := good(t, invoke(t, s, "f", order{})); next.PID == pid {
		t.Error("the dead process answered")
	}
}

// TestKilledWhileIdle: nobody notices.
func TestKilledWhileIdle(t *testing.T) {
	w := newWitness(t)
	s, _ := one(t, Function{Env: map[string]string{"WITNESS": w.Addr().String()}})
	pid := good(t, invoke(t, s, "f", order{})).PID
	ended := w.next(t)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-ended
	// The host learns of it a moment later than the witness.
	for alive := 1; alive > 0; {
		s.host.Processes(func(_ string, n int) { alive = n })
	}
	good(t, invoke(t, s, "f", order{}))
}

func TestConcurrency(t *testing.T) {
	s, _ := one(t, Function{ReservedConcurrency: 2, Timeout: time.Minute})
	g := newGate(t)
	payload, err := json.Marshal(order{Gate: g.url})
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan functions.Result, 2)
	for range 2 {
		go func() {
			r, _ := s.Invoke(context.Background(), home("f"), payload, tail)
			results <- r
		}()
	}
	<-g.arrived
	<-g.arrived
	_, err = s.Invoke(context.Background(), home("f"), payload, tail)
	if e, ok := err.(*functions.Error); !ok || e.Kind != functions.Throttled || e.Type != "TooManyRequestsException" || e.Status != 429 {
		t.Fatalf("a third call gives %v", err)
	}
	close(g.open)
	if a, b := good(t, <-results), good(t, <-results); a.PID == b.PID {
		t.Error("one process served two calls at a time")
	}
	good(t, invoke(t, s, "f", order{}))
}

// TestMany: far more callers than slots; each gets its own answer or 429.
func TestMany(t *testing.T) {
	s, _ := one(t, Function{ReservedConcurrency: 3})
	var group sync.WaitGroup
	for i := range 60 {
		group.Go(func() {
			for {
				payload := fmt.Sprintf(`{"do":"raw","n":%d}`, i)
				r, err := s.Invoke(context.Background(), home("f"), []byte(payload), tail)
				if e, ok := err.(*functions.Error); ok && e.Kind == functions.Throttled {
					continue
				}
				if err != nil || string(r.Payload) != payload {
					t.Errorf("call %d: %s, %v", i, r.Payload, err)
				}
				return
			}
		})
	}
	group.Wait()
}

// TestFileChanges: the next invocation runs the new program.
func TestFileChanges(t *testing.T) {
	dir := t.TempDir()
	install := func(marker string) {
		script := "#!/bin/sh\nMARKER=" + marker + " exec " + self(t) + "\n"
		path := filepath.Join(dir, "program")
		if err := os.WriteFile(path+".new", []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	install("one")
	s, _ := serve(t, Config{Dir: dir, Declare: []Function{{Name: "f", Command: "program"}}})
	if got := good(t, invoke(t, s, "f", order{Do: "env"})); !slices.Contains(got.Env, "MARKER=one") {
		t.Fatal("not the program that was installed")
	}
	install("two")
	if got := good(t, invoke(t, s, "f", order{Do: "env"})); !slices.Contains(got.Env, "MARKER=two") {
		t.Fatal("still the old program")
	}
}

func TestIdleEnds(t *testing.T) {
	w := newWitness(t)
	s, _ := serve(t, Config{IdleTimeout: 20 * time.Millisecond, Declare: []Function{{Name: "f", Command: self(t), Env: map[string]string{"WITNESS": w.Addr().String()}}}})
	good(t, invoke(t, s, "f", order{}))
	<-w.next(t)
	good(t, invoke(t, s, "f", order{}))
}

// TestRunEndsEverything: when Run returns, the idle process and the busy one are gone, and the caller has an answer.
func TestRunEndsEverything(t *testing.T) {
	w := newWitness(t)
	s, err := New(Config{Declare: []Function{{Name: "f", Timeout: time.Minute, Command: self(t), Env: map[string]string{"WITNESS": w.Addr().String()}}}}, Deps{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Invoke(context.Background(), home("f"), nil, tail); err == nil {
		t.Error("invoked before it ran")
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-s.Ready()
	g := newGate(t)
	payload, err := json.Marshal(order{Gate: g.url})
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan functions.Result, 1)
	go func() {
		r, _ := s.Invoke(context.Background(), home("f"), payload, tail)
		results <- r
	}()
	<-g.arrived
	good(t, invoke(t, s, "f", order{}))
	first, second := w.next(t), w.next(t)
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	<-first
	<-second
	bad(t, <-results, `the function host has stopped`)
	if _, err := s.Invoke(context.Background(), home("f"), nil, tail); err == nil {
		t.Error("invoked after its end")
	}
}

// TestParentKilled: a host that is killed leaves no process behind.
func TestParentKilled(t *testing.T) {
	w := newWitness(t)
	cmd := exec.Command(self(t))
	cmd.Env = append(os.Environ(), "LIMEN_TEST_PARENT="+w.Addr().String())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(stdout); lines.Scan() && lines.Text() != "served"; {
	}
	ended := w.next(t)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	cmd.Wait() // its error is the signal
}

func TestVersionsAndAliases(t *testing.T) {
	s, _ := one(t, Function{
		Env:      map[string]string{"STEP": "latest"},
		Versions: map[string]Code{"1": {Env: map[string]string{"STEP": "one"}}, "2": {}},
		Aliases:  map[string]string{"live": "1", "beta": "$LATEST"},
	})
	for name, want := range map[string][2]string{
		"f": {"$LATEST", "latest"}, "f:$LATEST": {"$LATEST", "latest"}, "f:1": {"1", "one"}, "f:2": {"2", "latest"}, "f:live": {"1", "one"}, "f:beta": {"$LATEST", "latest"},
	} {
		r := invoke(t, s, name, order{Do: "env"})
		got := good(t, r)
		if r.ExecutedVersion != want[0] || got.Version != want[0] || !slices.Contains(got.Env, "STEP="+want[1]) || got.ARN != home(name).String() {
			t.Errorf("%s runs %s as %s", name, r.ExecutedVersion, got.ARN)
		}
	}
	for _, name := range []string{"f:3", "g", "arn:aws:lambda:eu-west-1:999999999999:function:f"} {
		_, err := s.Invoke(context.Background(), home(name), nil, tail)
		if e, ok := err.(*functions.Error); !ok || e.Kind != functions.Missing || e.Message != "Function not found: "+home(name).String() {
			t.Errorf("%s gives %v", name, err)
		}
	}
}

// TestVersionsShareConcurrency: an idle process of one version makes room for another version.
func TestVersionsShareConcurrency(t *testing.T) {
	s, _ := one(t, Function{ReservedConcurrency: 1, Versions: map[string]Code{"1": {}}})
	for range 3 {
		good(t, invoke(t, s, "f", order{}))
		good(t, invoke(t, s, "f:1", order{}))
	}
}

func TestLog(t *testing.T) {
	s, l := one(t, Function{})
	r := invoke(t, s, "f", order{Do: "print"})
	id := r.RequestID
	want := regexp.MustCompile(`^START RequestId: ` + id + ` Version: \$LATEST\nto stdout ` + id + `\nto stderr, without an end of line\nEND RequestId: ` + id +
		`\nREPORT RequestId: ` + id + `\tDuration: [0-9.]+ ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t\n$`)
	if !want.Match(r.Log) {
		t.Errorf("log tail\n%s", r.Log)
	}
	if line := `"msg":"function output","function":"f","version":"$LATEST","request_id":"` + id + `","line":"to stdout ` + id + `"`; !strings.Contains(l.String(), line) {
		t.Errorf("no %s in\n%s", line, l)
	}
	if again := invoke(t, s, "f", order{}); strings.Contains(string(again.Log), "stdout") {
		t.Errorf("an earlier line in\n%s", again.Log)
	}
}

func TestEvent(t *testing.T) {
	s, _ := one(t, Function{ReservedConcurrency: 1, Timeout: time.Minute})
	g := newGate(t)
	payload, err := json.Marshal(order{Gate: g.url})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second one waits for the first
		r, err := s.Invoke(context.Background(), home("f"), payload, functions.Options{Type: functions.Event})
		if err != nil || r.Status != 202 || len(r.Payload) != 0 {
			t.Fatalf("got %+v, %v", r, err)
		}
	}
	<-g.arrived
	close(g.open)
	<-g.arrived
}

// TestCallerLeaves: the caller's time is over, the function runs on and its process is used again.
func TestCallerLeaves(t *testing.T) {
	s, _ := one(t, Function{Timeout: time.Minute})
	pid := good(t, invoke(t, s, "f", order{})).PID
	g := newGate(t)
	payload, err := json.Marshal(order{Gate: g.url})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	failed := make(chan error, 1)
	go func() {
		_, err := s.Invoke(ctx, home("f"), payload, tail)
		failed <- err
	}()
	<-g.arrived
	cancel()
	if e, ok := (<-failed).(*functions.Error); !ok || e.Kind != functions.TimedOut {
		t.Fatalf("got %v", e)
	}
	close(g.open)
	for range 100 {
		if good(t, invoke(t, s, "f", order{})).PID == pid {
			return
		}
	}
	t.Error("the process was not used again")
}

// TestDeclare: a function declared anew while one of its invocations runs.
func TestDeclare(t *testing.T) {
	s, _ := serve(t, Config{})
	declare := func(step string) {
		if err := s.Declare(Function{Name: "f", Timeout: time.Minute, Command: self(t), Env: map[string]string{"STEP": step}}); err != nil {
			t.Fatal(err)
		}
	}
	declare("one")
	g := newGate(t)
	payload, err := json.Marshal(order{Do: "env", Gate: g.url})
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan functions.Result, 1)
	go func() {
		r, _ := s.Invoke(context.Background(), home("f"), payload, tail)
		results <- r
	}()
	<-g.arrived
	declare("two")
	if got := good(t, invoke(t, s, "f", order{Do: "env"})); !slices.Contains(got.Env, "STEP=two") {
		t.Error("not the new declaration")
	}
	close(g.open)
	if got := good(t, <-results); !slices.Contains(got.Env, "STEP=one") {
		t.Error("the running invocation was disturbed")
	}
}

func TestTarget(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Amz-Function-Error", "Handled")
		io.Copy(w, r.Body)
	}))
	defer server.Close()
	s, _ := one(t, Function{URL: server.URL})
	r, err := s.Invoke(context.Background(), home("f"), []byte(`{"a":1}`), tail)
	if err != nil || string(r.Payload) != `{"a":1}` || r.FunctionError != "Handled" || r.ExecutedVersion != "$LATEST" || r.RequestID == "" {
		t.Fatalf("got %+v, %v", r, err)
	}
	server.Close()
	_, err = s.Invoke(context.Background(), home("f"), nil, tail)
	if e, ok := err.(*functions.Error); !ok || e.Kind != functions.Unreachable {
		t.Fatalf("got %v", err)
	}
}

func TestDeclarationsRefused(t *testing.T) {
	for name, f := range map[string]Function{
		"name":              {Name: "a/b", Command: "x"},
		"timeout":           {Name: "f", Command: "x", Timeout: time.Hour},
		"concurrency":       {Name: "f", Command: "x", ReservedConcurrency: -1},
		"no code":           {Name: "f"},
		"two kinds of code": {Name: "f", Command: "x", URL: "http://x"},
		"reserved variable": {Name: "f", Command: "x", Env: map[string]string{"AWS_REGION": "x"}},
		"version":           {Name: "f", Command: "x", Versions: map[string]Code{"$LATEST": {}}},
		"code of a version": {Name: "f", Command: "x", Versions: map[string]Code{"1": {Command: "x", URL: "y"}}},
		"alias":             {Name: "f", Command: "x", Aliases: map[string]string{"live": "1"}},
	} {
		if _, err := New(Config{Declare: []Function{f}}, Deps{}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// TestOverHTTP: the whole way, from the invoker of a gateway over the HTTP face to a process and back.
func TestOverHTTP(t *testing.T) {
	s, _ := one(t, Function{Versions: map[string]Code{"1": {}}, Aliases: map[string]string{"live": "1"}})
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	i, err := functions.New(functions.Config{Endpoint: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	live := home("f:live").String()
	r, err := i.Invoke(context.Background(), live, []byte(`{}`), tail)
	if err != nil || good(t, r).ARN != live || r.ExecutedVersion != "1" || !bytes.HasPrefix(r.Log, []byte("START RequestId: "+r.RequestID)) {
		t.Errorf("got %+v, %v", r, err)
	}
	r, err = i.Invoke(context.Background(), live, []byte(`{"do":"error"}`), functions.Options{})
	if err != nil {
		t.Fatal(err)
	}
	bad(t, r, "went wrong")
	_, err = i.Invoke(context.Background(), home("none").String(), nil, functions.Options{})
	if e, ok := err.(*functions.Error); !ok || e.Kind != functions.Missing || e.Message != "Function not found: "+home("none").String() {
		t.Errorf("a missing function gives %v", err)
	}
	if _, err = i.Invoke(context.Background(), live, nil, functions.Options{Type: functions.DryRun}); err != nil {
		t.Errorf("a dry run gives %v", err)
	}
}

// TestInProcess: the invoker without a hop.
func TestInProcess(t *testing.T) {
	s, _ := one(t, Function{})
	i, err := functions.New(functions.Config{Host: s})
	if err != nil {
		t.Fatal(err)
	}
	defer i.Close()
	r, err := i.Invoke(context.Background(), home("f").String(), []byte(`{}`), functions.Options{})
	if err != nil {
		t.Fatal(err)
	}
	good(t, r)
}

// TestEventSurvivesDeclaration: what waits for a slot runs as the function is declared by then.
func TestEventSurvivesDeclaration(t *testing.T) {
	s, l := serve(t, Config{})
	first, second := newGate(t), newGate(t)
	declare := func() {
		if err := s.Declare(Function{Name: "f", Command: self(t), ReservedConcurrency: 1, Timeout: time.Minute}); err != nil {
			t.Fatal(err)
		}
	}
	send := func(o order) {
		payload, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Invoke(context.Background(), home("f"), payload, functions.Options{Type: functions.Event}); err != nil {
			t.Fatal(err)
		}
	}
	declare()
	send(order{Gate: first.url})
	<-first.arrived
	send(order{Gate: second.url, Do: "error"})
	declare()
	<-second.arrived
	close(first.open)
	close(second.open)
	// The slot is free only after the failure was logged, if at all.
	for {
		_, err := s.Invoke(context.Background(), home("f"), nil, tail)
		if e, ok := err.(*functions.Error); ok && e.Kind == functions.Throttled {
			continue
		}
		break
	}
	if !strings.Contains(l.String(), "went wrong") {
		t.Errorf("the failure is not in\n%s", l)
	}
}

// TestLongOutput: lines are cut, the tail keeps its end, and nothing blocks.
func TestLongOutput(t *testing.T) {
	s, l := one(t, Function{})
	r := invoke(t, s, "f", order{Do: "flood"})
	good(t, r)
	if len(r.Log) != 4096 || !bytes.HasSuffix(r.Log, []byte("Memory Size: 128 MB\t\n")) {
		t.Errorf("a tail of %d bytes", len(r.Log))
	}
	if n := strings.Count(l.String(), "function output"); n < 10 {
		t.Errorf("a megabyte without line ends came in %d lines", n)
	}
}
