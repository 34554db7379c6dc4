package test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"

	"github.com/limen-gateway/limen/test/collectorlog"
	"github.com/limen-gateway/limen/test/harness"
)

// TestCollectorPrintsTraces: the collector of the cluster, with the cluster's settings, prints the trace of a request whole,
// sends it on to a second one, and answers limen health.
func TestCollectorPrintsTraces(t *testing.T) {
	second := startCollector(t)
	first := startCollector(t, "LIMEN_FORWARD=otlp_grpc", "LIMEN_FORWARD_ENDPOINT=http://"+second.grpc)
	l := harness.Start(t, harness.Options{Env: []string{"LIMEN_OTLP_ENDPOINT=http://" + first.grpc}})

	const trace, client = "5e66d96f7491f09f1234567890abcdef", "53995c3f42cd8ad8"
	getSample(t, l, "00-"+trace+"-"+client+"-01")
	l.Stop() // exports what is left
	first.stop()
	second.stop()
	for name, c := range map[string]*collector{"first": first, "second": second} {
		edge := spanOf(t, name, c, trace, "GET /hello")
		invoke := spanOf(t, name, c, trace, "invoke hello")
		function := spanOf(t, name, c, trace, "hello")
		if edge.ParentID != client || invoke.ParentID != edge.SpanID || function.ParentID != invoke.SpanID {
			t.Errorf("%s: the way from %s leads not down: %+v, %+v, %+v", name, client, edge, invoke, function)
		}
		if edge.Service != "limen" || edge.Kind != "Server" || edge.Attributes["http.route"] != "/hello" {
			t.Errorf("%s: the edge's span is %+v", name, edge)
		}
	}
}

// getSample asks the sample API that limen prints inside a trace.
func getSample(t *testing.T, l *harness.Limen, traceparent string) {
	t.Helper()
	url := regexp.MustCompile(`curl '(.*)'`).FindStringSubmatch(l.Log())
	if url == nil {
		t.Fatal("limen printed no curl")
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url[1], nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Traceparent", traceparent)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("the sample API answers %d", res.StatusCode)
	}
}

func spanOf(t *testing.T, collector string, c *collector, trace, name string) collectorlog.Span {
	t.Helper()
	for _, s := range collectorlog.Read(bytes.NewReader(c.printed.Bytes())) {
		if s.TraceID == trace && s.Name == name {
			return s
		}
	}
	t.Fatalf("the %s collector printed no span %q of the trace:\n%s", collector, name, c.printed.String())
	return collectorlog.Span{}
}

// collector is a running collector with the cluster's settings at addresses of its own.
type collector struct {
	t            *testing.T
	cmd          *exec.Cmd
	grpc         string
	printed, log bytes.Buffer // whole once it has stopped
}

func startCollector(t *testing.T, env ...string) *collector {
	t.Helper()
	path, settings := harness.Collector(t)
	c := &collector{t: t, grpc: harness.FreeAddress(t)}
	health := harness.FreeAddress(t)
	// The second file is laid over the first.
	addresses := filepath.Join(t.TempDir(), "addresses.yaml")
	text := fmt.Sprintf("receivers: {otlp: {protocols: {grpc: {endpoint: %q}, http: {endpoint: %q}}}}\nextensions: {health_check: {endpoint: %q}}\n",
		c.grpc, harness.FreeAddress(t), health)
	if err := os.WriteFile(addresses, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c.cmd = exec.Command(path, "--config", settings, "--config", addresses)
	c.cmd.Env, c.cmd.Stdout, c.cmd.Stderr = append(os.Environ(), env...), &c.printed, &c.log
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.stop()
		if t.Failed() {
			t.Logf("what a collector wrote:\n%s", c.log.String())
		}
	})
	if _, stderr, code := harness.Run(t, nil, "health", "--address", health, "--wait", "30s"); code != 0 {
		t.Fatalf("the collector is not ready: %s", stderr)
	}
	return c
}

// stop ends it; what it holds is printed and sent on first.
func (c *collector) stop() {
	c.t.Helper()
	if c.cmd.ProcessState != nil {
		return
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // one that has ended says so below
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("the collector ended with %v", err)
	}
}
