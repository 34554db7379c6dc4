// Package harness runs the real binary for black-box tests: it builds bin/limen once, starts `limen dev` on a free port
// with a data folder of its own, waits until it says that it is ready, and kills, stops and restarts it. When a test has
// failed it shows what the process wrote.
//
// With LIMEN_BINARY set that program is used and nothing is built.
package harness

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

const (
	defaultReadyTimeout = 60 * time.Second // CI machines are busy
	stopTimeout         = 30 * time.Second
	readyLine           = "limen ready in "
)

// Options change how limen is started; the zero value is what a user of `limen dev` gets.
type Options struct {
	// Args come after `limen dev`.
	Args []string
	// Env is added to the environment, which holds nothing that begins with LIMEN_ or AWS_.
	Env []string
	// DataDir is kept over restarts; a temporary one when empty.
	DataDir string
	// ReadyTimeout is how long a start may take; a minute when zero.
	ReadyTimeout time.Duration
}

// Key is a root access key.
type Key struct{ Account, AccessKeyID, SecretAccessKey string }

// Limen is a `limen dev`, running or not. Its methods belong to the test's goroutine.
type Limen struct {
	// URL is where it answers; a restart keeps it.
	URL string
	// Keys are the root keys in the order of their file; the first is the one that limen prints.
	Keys []Key
	// Region is the default region that limen prints.
	Region string
	// DataDir is where it keeps its data.
	DataDir string
	// ReadyAfter is how long the last start took, from the fork to the line that says so.
	ReadyAfter time.Duration

	t       testing.TB
	options Options
	listen  string
	log     *buffer
	process *process // nil when it does not run
}

// process is one life of it.
type process struct {
	cmd   *exec.Cmd
	begin time.Time
	ready chan map[string]string // the printed variables; closed without a value when it ends before it is ready
	ended chan struct{}          // closed when it has ended
}

// Start builds the binary if need be, starts limen and waits until it is ready. It is killed when the test ends.
func Start(t testing.TB, o Options) *Limen {
	t.Helper()
	l := New(t, o)
	l.Restart()
	return l
}

// New is Start without starting.
func New(t testing.TB, o Options) *Limen {
	t.Helper()
	if o.DataDir == "" {
		o.DataDir = filepath.Join(t.TempDir(), "data")
	}
	if o.ReadyTimeout == 0 {
		o.ReadyTimeout = defaultReadyTimeout
	}
	l := &Limen{t: t, options: o, DataDir: o.DataDir, listen: "127.0.0.1:0", log: &buffer{}}
	t.Cleanup(func() {
		if l.process != nil {
			l.Kill()
		}
		if t.Failed() {
			t.Logf("what limen wrote:\n%s", l.Log())
		}
	})
	return l
}

// Restart starts limen, which must not run, and waits until it is ready.
func (l *Limen) Restart() {
	l.t.Helper()
	l.Launch()
	l.AwaitReady()
}

// Launch starts limen and does not wait.
func (l *Limen) Launch() {
	l.t.Helper()
	if l.process != nil {
		l.t.Fatal("limen runs already")
	}
	args := append([]string{"dev", "--data-dir", l.DataDir, "--listen", l.listen}, l.options.Args...)
	cmd := exec.Command(Binary(l.t), args...)
	cmd.Env = environment(l.options.Env)
	cmd.Stderr = l.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	p := &process{cmd: cmd, begin: time.Now(), ready: make(chan map[string]string, 1), ended: make(chan struct{})}
	fmt.Fprintf(l.log, "--- limen %s\n", strings.Join(args, " "))
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.process = p
	go p.follow(out, l.log)
}

// follow reads what the process prints until it ends.
func (p *process) follow(out io.Reader, log io.Writer) {
	defer close(p.ended)
	printed := map[string]string{}
	lines := bufio.NewScanner(io.TeeReader(out, log))
	said := false
	for lines.Scan() {
		line := lines.Text()
		if name, value, ok := strings.Cut(line, "="); ok && !strings.ContainsAny(name, " #") {
			printed[name] = value
		}
		if strings.HasPrefix(line, readyLine) && !said {
			said = true
			p.ready <- printed
			printed = map[string]string{} // the other side owns the first now
		}
	}
	_ = p.cmd.Wait()
	close(p.ready)
}

// AwaitReady waits until limen has said that it is ready, and reads what it printed.
func (l *Limen) AwaitReady() {
	l.t.Helper()
	select {
	case printed, ok := <-l.process.ready:
		if !ok {
			state := l.process.cmd.ProcessState
			l.process = nil
			l.t.Fatalf("limen ended before it was ready: %v", state)
		}
		l.ReadyAfter = time.Since(l.process.begin)
		l.URL, l.Region = printed["AWS_ENDPOINT_URL"], printed["AWS_DEFAULT_REGION"]
		l.listen = strings.TrimPrefix(l.URL, "http://")
	case <-time.After(l.options.ReadyTimeout):
		l.t.Fatalf("limen is not ready after %s", l.options.ReadyTimeout)
	}
	l.readKeys()
}

func (l *Limen) readKeys() {
	l.t.Helper()
	text, err := os.ReadFile(filepath.Join(l.DataDir, "root-keys"))
	if err != nil {
		l.t.Fatal(err)
	}
	l.Keys = nil
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] != "#" {
			l.Keys = append(l.Keys, Key{f[0], f[1], f[2]})
		}
	}
	if len(l.Keys) == 0 {
		l.t.Fatal("there are no root keys")
	}
}

// Kill ends limen with SIGKILL and waits until it is gone.
func (l *Limen) Kill() {
	l.t.Helper()
	l.Signal(syscall.SIGKILL)
	<-l.process.ended
	l.process = nil
}

// Stop ends limen with SIGTERM, waits until it is gone and returns its exit code.
func (l *Limen) Stop() int {
	l.t.Helper()
	l.Signal(syscall.SIGTERM)
	return l.Wait()
}

// Wait waits until limen ends by itself and returns its exit code, -1 when a signal ended it.
func (l *Limen) Wait() int {
	l.t.Helper()
	select {
	case <-l.process.ended:
	case <-time.After(stopTimeout):
		l.t.Fatalf("limen has not ended after %s", stopTimeout)
	}
	code := l.process.cmd.ProcessState.ExitCode()
	l.process = nil
	return code
}

// Signal sends a signal to the running limen: SIGSTOP and SIGCONT pause it.
func (l *Limen) Signal(s os.Signal) {
	l.t.Helper()
	if l.process == nil {
		l.t.Fatal("limen does not run")
	}
	if err := l.process.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		l.t.Fatal(err)
	}
}

// Log is everything that limen has written so far, over all its lives.
func (l *Limen) Log() string { return l.log.String() }

// Resident is how much memory limen holds, in bytes.
func (l *Limen) Resident() int64 {
	l.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", l.process.cmd.Process.Pid))
	if err != nil {
		l.t.Fatal(err)
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(text), &size, &resident); err != nil {
		l.t.Fatal(err)
	}
	return resident * int64(os.Getpagesize())
}

// Get asks limen for a path and returns status and body.
func (l *Limen) Get(path string) (int, string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), l.options.ReadyTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.URL+path, nil)
	if err != nil {
		l.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		l.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		l.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// Run runs another command of the binary, for a minute at most, and returns its standard output, its standard error and
// its exit code: -1 when a signal ended it.
func Run(t testing.TB, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, cancel := context.WithTimeout(context.Background(), defaultReadyTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, Binary(t), args...)
	cmd.Env = environment(env)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// environment is the test's own without what would change limen, and the given.
func environment(more []string) []string {
	var out []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "LIMEN_") && !strings.HasPrefix(e, "AWS_") {
			out = append(out, e)
		}
	}
	return append(out, more...)
}

// buffer is a log that several goroutines write.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
