package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	loadGenerator string
}

// load keeps the connections busy for a while: each sends its next request when it has its answer.
func (s *site) load(ctx context.Context, p *peer, d time.Duration) (sample, error) {
	out, err := s.observe(p.process, func() (sample, float64, error) { return s.generate(ctx, p, d) })
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

// generate runs wrk, or where there is none, this program's own generator.
func (s *site) generate(ctx context.Context, p *peer, d time.Duration) (sample, float64, error) {
	path, err := find("wrk", "wrk")
	if err != nil {
		return s.runGenerator(ctx, p, d, 0)
	}
	argv := []string{"-c", s.options.loadCPUs, path, "-t", "1", "-c", strconv.Itoa(s.options.conns), "-d", fmt.Sprintf("%.0fs", d.Seconds()), "--latency"}
	if p.host != "" {
		argv = append(argv, "-H", "Host: "+p.host)
	}
	if p.key != "" {
		argv = append(argv, "-H", "X-Api-Key: "+p.key)
	}
	cmd := exec.CommandContext(ctx, "taskset", append(argv, "http://"+p.address+p.path)...)
	text, err := cmd.CombinedOutput()
	if err != nil {
		return sample{}, 0, fmt.Errorf("wrk: %w: %s", err, text)
	}
	out, err := parseWrk(string(text))
	return out, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), err
}

var (
	wrkTotal  = regexp.MustCompile(`(\d+) requests in`)
	wrkRate   = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)
	wrkQuant  = regexp.MustCompile(`(?m)^\s+(50|99)%\s+([\d.]+(?:us|ms|s|m))\s*$`)
	wrkStatus = regexp.MustCompile(`Non-2xx or 3xx responses: (\d+)`)
	wrkSocket = regexp.MustCompile(`Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`)
)

// parseWrk reads wrk's report.
func parseWrk(text string) (sample, error) {
	out := sample{loadGenerator: "wrk"}
	total, rate := wrkTotal.FindStringSubmatch(text), wrkRate.FindStringSubmatch(text)
	quantiles := wrkQuant.FindAllStringSubmatch(text, -1)
	if total == nil || rate == nil || len(quantiles) != 2 {
		return out, fmt.Errorf("wrk says nothing that can be read: %s", text)
	}
	out.requests, _ = strconv.ParseFloat(total[1], 64)
	out.perSecond, _ = strconv.ParseFloat(rate[1], 64)
	for i, into := range []*time.Duration{&out.p50, &out.p99} {
		d, err := time.ParseDuration(quantiles[i][2])
		if err != nil {
			return out, fmt.Errorf("wrk: %w", err)
		}
		*into = d
	}
	for _, re := range []*regexp.Regexp{wrkStatus, wrkSocket} {
		if found := re.FindStringSubmatch(text); found != nil {
			for _, n := range found[1:] {
				v, _ := strconv.Atoi(n)
				out.failed += v
			}
		}
	}
	return out, nil
}

// steady sends at a fixed rate and takes latency from the moment at which a request was due: what a user feels who
// shares the machine with few others, where a closed loop at full load shows queues.
func (s *site) steady(ctx context.Context, p *peer) (sample, error) {
	out, _, err := s.runGenerator(ctx, p, s.options.duration, s.options.rate)
	if err != nil {
		return out, fmt.Errorf("steady load on %s: %w", p.name, err)
	}
	return out, nil
}

// orderVariable tells a generator what to do.
const orderVariable = "LIMEN_BENCH_ORDER"

// noKey stands in an order for a request without an API key.
const noKey = "-"

// runGenerator runs this program's generator, in a process of its own that can be pinned; rate 0 is a closed loop.
func (s *site) runGenerator(ctx context.Context, p *peer, d time.Duration, rate int) (sample, float64, error) {
	self, err := os.Executable()
	if err != nil {
		return sample{}, 0, err
	}
	host := p.host
	if host == "" {
		host = p.address
	}
	key := p.key
	if key == "" {
		key = noKey
	}
	conns := s.options.conns
	if rate > 0 {
		conns = min(conns, 16)
	}
	cmd := exec.CommandContext(ctx, "taskset", "-c", s.options.loadCPUs, self)
	cmd.Env = append(os.Environ(), roleVariable+"="+roleLoad, fmt.Sprintf("%s=%s %s %s %s %d %d %d", orderVariable, p.address, host, p.path, key, conns, rate, d))
	text, err := cmd.CombinedOutput()
	if err != nil {
		return sample{}, 0, fmt.Errorf("%w: %s", err, text)
	}
	out := sample{loadGenerator: "own"}
	if _, err := fmt.Sscan(string(text), &out.requests, &out.perSecond, (*int64)(&out.p50), (*int64)(&out.p99), &out.failed); err != nil {
		return out, 0, fmt.Errorf("%w: %s", err, text)
	}
	return out, (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds(), nil
}

// serveLoad is the generator: it carries out its order and prints what it saw.
func serveLoad() error {
	var g generator
	var conns, rate int
	var span int64
	if _, err := fmt.Sscan(os.Getenv(orderVariable), &g.address, &g.host, &g.path, &g.key, &conns, &rate, &span); err != nil {
		return err
	}
	g.begin = time.Now().Add(50 * time.Millisecond)
	g.end = g.begin.Add(time.Duration(span))
	if rate > 0 {
		g.step = time.Duration(conns) * time.Second / time.Duration(rate)
	}
	var wg sync.WaitGroup
	for i := range conns {
		wg.Go(func() { g.connection(g.step * time.Duration(i) / time.Duration(conns)) })
	}
	wg.Wait()
	slices.Sort(g.latencies)
	n := len(g.latencies)
	if n == 0 {
		return errors.New("no request was answered")
	}
	fmt.Println(n, float64(n)/time.Since(g.begin).Seconds(), int64(g.latencies[n/2]), int64(g.latencies[n*99/100]), g.failed)
	return nil
}

// generator sends the same request over and over.
type generator struct {
	address, host, path, key string

	begin, end time.Time
	step       time.Duration // between two requests of a connection; 0 sends as answers come

	mu        sync.Mutex // guards what follows
	latencies []time.Duration
	failed    int
}

func (g *generator) connection(delay time.Duration) {
	var seen []time.Duration
	failed := 0
	due := g.begin.Add(delay)
	c, err := net.Dial("tcp", g.address)
	if err == nil {
		defer c.Close()
		seen, err = g.run(c, due)
	}
	if err != nil {
		failed++
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.latencies = append(g.latencies, seen...)
	g.failed += failed
}

// run sends until the end, or until something fails.
func (g *generator) run(c net.Conn, due time.Time) (seen []time.Duration, err error) {
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n", g.path, g.host)
	if g.key != noKey {
		request = fmt.Appendf(request, "X-Api-Key: %s\r\n", g.key)
	}
	request = append(request, "\r\n"...)
	answers := bufio.NewReader(c)
	for {
		if g.step > 0 {
			time.Sleep(time.Until(due))
		} else {
			due = time.Now()
		}
		if due.After(g.end) {
			return seen, nil
		}
		if _, err := c.Write(request); err != nil {
			return seen, err
		}
		if err := readAnswer(answers); err != nil {
			return seen, err
		}
		seen = append(seen, time.Since(due))
		due = due.Add(g.step)
	}
}

// readAnswer reads an answer of status 200 with a length.
func readAnswer(r *bufio.Reader) error {
	length := -1
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return err
		}
		switch {
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")):
			return fmt.Errorf("answered %s", bytes.TrimSpace(line))
		case len(line) == 2:
			if length < 0 {
				return errors.New("the answer has no length")
			}
			_, err := io.CopyN(io.Discard, r, int64(length))
			return err
		case len(line) > 15 && strings.EqualFold(string(line[:15]), "content-length:"):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[15:]))); err != nil {
				return err
			}
		}
	}
}
