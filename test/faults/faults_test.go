package faults

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// traffic calls an edge without a pause until stop, which tells how many calls were answered and which were not as wanted.
func (c *cluster) traffic(edge int, path, want string) (warm func(more int64), stop func() (answered int64, failed []string)) {
	var (
		answered atomic.Int64
		over     atomic.Bool
		mu       sync.Mutex // guards failed
		failed   []string
		all      sync.WaitGroup
		tick     = make(chan struct{}, 1)
	)
	for range 4 {
		all.Go(func() {
			for !over.Load() {
				status, _, body, err := c.call(edge, path)
				if err != nil || status != http.StatusOK || body != want {
					mu.Lock()
					failed = append(failed, fmt.Sprintf("%d %s %v", status, body, err))
					mu.Unlock()
				}
				answered.Add(1)
				select {
				case tick <- struct{}{}:
				default:
				}
			}
		})
	}
	warm = func(more int64) { // until so many further calls are answered
		for goal := answered.Load() + more; answered.Load() < goal; {
			<-tick
		}
	}
	return warm, func() (int64, []string) { over.Store(true); all.Wait(); return answered.Load(), failed }
}

// TestEdgeServesWithoutControlPlane: the control plane with its etcd is paused, killed and gone while requests run; the
// edge answers every one, also after a restart of its own; then changes flow again.
func TestEdgeServesWithoutControlPlane(t *testing.T) {
	c := newCluster(t, 1)
	api := c.create("one")
	if out, code := c.wait(api, "live", patience/2); code != 0 || out != "1 of 1 edges serve it\n" {
		t.Fatalf("%d %s", code, out)
	}
	path := "/_aws/execute-api/" + api + "/live/pets"
	warm, stop := c.traffic(0, path, "one")
	warm(200)
	c.control.signal(syscall.SIGSTOP)
	warm(500)
	c.control.signal(syscall.SIGCONT)
	warm(200)
	c.control.kill()
	warm(500)
	answered, failed := stop()
	if len(failed) > 0 {
		t.Errorf("%d of %d calls failed: %s …", len(failed), answered, failed[0])
	}

	c.edges[0].kill()
	began := time.Now()
	c.edges[0].start()
	alone := time.Since(began)
	if status, _, body, err := c.call(0, path); err != nil || status != 200 || body != "one" {
		t.Errorf("after a restart without a control plane: %d %s %v", status, body, err)
	}

	warm, stop = c.traffic(0, path, "one")
	warm(100)
	c.control.start()
	warm(100)
	again, failed := stop()
	if len(failed) > 0 {
		t.Errorf("%d of %d calls failed: %s …", len(failed), again, failed[0])
	}
	began = time.Now()
	c.put(api, "two")
	if out, code := c.wait(api, "live", patience/2); code != 0 || out != "1 of 1 edges serve it\n" {
		t.Errorf("after the return: %d %s", code, out)
	}
	if status, _, body, err := c.call(0, path); err != nil || status != 200 || body != "two" {
		t.Errorf("after the return: %d %s %v", status, body, err)
	}
	t.Logf("%d calls, none failed; the edge alone started in %v; a change was served %v after the return", answered+again, alone, time.Since(began))
}

// TestWaitNamesTheEdgeThatStandsStill: limen wait tells how many edges serve a change, which one does not, and why.
func TestWaitNamesTheEdgeThatStandsStill(t *testing.T) {
	c := newCluster(t, 2)
	api := c.create("one")
	if out, code := c.wait(api, "live", patience/2); code != 0 || out != "2 of 2 edges serve it\n" {
		t.Fatalf("%d %s", code, out)
	}
	c.edges[1].signal(syscall.SIGSTOP)
	defer c.edges[1].signal(syscall.SIGCONT)
	c.put(api, "two")
	const timeout = 2 * time.Second
	began := time.Now()
	out, code := c.wait(api, "live", timeout)
	took := time.Since(began)
	if code != 1 || !strings.HasPrefix(out, "limen: 1 of 2 edges serve it\nedge 2 (") || !strings.Contains(out, "still serves ") {
		t.Errorf("%d %s", code, out)
	}
	c.edges[1].signal(syscall.SIGCONT)
	if out, code := c.wait(api, "live", patience/2); code != 0 || out != "2 of 2 edges serve it\n" {
		t.Errorf("after its return: %d %s", code, out)
	}
	t.Logf("told after %v: %s", took, out)
}

// children lists the processes that a process started.
func children(t *testing.T, of int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var out []int
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, ok := strings.Cut(string(text), ") ")
		f := strings.Fields(rest)
		if !ok || len(f) < 2 || f[1] != strconv.Itoa(of) || f[0] == "Z" {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path))); err == nil {
			out = append(out, pid)
		}
	}
	return out
}

// TestFunctionProcessesKilled: calls in flight get AWS's answer for a function that failed, the next ones work, and when
// the host is killed nothing of it is left.
func TestFunctionProcessesKilled(t *testing.T) {
	c := newCluster(t, 1)
	api := c.create("one")
	if out, code := c.wait(api, "live", patience/2); code != 0 {
		t.Fatalf("%d %s", code, out)
	}
	base := "/_aws/execute-api/" + api + "/live"
	host := c.control.cmd.Process.Pid
	killed := 0
	for range 5 {
		type result struct {
			status int
			header http.Header
			body   string
			err    error
		}
		results := make(chan result, 1)
		go func() {
			status, header, body, err := c.call(0, base+"/slow?ms=8000")
			results <- result{status, header, body, err}
		}()
		var r result
		deadline := time.After(patience)
	kill:
		for {
			select {
			case r = <-results:
				break kill
			case <-deadline:
				t.Fatal("the call does not end")
			default:
			}
			for _, pid := range children(t, host) {
				if syscall.Kill(pid, syscall.SIGKILL) == nil {
					killed++
				}
			}
		}
		if r.err != nil || r.status != http.StatusBadGateway || r.body != `{"message": "Internal server error"}` ||
			r.header.Get("x-amzn-ErrorType") != "InternalServerErrorException" {
			t.Errorf("in flight: %d %s %v %v", r.status, r.header.Get("x-amzn-ErrorType"), r.body, r.err)
		}
		if status, _, body, err := c.call(0, base+"/hello"); err != nil || status != http.StatusOK {
			t.Errorf("the next call: %d %s %v", status, body, err)
		}
	}
	left := children(t, host)
	if len(left) == 0 {
		t.Error("no function process runs")
	}
	c.control.kill()
	deadline := time.Now().Add(patience)
	for _, pid := range left {
		for syscall.Kill(pid, 0) == nil {
			if time.Now().After(deadline) {
				t.Fatalf("function process %d outlives its host", pid)
			}
		}
	}
	t.Logf("%d function processes killed, none of %d left after the host", killed, len(left))
}
