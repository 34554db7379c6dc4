// Command bench measures limen's data plane beside programs that everybody knows, in one run on one machine: proxies beside
// nginx and Go's httputil.ReverseProxy, WebSockets beside a bare gorilla/websocket server. Each gets the same one core, the
// load and the upstream get the others. All proxies do the same job, a plain proxy in front of a JSON service, with an access
// log in a file.
//
// The peers are loaded in turns, round by round, and ratios are taken within a round, so that noise which lasts longer
// than a round cancels. The surprise: requests per second are the less telling figure. CPU seconds per request hardly
// move when other programs disturb the run; compare those first.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
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
	profiled string
	binary   string
	parts    string
	idle     int
}

func main() {
	if role := os.Getenv(roleVariable); role != "" {
		serveRole(role)
		return
	}
	var o options
	flag.IntVar(&o.rounds, "rounds", 5, "how many times each peer is loaded")
	flag.DurationVar(&o.duration, "duration", 3*time.Second, "how long each time")
	flag.IntVar(&o.conns, "conns", 64, "connections of the load")
	flag.IntVar(&o.rate, "rate", 1000, "requests per second of the latency measurement")
	flag.IntVar(&o.routes, "routes", 1000, "routes in the plan")
	flag.StringVar(&o.peerCPU, "peer-cpu", "0", "the core of the measured program")
	flag.StringVar(&o.loadCPUs, "load-cpus", otherCPUs(), "the cores of load and upstream")
	flag.DurationVar(&o.patience, "patience", 5*time.Second, "how long to wait before each load for other programs to rest")
	flag.StringVar(&o.profile, "profile", "", "write a CPU profile of limen under load to this file")
	flag.StringVar(&o.profiled, "profile-row", rowPlain, "the row whose load is profiled")
	flag.StringVar(&o.binary, "binary", "", "the limen to measure; it is built when not named")
	flag.StringVar(&o.parts, "parts", "http,websocket", "what is measured")
	flag.IntVar(&o.idle, "idle", 5000, "idle WebSockets whose memory is measured")
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

// site is one run: its folder, its upstream and the peers in front of it.
type site struct {
	options  options
	dir      string
	upstream *process
	peers    []*peer
	missing  []string // what was not measured, and why
	footing  footprint
}

func bench(ctx context.Context, o options) (err error) {
	if runtime.GOOS != "linux" {
		return errors.New("only Linux has the taskset and the /proc that the measurements need")
	}
	if runtime.NumCPU() < 2 {
		return errors.New("two cores are needed: one for the measured program, one for the load")
	}
	if _, err := exec.LookPath("taskset"); err != nil {
		return errors.New("taskset is missing; it is in Debian's package util-linux")
	}
	if o.binary == "" {
		if o.binary, err = harness.Build(); err != nil {
			return err
		}
	}
	s := &site{options: o}
	if s.dir, err = os.MkdirTemp("", "limen-bench"); err != nil {
		return err
	}
	defer os.RemoveAll(s.dir)
	defer func() { s.stop(err) }()
	if strings.Contains(o.parts, "http") {
		if err = s.http(ctx); err != nil {
			return err
		}
	}
	if strings.Contains(o.parts, "websocket") {
		err = s.sockets(ctx, os.Stdout)
	}
	return err
}

// http measures the data plane's HTTP and prints its tables.
func (s *site) http(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	results, err := s.measure(ctx)
	if err != nil {
		return err
	}
	s.report(os.Stdout, results)
	return s.takeProfile(ctx)
}

// open starts the upstream and every peer that is there.
func (s *site) open(ctx context.Context) (err error) {
	if s.footing, err = s.measureFootprint(ctx); err != nil {
		return err
	}
	if s.upstream, err = s.startSelf(ctx, roleUpstream, s.options.loadCPUs); err != nil {
		return err
	}
	s.peers = append(s.peers, &peer{name: "direct to the upstream", process: s.upstream, address: s.upstream.address, path: s.requestPath()})
	for _, start := range []func(context.Context) ([]*peer, error){s.startNginx, s.startLimen, s.startReverseProxy} {
		rows, err := start(ctx)
		var absent *absentError
		switch {
		case errors.As(err, &absent):
			s.missing = append(s.missing, absent.Error())
			continue
		case err != nil:
			return err
		}
		s.peers = append(s.peers, rows...)
		for _, p := range rows {
			if err := p.check(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// stop ends what the run started; when it failed, the logs tell why.
func (s *site) stop(err error) {
	if err != nil {
		logs, _ := filepath.Glob(filepath.Join(s.dir, "*.log"))
		for _, log := range logs {
			fmt.Fprintf(os.Stderr, "--- end of %s\n%s", filepath.Base(log), tail(log))
		}
	}
	for _, p := range s.peers {
		p.process.stop()
	}
	if s.upstream != nil {
		s.upstream.stop()
	}
}

// measure loads every peer in turns.
func (s *site) measure(ctx context.Context) ([]*result, error) {
	results := make([]*result, len(s.peers))
	for i, p := range s.peers {
		results[i] = &result{peer: p}
		if _, err := s.load(ctx, p, time.Second); err != nil { // caches, pools and connections fill
			return nil, err
		}
	}
	for round := range s.options.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, s.options.rounds)
		for _, r := range results {
			awaitQuiet(ctx, s.options.patience)
			sample, err := s.load(ctx, r.peer, s.options.duration)
			if err != nil {
				return nil, err
			}
			r.samples = append(r.samples, sample)
		}
	}
	for _, r := range results {
		awaitQuiet(ctx, s.options.patience)
		var err error
		if r.steady, err = s.steady(ctx, r.peer); err != nil {
			return nil, err
		}
		r.resident = residentOf(r.peer.process.pid())
	}
	return results, nil
}
