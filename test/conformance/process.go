package conformance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	readyLine    = "limen ready in "
	startTimeout = 2 * time.Minute // machines that build at the same time are slow
	stopTimeout  = 20 * time.Second
)

// Process is a `limen dev` with a root key for each case.
type Process struct {
	Target
	dir   string
	cmd   *exec.Cmd
	ended chan struct{}
}

// Start starts a binary over an empty data folder with so many accounts, and waits until it is ready. Settings go to the
// process as they are; what it logs goes to log.
func Start(ctx context.Context, binary string, accounts int, settings []string, log io.Writer) (*Process, error) {
	p := &Process{ended: make(chan struct{})}
	var err error
	if p.dir, err = os.MkdirTemp("", "limen-conformance"); err != nil {
		return nil, err
	}
	if err := p.launch(binary, accounts, settings, log); err != nil {
		return nil, errors.Join(err, os.RemoveAll(p.dir))
	}
	return p, nil
}

func (p *Process) launch(binary string, accounts int, settings []string, log io.Writer) error {
	data := filepath.Join(p.dir, "data")
	if err := p.writeKeys(data, accounts); err != nil {
		return err
	}
	args := []string{"dev", "--data-dir", data, "--listen", "127.0.0.1:0"}
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	p.cmd = exec.Command(binary, args...)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "LIMEN_") && !strings.HasPrefix(e, "AWS_") {
			p.cmd.Env = append(p.cmd.Env, e)
		}
	}
	p.cmd.Stderr = log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := p.cmd.Start(); err != nil {
		return err
	}
	ready := make(chan map[string]string, 1)
	go p.follow(out, ready)
	select {
	case printed := <-ready:
		p.Control, p.Data, p.Region = printed["AWS_ENDPOINT_URL"], printed["AWS_ENDPOINT_URL"], printed["AWS_DEFAULT_REGION"]
		return nil
	case <-p.ended:
		return fmt.Errorf("limen ended before it was ready: %v", p.cmd.ProcessState)
	case <-time.After(startTimeout):
		return errors.Join(errors.New("limen does not become ready"), p.stop())
	}
}

// writeKeys makes an account for each case, after one for the sample API that limen makes.
func (p *Process) writeKeys(data string, accounts int) error {
	if err := os.MkdirAll(data, 0o700); err != nil {
		return err
	}
	var text strings.Builder
	for i := range accounts + 1 {
		k := Key{fmt.Sprintf("%012d", 300000000000+i), fmt.Sprintf("AKIACASE%012d", i), "conformance-secret"}
		fmt.Fprintln(&text, k.Account, k.AccessKeyID, k.SecretAccessKey)
		if i > 0 {
			p.Keys = append(p.Keys, k)
		}
	}
	return os.WriteFile(filepath.Join(data, "root-keys"), []byte(text.String()), 0o600)
}

// follow reads NAME=value lines until the process says that it is ready, and the rest until it ends.
func (p *Process) follow(out io.Reader, ready chan<- map[string]string) {
	defer close(p.ended)
	printed := map[string]string{}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok {
			printed[name] = value
		}
		if strings.HasPrefix(lines.Text(), readyLine) {
			ready <- printed
			printed = map[string]string{} // the other side owns the first now
		}
	}
	_ = p.cmd.Wait() // how it ended is in ProcessState
}

// Stop ends the process and removes its data.
func (p *Process) Stop() error { return errors.Join(p.stop(), os.RemoveAll(p.dir)) }

func (p *Process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopTimeout):
		err := p.cmd.Process.Kill()
		<-p.ended
		return err
	}
}

// ReadKeys reads a file of root keys: "account access-key secret" in each line.
func ReadKeys(path string) ([]Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var keys []Key
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] != "#" {
			keys = append(keys, Key{f[0], f[1], f[2]})
		}
	}
	if keys == nil {
		return nil, fmt.Errorf("%s holds no keys", path)
	}
	return keys, nil
}
