// Command bench measures limen's data plane beside programs that everybody knows, in one run on one machine: proxies beside
// nginx, haproxy, varnish, caddy and Go's httputil.ReverseProxy, WebSockets beside a bare gorilla/websocket server. Each gets the
// same one core, the load and the upstream get the others. All proxies do the same job, in front of the same JSON service,
// with an access log in a file.
//
// The programs are loaded in turns, round by round, and ratios are taken within a round, so that noise which lasts longer
// than a round cancels. The surprise: requests per second are the less telling figure. CPU seconds per request hardly
// move when other programs disturb the run; compare those first.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/limen-gateway/limen/test/harness"
)

// options are what a user may choose.
type options struct {
	rounds   int
	duration time.Duration
	conns    int
	rate     int
	routes   int
	peerCPU  string
	loadCPUs string
	patience time.Duration
	profile  string
	job      string
	binary   string
	parts    string
	idle     int
	sizes    string
	markdown string
}

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		serveRole(role)
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 3, "how many times each program is loaded")
	flag.DurationVar(&o.duration, "duration", time.Second, "how long each time; wrk rounds it up to whole seconds")
	flag.IntVar(&o.conns, "conns", 64, "connections of the load")
	flag.IntVar(&o.rate, "rate", 500, "requests per second of the latency measurement")
	flag.IntVar(&o.routes, "routes", 1000, "routes in the plan")
	flag.StringVar(&o.peerCPU, "peer-cpu", "0", "the core of the measured program")
	flag.StringVar(&o.loadCPUs, "load-cpus", otherCPUs(), "the cores of load and upstream")
	flag.DurationVar(&o.patience, "patience", 5*time.Second, "how long to wait before each load for other programs to rest")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of limen under load, the first one that is measured, to this file")
	flag.StringVar(&o.job, "job", "", "the one table of the part http that is measured; all when not named")
	flag.StringVar(&o.binary, "binary", "", "the limen to measure; it is built when not named")
	flag.StringVar(&o.parts, "parts", "footprint,http,latency,scale,websocket", "what is measured")
	flag.IntVar(&o.idle, "idle", 5000, "idle WebSockets whose memory is measured")
	flag.StringVar(&o.sizes, "sizes", "10,1000,10000", "numbers of routes of the part scale")
	flag.StringVar(&o.markdown, "markdown", "", "write the page with the tables, and what they mean, to this file")
	setup := flag.Bool("setup", false, "install the Debian packages that the comparison needs, and end")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	run := func(ctx context.Context) error { return bench(ctx, o) }
	if *setup {
		run = install
	}
	if err := run(ctx); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// otherCPUs are all but the first.
func otherCPUs() string {
	if n := runtime.NumCPU(); n > 2 {
		return fmt.Sprintf("1-%d", n-1)
	}
	return "1"
}

// site is one run: its folder, its upstream and the programs in front of it.
type site struct {
	options  options
	dir      string
	cert     string // files of everybody's certificate, without .crt, .key and .pem
	upstream *process
	programs []*program
	missing  []string // what was not measured, and why
	side     string   // of the measured limen, for profiles
	sizes    []int
	out      bytes.Buffer // the tables
}

func bench(ctx context.Context, o options) (err error) {
	if err := possible(); err != nil {
		return err
	}
	s := &site{options: o}
	if s.sizes, err = parseSizes(o.sizes); err != nil {
		return err
	}
	if err := checkJob(o.job); err != nil {
		return err
	}
	if s.options.binary == "" {
		if s.options.binary, err = harness.Build(); err != nil {
			return err
		}
	}
	if s.dir, err = os.MkdirTemp("", "limen-bench"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	defer func() { s.stop(err) }()
	if s.cert, err = writeCertificate(s.dir); err != nil {
		return err
	}
	begin := time.Now()
	if err := s.measureParts(ctx); err != nil {
		return err
	}
	s.reportMissing(&s.out)
	fmt.Print(s.out.String())
	if o.markdown == "" {
		return nil
	}
	return s.writePage(o.markdown, begin)
}

// possible says what a machine lacks to measure anything.
func possible() error {
	if runtime.GOOS != "linux" {
		return errors.New("only Linux has the taskset and the /proc that the measurements need")
	}
	if runtime.NumCPU() < 2 {
		return errors.New("two cores are needed: one for the measured program, one for the load")
	}
	if _, err := exec.LookPath("taskset"); err != nil {
		return errors.New("taskset is missing; it is in Debian's package util-linux")
	}
	return nil
}

// parseSizes reads numbers of routes.
func parseSizes(text string) (sizes []int, err error) {
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(field)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("-sizes: %q is no number of routes", field)
		}
		sizes = append(sizes, n)
	}
	return sizes, nil
}

// measureParts measures what is wanted, in that order.
func (s *site) measureParts(ctx context.Context) error {
	parts := map[string]func(context.Context) error{
		"footprint": s.reportFootprint, "http": s.reportJobs, "latency": s.reportLatencies, "scale": s.reportScale, "websocket": s.sockets}
	for name := range strings.SplitSeq(s.options.parts, ",") {
		measure, ok := parts[name]
		if !ok {
			return fmt.Errorf("-parts: there is no part %q", name)
		}
		begin := time.Now()
		if err := measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Fprintf(os.Stderr, "%s took %.0f s\n", name, time.Since(begin).Seconds())
	}
	return nil
}

// open starts the upstream and every program that is there, once.
func (s *site) open(ctx context.Context) error {
	if err := s.openUpstream(ctx); err != nil || len(s.programs) > 0 {
		return err
	}
	s.programs = append(s.programs, &program{nameDirect, s.upstream, map[job]request{jobPlain: request{Address: s.upstream.address}.at(s.requestPath())}})
	for _, start := range []func(context.Context) (*program, error){s.startNginx, s.startHAProxy, s.startVarnish, s.startCaddy, s.startReverseProxy, s.startLimen} {
		begin := time.Now()
		p, err := start(ctx)
		var absent *absentError
		switch {
		case errors.As(err, &absent):
			s.miss(absent.Error())
			continue
		case err != nil:
			return err
		}
		s.programs = append(s.programs, p)
		for j, r := range p.jobs {
			if _, err := r.await(ctx, p.process); err != nil {
				return fmt.Errorf("%s: %w", j, err)
			}
		}
		fmt.Fprintf(os.Stderr, "%s is ready after %.1f s\n", p.name, time.Since(begin).Seconds())
	}
	return nil
}

func (s *site) openUpstream(ctx context.Context) (err error) {
	if s.upstream == nil {
		s.upstream, err = s.startSelf(ctx, roleUpstream, s.options.loadCPUs)
	}
	return err
}

// miss remembers, once, what was not measured.
func (s *site) miss(what string) {
	if !slices.Contains(s.missing, what) {
		s.missing = append(s.missing, what)
	}
}

// stop ends what the run started; when it failed, the logs tell why.
func (s *site) stop(err error) {
	if err != nil {
		logs, _ := filepath.Glob(filepath.Join(s.dir, "*.log"))
		for _, log := range logs {
			fmt.Fprintf(os.Stderr, "--- end of %s\n%s", filepath.Base(log), tail(log))
		}
	}
	for _, p := range s.programs {
		p.process.stop()
	}
	if s.upstream != nil {
		s.upstream.stop()
	}
}
