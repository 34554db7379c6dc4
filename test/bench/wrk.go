package main

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"time"
)

// runWrk loads over HTTP/1.1. wrk knows whole seconds only.
func (s *site) runWrk(ctx context.Context, r request, d time.Duration) (sample, float64, error) {
	path, err := find("wrk", "wrk")
	if err != nil {
		return sample{}, 0, err
	}
	body, err := s.written("body.json", bodyOf(r.Body))
	if err != nil {
		return sample{}, 0, err
	}
	script, err := s.written("wrk.lua", []byte(r.script(body)))
	if err != nil {
		return sample{}, 0, err
	}
	text, used, err := s.pinned(ctx, nil, path, "-t", "1", "-c", strconv.Itoa(s.options.conns), "-d", fmt.Sprintf("%.0fs", math.Ceil(d.Seconds())),
		"--latency", "-s", script, r.url())
	if err != nil {
		return sample{}, 0, err
	}
	out, err := parseWrk(text)
	return out, used, err
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
