package codec

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// echoProgram is the program under proof, built once.
var echoProgram string

func TestMain(m *testing.M) {
	code := run(m)
	if err := neverCached(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// marker is a file that the tests read and that is always new. The go command does not see that the proof depends on a
// program of another module and would show an old result, but it keeps no result of tests that read a file this new.
var marker = filepath.Join("..", "bin", "codec.proven")

func neverCached() error {
	if err := os.MkdirAll(filepath.Dir(marker), 0o755); err != nil {
		return err
	}
	return os.WriteFile(marker, []byte("only its date matters\n"), 0o644)
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "codec")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	echoProgram = filepath.Join(dir, "echo")
	build := exec.Command("go", "build", "-o", echoProgram, "./platform/awsjson/echo")
	build.Dir = filepath.Join("..", "..")
	build.Env = append(os.Environ(), "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building echo: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// echo is one running program. It keeps one request and one answer, so callers take turns.
type echo struct {
	base   string
	client *http.Client
}

func startEcho(t *testing.T, args ...string) *echo {
	t.Helper()
	_, _ = os.ReadFile(marker)
	cmd := exec.Command(echoProgram, args...)
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("echo did not name its address: %v", err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 4}
	t.Cleanup(transport.CloseIdleConnections)
	return &echo{base: "http://" + strings.TrimSpace(line), client: &http.Client{Transport: transport}}
}

// request is the last request that echo decoded.
func (e *echo) request() (operation string, message any, err error) {
	var shown struct {
		Operation string
		Message   any
	}
	resp, err := e.client.Get(e.base + "/_echo/request")
	if err != nil {
		return "", nil, err
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&shown); err != nil {
		return "", nil, err
	}
	return shown.Operation, shown.Message, nil
}

// answer sets what the next calls are answered with.
func (e *echo) answer(message any) error {
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	return e.put("/_echo/answer", body)
}

// fail lets the next calls fail.
func (e *echo) fail(name string, status int, message string) error {
	q := url.Values{"error": {name}, "status": {strconv.Itoa(status)}, "message": {message}}
	return e.put("/_echo/answer?"+q.Encode(), nil)
}

func (e *echo) put(path string, body []byte) error {
	req, err := http.NewRequest(http.MethodPut, e.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
