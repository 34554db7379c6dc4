package main

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

// complain shows what the parts that are not well wrote last.
func (p *project) complain(ctx context.Context) error {
	out, err := p.ps(ctx, "-a", "--format", `{{.Names}} {{.Status}}`)
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		name, status, _ := strings.Cut(strings.TrimSpace(line), " ")
		if strings.Contains(status, "(healthy)") || strings.Contains(status, "Exited (0)") {
			continue
		}
		logs, _ := exec.CommandContext(ctx, "docker", "logs", "--tail", "8", name).CombinedOutput()
		say("%s is %s:\n%s", name, status, logs)
	}
	return nil
}

// lastWarnings is how many of its last warnings a container shows when an invariant breaks.
const lastWarnings = 4

// warnings shows what containers warned of since a moment.
func (p *project) warnings(ctx context.Context, since time.Time) {
	out, err := p.ps(ctx, "-a", "--format", "{{.Names}}")
	if err != nil {
		return
	}
	for name := range strings.FieldsSeq(out) {
		logs, _ := exec.CommandContext(ctx, "docker", "logs", "--since", since.Format(time.RFC3339), name).CombinedOutput()
		var found []string
		for line := range strings.Lines(string(logs)) {
			if strings.Contains(line, `"level":"WARN"`) || strings.Contains(line, `"level":"ERROR"`) || strings.Contains(line, `"status":5`) {
				found = append(found, strings.TrimSpace(line))
			}
		}
		for _, line := range found[max(0, len(found)-lastWarnings):] {
			say("  %s: %s", name, line)
		}
	}
}

// served opens connections until every replica of a service has answered one of their requests, by its own log.
func (s *site) served(ctx context.Context, service string, replicas int, within time.Duration) error {
	names, err := s.containers(ctx, service)
	if err != nil {
		return err
	}
	if len(names) != replicas {
		return fmt.Errorf("%d containers of %s, want %d", len(names), service, replicas)
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	// Docker reads a whole log to find a moment in it, which may take longer than there is time, but its end from the end.
	since := time.Now().Format(time.RFC3339Nano)
	for _, name := range names {
		for {
			logs, err := exec.CommandContext(ctx, "docker", "logs", "--tail", "500", "--since", since, name).CombinedOutput()
			if err == nil && bytes.Contains(logs, []byte(`"api_id":"`+s.rest+`"`)) {
				break
			}
			s.buy(ctx, &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: clientTimeout}, s.key)
			if !pause(ctx, 50*time.Millisecond) {
				return fmt.Errorf("%s got no request within %s", name, within)
			}
		}
	}
	return nil
}

// connected opens WebSockets until every wsconn node has a connection, by its own metrics, and returns how many each has.
func (s *site) connected(ctx context.Context, nodes int, within time.Duration) ([]int, error) {
	names, err := s.containers(ctx, "wsconn")
	if err != nil {
		return nil, err
	}
	if len(names) != nodes {
		return nil, fmt.Errorf("%d containers of wsconn, want %d", len(names), nodes)
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for {
		c, res, err := websocket.DefaultDialer.DialContext(ctx, s.socketURL(), nil)
		if err != nil {
			return nil, fmt.Errorf("connect: %w", err)
		}
		defer res.Body.Close()
		defer c.Close()
		counts, err := s.connections(ctx, names)
		if err != nil || !slices.Contains(counts, 0) {
			return counts, err
		}
		if !pause(ctx, 50*time.Millisecond) {
			return counts, fmt.Errorf("a wsconn node has no connection within %s: %v", within, counts)
		}
	}
}

// connections asks the side listener of each node how many connections it has.
func (s *site) connections(ctx context.Context, names []string) (counts []int, err error) {
	for _, name := range names {
		address, err := s.docker(ctx, "inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", name)
		if err != nil {
			return nil, err
		}
		text, err := get(ctx, "http://"+strings.TrimSpace(address)+":9090/metrics")
		if err != nil {
			return nil, err
		}
		n := 0
		for line := range strings.Lines(text) {
			if value, ok := strings.CutPrefix(line, "limen_websocket_connections"); ok {
				if _, err := fmt.Sscan(value[strings.LastIndexByte(value, ' ')+1:], &n); err != nil {
					return nil, fmt.Errorf("metrics of %s: %w", name, err)
				}
			}
		}
		counts = append(counts, n)
	}
	return counts, nil
}

// sideClient asks side listeners.
var sideClient = &http.Client{Timeout: 2 * time.Second}

// get asks a side listener for a page; another status than 200 is an error.
func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	res, err := sideClient.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", res.Status, text)
	}
	return string(text), err
}

// secrets searches the data, the disk copies, the logs and the traces of every container for what nobody may read there.
func (s *site) secrets(ctx context.Context, _ options) error {
	planted := map[string]string{
		"the secret of a root key": s.target.Key.SecretAccessKey, "the secret of another root key": s.target.Other.SecretAccessKey,
		"the value of an API key": s.key,
	}
	if err := s.plant(ctx, planted); err != nil {
		return err
	}
	out, err := s.ps(ctx, "--format", "{{.Names}}")
	if err != nil {
		return err
	}
	names := strings.Fields(out)
	var problems []error
	for _, name := range names {
		logs, err := exec.CommandContext(ctx, "docker", "logs", name).CombinedOutput()
		if err != nil {
			return fmt.Errorf("logs of %s: %w", name, err)
		}
		problems = append(problems, search(name+"'s log", bytes.NewReader(logs), planted), s.searchData(ctx, name, planted))
	}
	if err := errors.Join(problems...); err != nil {
		return err
	}
	say("secrets: none of %d stands in the data, logs and traces of %d containers", len(planted), len(names))
	return nil
}

// plant adds what the cluster made for itself at its first start: the key that seals what is stored, and the private keys of
// certificates.
func (s *site) plant(ctx context.Context, planted map[string]string) error {
	for service, files := range map[string][]string{"admin": {"master-key", "key.pem"}, "edge": {"key.pem"}} {
		names, err := s.containers(ctx, service)
		if err != nil {
			return err
		}
		for _, file := range files {
			text, err := exec.CommandContext(ctx, "docker", "cp", "--follow-link", names[0]+":/secrets/"+file, "-").Output()
			if err != nil {
				return fmt.Errorf("%s of %s: %w", file, service, err)
			}
			r := tar.NewReader(bytes.NewReader(text))
			if _, err := r.Next(); err != nil {
				return err
			}
			secret, err := longestLine(r)
			if err != nil {
				return err
			}
			planted[service+"'s "+file] = secret
		}
	}
	return nil
}

// longestLine is the part of a file that says most.
func longestLine(r io.Reader) (string, error) {
	text, err := io.ReadAll(r)
	longest := ""
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); len(line) > len(longest) {
			longest = line
		}
	}
	if len(longest) < 16 {
		err = errors.Join(err, fmt.Errorf("no secret is in it: %q", longest))
	}
	return longest, err
}

// searchData reads the files of a container's /data.
func (s *site) searchData(ctx context.Context, name string, planted map[string]string) error {
	text, err := exec.CommandContext(ctx, "docker", "cp", name+":/data", "-").Output()
	if err != nil {
		return fmt.Errorf("data of %s: %w", name, err)
	}
	files := tar.NewReader(bytes.NewReader(text))
	var problems []error
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return errors.Join(problems...)
		}
		if err != nil {
			return fmt.Errorf("data of %s: %w", name, err)
		}
		problems = append(problems, search(name+":/"+h.Name, files, planted))
	}
}

func search(where string, r io.Reader, planted map[string]string) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	for what, secret := range planted {
		if secret != "" && bytes.Contains(text, []byte(secret)) {
			return fmt.Errorf("%s stands in %s", what, where)
		}
	}
	return nil
}
