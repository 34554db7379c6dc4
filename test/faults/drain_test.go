package faults

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestAnEdgeIsNotReadyBeforeItEnds: at SIGTERM an edge first says that it is not ready, and goes on answering meanwhile.
func TestAnEdgeIsNotReadyBeforeItEnds(t *testing.T) {
	c := newCluster(t, 1)
	e := c.edges[0]
	e.kill()
	e.args = append(e.args, "--set", "edge.drain_grace=10s")
	e.start()
	_, side, _ := strings.Cut(e.log.String()[strings.LastIndex(e.log.String(), "msg=ready "):], "side_listener=")
	side = strings.Fields(side)[0]

	client := &http.Client{Timeout: callTimeout, Transport: &http.Transport{DisableKeepAlives: true}}
	ready := func() int {
		t.Helper()
		res, err := client.Get("http://" + side + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		_, _ = io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	if got := ready(); got != http.StatusOK {
		t.Fatalf("before the end /readyz answers %d", got)
	}
	e.signal(syscall.SIGTERM)
	for deadline := time.Now().Add(patience); ready() != http.StatusServiceUnavailable; {
		if time.Now().After(deadline) {
			t.Fatal("it does not say that it isn't ready")
		}
	}
	res, err := c.http.Get(c.urls[0] + "/none")
	if err != nil {
		t.Fatalf("it does not answer though it has time: %v", err)
	}
	defer res.Body.Close()
	if !res.Close {
		t.Error("it does not ask the client to leave")
	}
	<-e.done
	if code := e.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("it ended with %d", code)
	}
	e.cmd = nil
}
