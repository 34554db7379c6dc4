package main

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The load over HTTP/2: fewer connections than over HTTP/1.1, with some requests on each at once.
const (
	h2Conns   = 16
	h2Streams = 8
)

// stuckError is an h2load that does not end: a connection that is made after its time is over goes on for ever.
type stuckError struct{}

func (*stuckError) Error() string { return "h2load does not end" }

// h2loadGrace is how long h2load may take to end.
const h2loadGrace = 10 * time.Second

// runH2load loads over HTTP/2.
func (s *site) runH2load(ctx context.Context, r request, d time.Duration) (sample, float64, error) {
	path, err := find("h2load", "nghttp2-client")
	if err != nil {
		return sample{}, 0, err
	}
	body, err := s.written("body.json", bodyOf(r.Body))
	if err != nil {
		return sample{}, 0, err
	}
	log, err := s.written("h2load.log", nil) // it appends
	if err != nil {
		return sample{}, 0, err
	}
	argv := append([]string{path, "-t", "1", "-c", strconv.Itoa(h2Conns), "-m", strconv.Itoa(h2Streams), "-D", d.String(), "--log-file", log}, r.h2loadArgs(body)...)
	limited, cancel := context.WithTimeout(ctx, d+h2loadGrace)
	defer cancel()
	text, used, err := s.pinned(limited, nil, argv...)
	if limited.Err() != nil && ctx.Err() == nil {
		return sample{}, 0, &stuckError{}
	}
	if err != nil {
		return sample{}, 0, err
	}
	out, err := parseH2load(text)
	if err != nil {
		return out, 0, err
	}
	requests, err := os.ReadFile(log)
	if err != nil {
		return out, 0, err
	}
	out.p50, out.p99, err = parseH2loadLog(string(requests))
	return out, used, err
}

var (
	h2loadRate   = regexp.MustCompile(`finished in [^,]+, ([\d.]+) req/s`)
	h2loadTotal  = regexp.MustCompile(`requests: .*?(\d+) done, \d+ succeeded, (\d+) failed, \d+ errored, (\d+) timeout`)
	h2loadStatus = regexp.MustCompile(`status codes: \d+ 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx`)
)

// parseH2load reads h2load's report, which holds no percentiles. What failed by its status failed for h2load too.
func parseH2load(text string) (sample, error) {
	out := sample{loadGenerator: "h2load"}
	rate, total, status := h2loadRate.FindStringSubmatch(text), h2loadTotal.FindStringSubmatch(text), h2loadStatus.FindStringSubmatch(text)
	if rate == nil || total == nil || status == nil || total[1] == "0" {
		return out, fmt.Errorf("h2load says nothing that can be read: %s", text)
	}
	out.perSecond, _ = strconv.ParseFloat(rate[1], 64)
	out.requests, _ = strconv.ParseFloat(total[1], 64)
	failed, _ := strconv.Atoi(total[2])
	var refused int
	for _, n := range status[1:] {
		v, _ := strconv.Atoi(n)
		refused += v
	}
	out.failed = max(failed, refused)
	return out, nil
}

// parseH2loadLog reads the percentiles from h2load's log: a line per request, its third column the microseconds.
func parseH2loadLog(text string) (p50, p99 time.Duration, err error) {
	var took []time.Duration
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			continue // the last one may be cut
		}
		us, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return 0, 0, fmt.Errorf("h2load's log: %w", err)
		}
		took = append(took, time.Duration(us)*time.Microsecond)
	}
	if len(took) == 0 {
		return 0, 0, fmt.Errorf("h2load's log holds no request")
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100], nil
}
