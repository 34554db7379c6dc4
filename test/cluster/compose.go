package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Labels that Compose gives to everything it makes, whatever its version.
const (
	projectLabel = "com.docker.compose.project"
	serviceLabel = "com.docker.compose.service"
)

// project is one cluster on this machine. Its name is its own, so that two do not meet, and everything of it carries that as
// a label.
type project struct {
	name, root string
	compose    []string // docker compose, or docker-compose
	env        []string
}

// askEvery is how often something is asked whether it is so far.
const askEvery = 500 * time.Millisecond

// newProject names a cluster of the checkout at root.
func newProject(root string) (*project, error) {
	p := &project{name: fmt.Sprintf("limen-test-%d", os.Getpid()), root: root, compose: []string{"docker-compose"}}
	if exec.Command("docker", "compose", "version").Run() == nil {
		p.compose = []string{"docker", "compose"}
	}
	if _, err := exec.LookPath(p.compose[0]); err != nil {
		return nil, errors.New("neither docker compose nor docker-compose is here: the cluster needs one of them")
	}
	// Ports that the machine chooses; a fixed one would stand in the way of another cluster.
	p.env = append(os.Environ(), "LIMEN_BUILD_TARGET=prebuilt", "LIMEN_IMAGE="+p.name+":test", "COMPOSE_IGNORE_ORPHANS=1",
		"LIMEN_PUBLISH_CONTROL=127.0.0.1:", "LIMEN_PUBLISH_DATA=127.0.0.1:", "LIMEN_PUBLISH_DATA_TLS=127.0.0.1:", "LIMEN_QUOTA_FALLBACK=deny",
		"LIMEN_HEALTH_INTERVAL=20s") // once it runs, the tool asks the nodes themselves
	return p, nil
}

// do runs Compose for the project.
func (p *project) do(ctx context.Context, args ...string) (string, error) {
	all := append(slices.Clone(p.compose[1:]), "-p", p.name, "-f", filepath.Join(p.root, "deploy", "compose", "compose.yaml"))
	return p.run(ctx, p.compose[0], append(all, args...)...)
}

// run runs a program in the project's environment and returns what it printed.
func (p *project) run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = p.env
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out.String(), errs.String())
	}
	return out.String(), nil
}

func (p *project) docker(ctx context.Context, args ...string) (string, error) {
	return p.run(ctx, "docker", args...)
}

// ps lists containers of the project.
func (p *project) ps(ctx context.Context, args ...string) (string, error) {
	return p.docker(ctx, append([]string{"ps", "--filter", "label=" + projectLabel + "=" + p.name}, args...)...)
}

// up builds the image, starts the cluster and waits until its entry is ready.
func (p *project) up(ctx context.Context, args ...string) error {
	if _, err := p.do(ctx, append([]string{"up", "-d", "--build"}, args...)...); err != nil {
		return err
	}
	return p.healthy(ctx)
}

// healthy waits until Docker says of every container of the project that its health check passes.
func (p *project) healthy(ctx context.Context) error {
	return until(ctx, func() (waiting []string, err error) {
		out, err := p.ps(ctx, "-a", "--format", `{{.Names}} {{.Status}}`)
		for line := range strings.Lines(out) {
			if !strings.Contains(line, "(healthy)") && !strings.Contains(line, "Exited (0)") {
				waiting = append(waiting, strings.TrimSpace(line))
			}
		}
		return waiting, err
	})
}

// ready waits until every container of the project says at its side listener that it is ready: what an operator waits for
// before the next step, where Docker's word is some seconds old.
func (p *project) ready(ctx context.Context) error {
	return until(ctx, func() (waiting []string, err error) {
		ids, err := p.ps(ctx, "-aq")
		if err != nil {
			return nil, err
		}
		out, err := p.docker(ctx, append([]string{"inspect", "--format", sideListener}, strings.Fields(ids)...)...)
		for line := range strings.Lines(out) {
			name, url, _ := strings.Cut(strings.TrimSpace(line), " ")
			if url == "" {
				continue // did what it had to
			}
			if _, err := get(ctx, url); err != nil {
				waiting = append(waiting, fmt.Sprintf("%s: %v", name, err))
			}
		}
		return waiting, err
	})
}

// sideListener prints of a container where it says whether it is ready; nothing of one that has ended well.
const sideListener = `{{.Name}} {{if or .State.Running .State.ExitCode}}http://{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}:` +
	`{{if eq (index .Config.Labels "` + serviceLabel + `") "collector"}}13133{{else}}9090{{end}}/readyz{{end}}`

// until asks what is waited for until that is nothing.
func until(ctx context.Context, ask func() (waiting []string, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	for {
		waiting, err := ask()
		if err != nil {
			return err
		}
		if len(waiting) == 0 {
			return nil
		}
		if !pause(ctx, askEvery) {
			return fmt.Errorf("not well: %s", strings.Join(waiting, "; "))
		}
	}
}

// containers are those of a service that run, in the order of their names.
func (p *project) containers(ctx context.Context, service string) ([]string, error) {
	out, err := p.ps(ctx, "--filter", "label="+serviceLabel+"="+service, "--format", "{{.Names}}")
	if err != nil {
		return nil, err
	}
	names := strings.Fields(out)
	slices.Sort(names)
	if len(names) == 0 {
		return nil, fmt.Errorf("service %s has no container", service)
	}
	return names, nil
}

// address is where a published port of the entry answers.
func (p *project) address(ctx context.Context, port string) (string, error) {
	out, err := p.do(ctx, "port", "entry", port)
	return strings.TrimSpace(out), err
}

// signal sends a signal to the program of a container, past Docker: what it then does is what it does after a crash.
func (p *project) signal(ctx context.Context, container string, s syscall.Signal) error {
	out, err := p.docker(ctx, "inspect", "--format", "{{.State.Pid}}", container)
	if err != nil {
		return err
	}
	var pid int
	if _, err := fmt.Sscan(out, &pid); err != nil || pid == 0 {
		return fmt.Errorf("%s does not run", container)
	}
	if err := syscall.Kill(pid, s); err != nil {
		return fmt.Errorf("signal %s: %w (signals to programs in containers need root)", container, err)
	}
	return nil
}

// cut takes a container off the network; the function it returns puts it back under the names it had.
func (p *project) cut(ctx context.Context, container, service string) (back func(context.Context) error, err error) {
	network := p.name + "_limen"
	if _, err := p.docker(ctx, "network", "disconnect", "--force", network, container); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		_, err := p.docker(ctx, "network", "connect", "--alias", service, network, container)
		return err
	}, nil
}

// gateway is the address of this machine in the cluster's network.
func (p *project) gateway(ctx context.Context) (string, error) {
	out, err := p.docker(ctx, "network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", p.name+"_limen")
	return strings.TrimSpace(out), err
}

// remove takes away everything that carries the project's label, and its image. It asks nothing of the state the cluster is in.
func (p *project) remove(ctx context.Context) error {
	filter := "label=" + projectLabel + "=" + p.name
	var problems []error
	for _, kind := range []struct{ list, remove []string }{
		{[]string{"ps", "-aq", "--filter", filter}, []string{"rm", "-f", "-v"}},
		{[]string{"network", "ls", "-q", "--filter", filter}, []string{"network", "rm"}},
		{[]string{"volume", "ls", "-q", "--filter", filter}, []string{"volume", "rm", "-f"}},
		{[]string{"image", "ls", "-q", p.name}, []string{"image", "rm", "-f"}},
	} {
		out, err := p.docker(ctx, kind.list...)
		if ids := strings.Fields(out); err == nil && len(ids) > 0 {
			_, err = p.docker(ctx, append(kind.remove, ids...)...)
		}
		problems = append(problems, err)
	}
	return errors.Join(problems...)
}

// pause waits, and reports whether it did so to the end.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
