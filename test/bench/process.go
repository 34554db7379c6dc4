package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = 60 * time.Second // machines are busy
	stopTimeout  = 10 * time.Second
)

// process is a program that the run started, pinned to cores. Its standard error is a file in the run's folder.
type process struct {
	name    string
	address string // host:port where it answers
	cmd     *exec.Cmd
	ended   chan struct{}
}

// start runs a program on the given cores; "" leaves it where it is. Standard output is read by out, if there is one.
func (s *site) start(name, cpus string, env []string, out func(io.Reader), argv ...string) (*process, error) {
	if cpus != "" {
		argv = append([]string{"taskset", "-c", cpus}, argv...) // it becomes the program: the process id stays
	}
	log, err := os.Create(filepath.Join(s.dir, name+".log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stderr = log
	// An interrupt from the terminal reaches this program alone, which then ends what it started, in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	reader, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &process{name: name, cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		if out != nil {
			out(reader)
		}
		_, _ = io.Copy(io.Discard, reader)
		_ = cmd.Wait()
	}()
	return p, nil
}

func (p *process) pid() int { return p.cmd.Process.Pid }

// stop ends the program and waits for it.
func (p *process) stop() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// kill ends the program at once.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// startSelf runs this program in another role and waits for the address that it prints.
func (s *site) startSelf(ctx context.Context, role, cpus string, env ...string) (*process, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	printed := make(chan string, 1)
	first := func(r io.Reader) {
		if lines := bufio.NewScanner(r); lines.Scan() {
			printed <- lines.Text()
		}
	}
	p, err := s.start(role, cpus, append(env, roleVariable+"="+role), first, self)
	if err != nil {
		return nil, err
	}
	select {
	case p.address = <-printed:
		return p, nil
	case <-p.ended:
		return nil, fmt.Errorf("%s ended at once", role)
	case <-time.After(startTimeout):
		p.stop()
		return nil, fmt.Errorf("%s does not start", role)
	case <-ctx.Done():
		p.stop()
		return nil, ctx.Err()
	}
}

// freeAddresses finds ports for a program that cannot choose them itself. Somebody else may take one first; the check of the
// program would tell.
func freeAddresses(into ...*string) error {
	for _, address := range into {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer l.Close() // not before all are found: one would be found twice
		*address = l.Addr().String()
	}
	return nil
}

// tail is the end of a log.
func tail(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error() + "\n"
	}
	lines := strings.SplitAfter(string(text), "\n")
	return strings.Join(lines[max(0, len(lines)-8):], "")
}

// absentError is a program that this machine does not have.
type absentError struct{ what, pkg string }

func (e *absentError) Error() string {
	return fmt.Sprintf("%s is missing (Debian's package %s; make bench-setup installs it)", e.what, e.pkg)
}

// find looks for a program, in the folders of administrators too.
func find(name, pkg string) (string, error) {
	for _, candidate := range []string{name, "/usr/sbin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", &absentError{name, pkg}
}

// programs are what the comparison runs, with Debian's package of each.
func programs() map[string]string {
	return map[string]string{"nginx": "nginx", "haproxy": "haproxy", "varnishd": "varnish", "caddy": "caddy", "wrk": "wrk", "h2load": "nghttp2-client"}
}

// install adds the Debian packages that are missing.
func install(ctx context.Context) error {
	var packages []string
	for name, pkg := range programs() {
		if _, err := find(name, pkg); err != nil {
			packages = append(packages, pkg)
		}
	}
	slices.Sort(packages)
	if len(packages) == 0 {
		fmt.Println("All that is compared and all tools are here.")
		return nil
	}
	if os.Geteuid() != 0 {
		return errors.New("missing: " + strings.Join(packages, ", ") + "; only root can install them: apt-get install " + strings.Join(packages, " "))
	}
	steps := [][]string{{"apt-get", "update"}, append([]string{"apt-get", "install", "-y", "--no-install-recommends"}, packages...)}
	for _, argv := range steps {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w", strings.Join(argv, " "), err)
		}
	}
	return nil
}
