package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// limen is a `limen dev` and what it printed when it was ready.
type limen struct {
	*process
	readyAfter time.Duration
	printed    map[string]string
	side       string // address of /metrics and profiles
}

// startsMeasured is how often limen is started for the time until it is ready.
const startsMeasured = 5

// launch starts limen with the data folder of this name, which is empty the first time, and waits until it is ready. Its log, access log included, is a file.
func (s *site) launch(ctx context.Context, name, cpus string, args ...string) (*limen, error) {
	var side string
	if err := freeAddresses(&side); err != nil {
		return nil, err
	}
	env := []string{"LIMEN_TELEMETRY_LISTEN=" + side, "LIMEN_TELEMETRY_PROFILES=true",
		fmt.Sprintf("LIMEN_EDGE_ACCOUNT_RATE=%d", unreachedRate), fmt.Sprintf("LIMEN_EDGE_ACCOUNT_BURST=%d", unreachedBurst)}
	ready := make(chan map[string]string, 1)
	begin := time.Now()
	p, err := s.start(name, cpus, env, func(r io.Reader) { readPrinted(r, ready) },
		append([]string{s.options.binary, "dev", "--data-dir", filepath.Join(s.dir, name), "--listen", "127.0.0.1:0"}, args...)...)
	if err != nil {
		return nil, err
	}
	select {
	case printed := <-ready:
		l := &limen{process: p, readyAfter: time.Since(begin), printed: printed, side: side}
		l.address = strings.TrimPrefix(printed["AWS_ENDPOINT_URL"], "http://")
		return l, nil
	case <-p.ended:
		return nil, errors.New("limen ended before it was ready")
	case <-time.After(startTimeout):
		p.stop()
		return nil, errors.New("limen does not become ready")
	case <-ctx.Done():
		p.stop()
		return nil, ctx.Err()
	}
}

// readPrinted collects NAME=value lines until limen says that it is ready.
func readPrinted(r io.Reader, ready chan<- map[string]string) {
	printed := map[string]string{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok {
			printed[name] = value
		}
		if strings.HasPrefix(lines.Text(), "limen ready in ") {
			ready <- printed
			return
		}
	}
}

// footprint is what limen takes before anybody asks it anything.
type footprint struct {
	ready  []time.Duration // sorted
	idle   int64           // bytes resident, nothing configured
	binary int64           // bytes of the stripped program
}

// measureFootprint starts limen a few times with nothing in it, on all cores as its users do.
func (s *site) measureFootprint(ctx context.Context) (footprint, error) {
	var f footprint
	info, err := os.Stat(s.options.binary)
	if err != nil {
		return f, err
	}
	f.binary = info.Size()
	for i := range startsMeasured {
		l, err := s.launch(ctx, fmt.Sprintf("limen-start%d", i), "")
		if err != nil {
			return f, err
		}
		f.ready = append(f.ready, l.readyAfter)
		if i == startsMeasured-1 {
			sleep(ctx, 2*time.Second) // what the start needed is given back
			f.idle = residentOf(l.pid())
		}
		l.stop()
	}
	slices.Sort(f.ready)
	return f, nil
}

// takeProfile writes a CPU profile of limen under this load, when one is wanted.
func (s *site) takeProfile(ctx context.Context, table jobResults) error {
	r := named(table.results, nameLimen)
	if s.options.profile == "" {
		return nil
	}
	return s.profiled(ctx, s.side, func(span time.Duration) error {
		_, err := s.load(ctx, r.process, r.request, span)
		return err
	})
}

// profiled writes a CPU profile of a limen while a load runs.
func (s *site) profiled(ctx context.Context, side string, load func(span time.Duration) error) error {
	const span = 8 * time.Second
	profile := make(chan error, 1)
	go func() {
		profile <- s.fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", side, int((span-2*time.Second)/time.Second)))
	}()
	err := load(span)
	return errors.Join(err, <-profile)
}

func (s *site) fetch(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s: %.200s", response.Status, b.String())
	}
	return os.WriteFile(s.options.profile, b.Bytes(), 0o600)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
