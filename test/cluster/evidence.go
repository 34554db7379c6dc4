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
	"strings"
	"time"
)

// complain shows what the parts that are not well wrote last.
func (p *project) complain(ctx context.Context) error {
	out, err := p.docker(ctx, "ps", "-a", "--filter", "label="+projectLabel+"="+p.name, "--format", `{{.Names}} {{.Status}}`)
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
	for _, name := range names {
		for {
			logs, err := exec.CommandContext(ctx, "docker", "logs", name).CombinedOutput()
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

// secrets searches the data, the disk copies, the logs and the traces of every container for what nobody may read there.
func (s *site) secrets(ctx context.Context, _ options) error {
	planted := map[string]string{
		"the secret of a root key": s.target.Key.SecretAccessKey, "the secret of another root key": s.target.Other.SecretAccessKey,
		"the value of an API key": s.key,
	}
	out, err := s.docker(ctx, "ps", "--filter", "label="+projectLabel+"="+s.name, "--format", "{{.Names}}")
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
