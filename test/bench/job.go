package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// job is a thing that every measured program does the same way: a table of the report.
type job string

const (
	jobPlain     job = "GET"
	jobPostSmall job = "POST of 1 KB"
	jobPostLarge job = "POST of 100 KB"
	jobKey       job = "API key"
	jobQuota     job = "API key with a quota"
	jobCache     job = "cache hit"
	jobTLS       job = "GET over TLS"
	jobH2        job = "GET over HTTP/2 and TLS"
	jobH2C       job = "GET over HTTP/2, prior knowledge"
)

const (
	smallBody = 1 << 10
	largeBody = 100 << 10
)

// How many keys and cached answers are asked for in turn.
const (
	throttledKeys = 1000
	quotaKeys     = 100
	cachedCount   = 1000
)

// jobs are all of them with what a reader must know, in the order of the report.
func jobs() []struct {
	job
	note string
} {
	return []struct {
		job
		note string
	}{
		{jobPlain, "The first row asks the upstream itself."},
		{jobPostSmall, "JSON that is passed on as it is."},
		{jobPostLarge, "JSON that is passed on as it is. nginx keeps it in memory; its default is a file."},
		{jobKey, fmt.Sprintf("One of %d keys in turn. limen counts the throttle of the key's usage plan, nginx a limit_req and haproxy a rate of the key.", throttledKeys)},
		{jobQuota, fmt.Sprintf("One of %d keys in turn, and limen's usage plan has a quota too, granted in parts that are written to a disk first. The others do what they do in the table before.", quotaKeys)},
		{jobCache, fmt.Sprintf("One of %d answers in turn, all of them cached. varnish does nothing else, and writes no access log.", cachedCount)},
		{jobTLS, "TLS 1.3, kept connections, a certificate with an ECDSA key on P-256."},
		{jobH2, fmt.Sprintf("%d connections with %d requests on each at once. The upstream is asked over HTTP/1.1 by all: nginx knows nothing else.", h2Conns, h2Streams)},
		{jobH2C, fmt.Sprintf("%d connections with %d requests on each at once, without TLS and without an upgrade.", h2Conns, h2Streams)},
	}
}

// checkJob refuses a job that there is not.
func checkJob(name string) error {
	for _, j := range jobs() {
		if name == "" || name == string(j.job) {
			return nil
		}
	}
	return fmt.Errorf("-job: there is no job %q", name)
}

// program is a measured one, and how it is asked for each job; what is not there it does not do.
type program struct {
	name string
	*process
	jobs map[job]request
}

// The measured programs by their names in the tables.
const (
	nameDirect  = "the upstream itself"
	nameLimen   = "limen"
	nameNginx   = "nginx"
	nameHAProxy = "haproxy"
	nameVarnish = "varnish"
	nameCaddy   = "caddy"
	nameReverse = "ReverseProxy"
)

// requestPath is that of a route in the middle of the plan.
func (s *site) requestPath() string {
	return routePath(s.options.routes / 2)
}

func routePath(n int) string { return fmt.Sprintf("/prod/service%d/orders/4711", n) }

// sharedJobs are those that need nothing but a proxy. Every program is asked for them by the same paths.
func (s *site) sharedJobs(host, plain, secure, h2c string) map[job]request {
	get := request{Address: plain, Host: host}.at(s.requestPath())
	return map[job]request{
		jobPlain: get, jobPostSmall: get.posting(smallBody), jobPostLarge: get.posting(largeBody),
		jobTLS: get.secure(secure), jobH2: get.secure(secure).http2(secure), jobH2C: get.http2(h2c),
	}
}

// cachedPaths are those of the answers that are cached, below a prefix.
func cachedPaths(prefix string) []string {
	out := make([]string, cachedCount)
	for i := range out {
		out[i] = fmt.Sprintf("%s/orders/%d", prefix, i)
	}
	return out
}

// apiKeys are the values of so many keys of a plan.
func apiKeys(plan string, count int) []string {
	out := make([]string, count)
	for i := range out {
		out[i] = fmt.Sprintf("%s-%05d-abcdefghijklmnopqrstuvwxyz0123", plan, i)
	}
	return out
}

// The usage plans, which are also the beginnings of their keys.
const (
	planThrottled = "throttled"
	planQuota     = "quota"
)

// jobResults is a table.
type jobResults struct {
	job
	note    string
	results []*result
	without []string // the programs that have nothing of the kind
}

// measure loads every program with every job in turns.
func (s *site) measure(ctx context.Context) ([]jobResults, error) {
	var out []jobResults
	for _, j := range jobs() {
		if s.options.job != "" && s.options.job != string(j.job) {
			continue
		}
		t := jobResults{job: j.job, note: j.note}
		for _, p := range s.programs {
			r, ok := p.jobs[j.job]
			if !ok {
				if p.name != nameDirect {
					t.without = append(t.without, p.name)
				}
				continue
			}
			t.results = append(t.results, &result{name: p.name, process: p.process, request: r})
		}
		err := s.rounds(ctx, string(j.job), t.results, s.options.rounds)
		var absent *absentError
		if errors.As(err, &absent) {
			s.miss(fmt.Sprintf("%s: %v", j.job, absent))
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", j.job, err)
		}
		out = append(out, t)
	}
	return out, nil
}

// warmth is how long caches, pools and connections fill.
const warmth = 300 * time.Millisecond

// warm loads a program for a moment, by a tool that knows moments, or by h2load, whose connections need a second to be made
// on a busy machine.
func (s *site) warm(ctx context.Context, r *result) error {
	if r.request.HTTP2 {
		_, err := s.load(ctx, r.process, r.request, time.Second)
		return err
	}
	if _, _, err := s.runGenerator(ctx, r.request, warmth, 0); err != nil {
		return fmt.Errorf("first load on %s: %w", r.name, err)
	}
	return nil
}

// rounds warms all of them and then loads each so many times in turns.
func (s *site) rounds(ctx context.Context, what string, results []*result, n int) error {
	for _, r := range results {
		if err := s.warm(ctx, r); err != nil {
			return err
		}
	}
	for round := range n {
		fmt.Fprintf(os.Stderr, "%s: round %d of %d\n", what, round+1, n)
		for _, r := range results {
			awaitQuiet(ctx, s.options.patience)
			v, err := s.load(ctx, r.process, r.request, s.options.duration)
			if err != nil {
				return err
			}
			r.samples = append(r.samples, v)
		}
	}
	for _, r := range results {
		r.memory = memoryOf(r.process.pid())
	}
	return nil
}

// latencies sends to every program in turns at a fixed rate, and takes latency from the moment at which a request was due:
// what a user feels who shares the machine with few others, where a closed loop at full load shows queues.
func (s *site) latencies(ctx context.Context) ([]*result, error) {
	var out []*result
	for _, p := range s.programs {
		if r, ok := p.jobs[jobPlain]; ok {
			out = append(out, &result{name: p.name, process: p.process, request: r})
		}
	}
	for round := range s.options.rounds {
		fmt.Fprintf(os.Stderr, "%d requests a second: round %d of %d\n", s.options.rate, round+1, s.options.rounds)
		for _, r := range out {
			awaitQuiet(ctx, s.options.patience)
			v, err := s.observe(r.process, func() (sample, float64, error) {
				return s.runGenerator(ctx, r.request, s.options.duration, s.options.rate)
			})
			if err != nil {
				return nil, fmt.Errorf("steady load on %s: %w", r.name, err)
			}
			r.samples = append(r.samples, v)
		}
	}
	return out, nil
}
