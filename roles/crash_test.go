package roles

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// crashDir tells this test binary, started anew, to write into the stores of a folder until it is killed.
const crashDir = "LIMEN_TEST_CRASH_DIR"

// TestAcknowledgedWritesSurviveAKill kills a process in the midst of its writes and looks for every write that it said
// was acknowledged.
func TestAcknowledgedWritesSurviveAKill(t *testing.T) {
	if dir := os.Getenv(crashDir); dir != "" {
		writeForEver(t, dir)
	}
	dir := t.TempDir()
	for round := range 3 {
		last := killedAfter(t, dir, 50*(round+1))
		h, stop := start(t, Config{DataDir: dir}, all()[:2])
		got, err := h.etcd.Get(t.Context(), "/limen/last")
		if err != nil || got.Count != 1 {
			t.Fatalf("etcd: %v, %v", got, err)
		}
		if kept := string(got.Kvs[0].Value); number(t, kept) < last {
			t.Errorf("etcd: the last write is %s, acknowledged were %d", kept, last)
		}
		js, err := h.nats.JetStream()
		if err != nil {
			t.Fatal(err)
		}
		m, err := js.GetLastMsg("writes", "writes")
		if err != nil {
			t.Fatal(err)
		}
		if number(t, string(m.Data)) < last {
			t.Errorf("nats: the last write is %s, acknowledged were %d", m.Data, last)
		}
		stop()
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscan(text, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// killedAfter runs the writer until n more writes are acknowledged, kills it, and returns the last acknowledged number.
func killedAfter(t *testing.T, dir string, n int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), crashDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	last, seen := 0, 0
	lines := bufio.NewScanner(out)
	for lines.Scan() { // what was printed before the kill counts too
		if _, err := fmt.Sscanf(lines.Text(), "acknowledged %d", &last); err == nil {
			seen++
		}
		if seen == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	if seen < n {
		t.Fatalf("the writer ended after %d writes", seen)
	}
	return last
}

// writeForEver counts on from what is stored, in both stores.
func writeForEver(t *testing.T, dir string) {
	h, _ := start(t, Config{DataDir: dir}, all()[:2])
	js, err := h.nats.JetStream(nats.MaxWait(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.AddStream(&nats.StreamConfig{Name: "writes", Subjects: []string{"writes"}}); err != nil {
		t.Fatal(err)
	}
	n := 0
	if got, err := h.etcd.Get(t.Context(), "/limen/last"); err != nil {
		t.Fatal(err)
	} else if got.Count == 1 {
		n = number(t, string(got.Kvs[0].Value))
	}
	for {
		n++
		text := fmt.Sprint(n)
		if _, err := h.etcd.Put(t.Context(), "/limen/last", text); err != nil {
			t.Fatal(err)
		}
		if _, err := js.Publish("writes", []byte(text)); err != nil {
			t.Fatal(err)
		}
		fmt.Println("acknowledged", n)
	}
}
