package pool

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"github.com/limen-gateway/limen/services/functions/internal/runtime"
)

// process is one running function program.
type process struct {
	version string
	file    os.FileInfo // of its program, when it was started
	cmd     *exec.Cmd
	api     *runtime.Server
	out     *output
	idle    time.Time     // since when; guarded by the pool's lock
	exited  chan struct{} // closed when it has ended and its output is read
	reason  string        // how it ended; valid after exited
}

// start runs a version's program. It has asked for nothing yet when start returns.
func (p *Pool) start(version string, code Code) (*process, error) {
	file, err := os.Stat(code.Command)
	if err != nil {
		return nil, err
	}
	api, err := runtime.New()
	if err != nil {
		return nil, err
	}
	out, pipe, err := newOutput(func(requestID, line string) { p.logLine(version, requestID, line) })
	if err != nil {
		api.Close()
		return nil, err
	}
	cmd := exec.Command(code.Command, code.Args...)
	cmd.Dir = filepath.Dir(code.Command)
	cmd.Env = p.environment(version, code, api.Addr())
	cmd.Stdout, cmd.Stderr = pipe, pipe
	cmd.SysProcAttr = attributes()
	err = p.starter.Start(cmd)
	pipe.Close()
	if err != nil {
		api.Close()
		out.close()
		return nil, err
	}
	pr := &process{version: version, file: file, cmd: cmd, api: api, out: out, exited: make(chan struct{})}
	p.group.Go(func() {
		if err := api.Serve(); err != nil {
			p.log.Error("runtime interface ended", "function", p.function.Name, "error", err)
			pr.kill()
		}
	})
	p.group.Go(out.run)
	p.group.Go(func() { p.watch(pr) })
	return pr, nil
}

// watch waits for the end of a process and clears up after it.
func (p *Pool) watch(pr *process) {
	pr.reason = exitReason(pr.cmd.Wait())
	// What the program started itself must not outlive it.
	pr.kill()
	pr.out.drain(pr.out.spare)
	pr.out.close()
	pr.api.Close()
	close(pr.exited)
	p.remove(pr)
}

// kill ends the process and its children. The watcher does the rest.
func (pr *process) kill() {
	select {
	case <-pr.exited:
		return // its number may be another's by now
	default:
	}
	// An error says that they are gone already.
	_ = syscall.Kill(-pr.cmd.Process.Pid, syscall.SIGKILL)
}

// fresh reports whether the program's file is still the one that was started.
func (pr *process) fresh(command string) bool {
	now, err := os.Stat(command)
	return err == nil && os.SameFile(now, pr.file) && now.Size() == pr.file.Size() && now.ModTime().Equal(pr.file.ModTime())
}

// exitReason words the end of a process as Lambda does.
func exitReason(err error) string {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "Runtime exited with error: " + exit.Error()
	}
	return "Runtime exited without providing a reason"
}

// environment is all that a function's process sees: Lambda's variables and the function's own, nothing of this program's
// but the search path.
func (p *Pool) environment(version string, code Code, api string) []string {
	f := &p.function
	env := map[string]string{"PATH": os.Getenv("PATH"), "LANG": "en_US.UTF-8", "TZ": ":UTC"}
	maps.Copy(env, code.Env)
	maps.Copy(env, map[string]string{
		"AWS_LAMBDA_RUNTIME_API":          api,
		"_HANDLER":                        code.Handler,
		"AWS_LAMBDA_FUNCTION_NAME":        f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     version,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(f.Memory),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + f.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      "[" + version + "]",
		"AWS_REGION":                      p.region,
		"AWS_DEFAULT_REGION":              p.region,
		"LAMBDA_TASK_ROOT":                filepath.Dir(code.Command),
	})
	out := make([]string, 0, len(env))
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

// failure is Lambda's error object.
func failure(kind, message string) []byte {
	text, err := json.Marshal(struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType,omitempty"`
	}{message, kind})
	if err != nil {
		return nil // two strings always marshal
	}
	return text
}

func exitFailure(requestID, reason string) []byte {
	return failure("Runtime.ExitError", "RequestId: "+requestID+" Error: "+reason)
}

func timeoutFailure(now time.Time, requestID string, after time.Duration) []byte {
	return failure("", fmt.Sprintf("%s %s Task timed out after %.2f seconds", now.UTC().Format("2006-01-02T15:04:05.000Z"), requestID, after.Seconds()))
}
