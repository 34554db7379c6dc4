package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// sample is one load of one peer.
type sample struct {
	requests      float64
	perSecond     float64
	p50, p99      time.Duration
	cpuPer100k    float64 // seconds of the peer, its children included
	peerShare     float64 // part of one core that the peer used
	foreignShare  float64 // part of the machine that nobody in this run used
	stolenShare   float64 // part of the machine that a hypervisor took
	failed        int     // requests not answered, not in time (wrk: two seconds), or not with 200
	retried       int     // sent anew since a kept connection was closed; the own generator alone counts them
	loadGenerator string
}

// load keeps the connections busy for a while: each sends its next request when it has its answer.
func (s *site) load(ctx context.Context, p *process, r request, d time.Duration) (sample, error) {
	generate := func() (sample, float64, error) { return s.generate(ctx, r, d) }
	out, err := s.observe(p, generate)
	var stuck *stuckError
	if errors.As(err, &stuck) {
		out, err = s.observe(p, generate)
	}
	if err != nil {
		return out, fmt.Errorf("load on %s: %w", p.name, err)
	}
	return out, nil
}

// observe completes a sample by what the machine did meanwhile. generate also returns the CPU seconds that it used itself.
func (s *site) observe(p *process, generate func() (sample, float64, error)) (sample, error) {
	others := func() (upstream float64) {
		if s.upstream != nil && s.upstream != p {
			upstream = treeCPU(s.upstream.pid())
		}
		return upstream
	}
	own, upstream := treeCPU(p.pid()), others()
	busy, stolen := machineCPU()
	begin := time.Now()
	out, loadCPU, err := generate()
	if err != nil {
		return out, err
	}
	took := time.Since(begin).Seconds()
	own = treeCPU(p.pid()) - own
	upstream = others() - upstream
	busyNow, stolenNow := machineCPU()
	cores := took * float64(runtime.NumCPU())
	out.cpuPer100k = own / out.requests * 1e5
	out.peerShare = own / took
	out.foreignShare = max(0, busyNow-busy-own-upstream-loadCPU) / cores
	out.stolenShare = (stolenNow - stolen) / cores
	return out, nil
}

// generate runs the tool that can send the request: h2load for HTTP/2, else wrk, or where that is missing, this program's
// own generator.
func (s *site) generate(ctx context.Context, r request, d time.Duration) (sample, float64, error) {
	if r.HTTP2 {
		return s.runH2load(ctx, r, d)
	}
	if _, err := find("wrk", "wrk"); err != nil {
		return s.runGenerator(ctx, r, d, 0)
	}
	return s.runWrk(ctx, r, d)
}

// pinned runs a tool on the cores of the load, and says how much of them it used.
func (s *site) pinned(ctx context.Context, env []string, argv ...string) (output string, used float64, err error) {
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", s.options.loadCPUs}, argv...)...)
	cmd.Env = append(cmd.Environ(), env...)
	var problems strings.Builder
	cmd.Stderr = &problems
	text, err := cmd.Output()
	if err != nil {
		return "", 0, fmt.Errorf("%s: %w: %.300s", filepath.Base(argv[0]), err, problems.String())
	}
	return string(text), (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), nil
}

// written is a file of the run with this text.
func (s *site) written(name string, text []byte) (path string, err error) {
	path = filepath.Join(s.dir, name)
	return path, os.WriteFile(path, text, 0o600)
}
