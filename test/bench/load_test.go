package main

import (
	"strings"
	"testing"
	"time"
)

const wrkReport = `Running 1s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.31ms    4.07ms  67.38ms   93.11%
    Req/Sec    41.21k     7.32k   52.63k    70.00%
  Latency Distribution
     50%    1.10ms
     75%    1.97ms
     90%    4.32ms
     99%   21.71ms
  41211 requests in 1.01s, 49.05MB read
  Socket errors: connect 1, read 2, write 0, timeout 4
  Non-2xx or 3xx responses: 12
Requests/sec:  40803.21
Transfer/sec:     48.57MB
`

func TestReportOfWrk(t *testing.T) {
	got, err := parseWrk(wrkReport)
	if err != nil {
		t.Fatal(err)
	}
	want := sample{requests: 41211, perSecond: 40803.21, p50: 1100 * time.Microsecond, p99: 21710 * time.Microsecond, failed: 19, loadGenerator: "wrk"}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, err := parseWrk("unable to connect to 127.0.0.1:8080 Connection refused\n"); err == nil {
		t.Error("a report without figures was taken")
	}
}

const h2loadReport = `finished in 307.71ms, 18056.67 req/s, 618.55KB/s
requests: 5425 total, 5433 started, 5425 done, 5417 succeeded, 8 failed, 0 errored, 2 timeout
status codes: 5417 2xx, 0 3xx, 3 4xx, 5 5xx
traffic: 185.57KB (190019) total, 21.34KB (21848) headers (space savings 95.80%), 68.77KB (70421) data
                     min         max         mean         sd        +/- sd
time for request:       25us     47.76ms       367us      2.19ms    99.08%
`

func TestReportOfH2load(t *testing.T) {
	got, err := parseH2load(h2loadReport)
	if err != nil {
		t.Fatal(err)
	}
	want := sample{requests: 5425, perSecond: 18056.67, failed: 8, loadGenerator: "h2load"}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	nothing := strings.Replace(h2loadReport, "5425 done", "0 done", 1)
	for _, text := range []string{"", nothing} {
		if _, err := parseH2load(text); err == nil {
			t.Errorf("a report without requests was taken: %q", text)
		}
	}
}

func TestPercentilesOfH2load(t *testing.T) {
	var log strings.Builder
	for i := range 100 {
		log.WriteString("1795562091313271\t200\t" + strings.Repeat("9", 1+i/99*3) + "\n")
	}
	log.WriteString("17955620913\t20") // cut
	p50, p99, err := parseH2loadLog(log.String())
	if err != nil || p50 != 9*time.Microsecond || p99 != 9999*time.Microsecond {
		t.Errorf("p50 %v, p99 %v, %v", p50, p99, err)
	}
	if _, _, err := parseH2loadLog(""); err == nil {
		t.Error("an empty log has percentiles")
	}
}

func TestSizes(t *testing.T) {
	got, err := parseSizes("10,1000")
	if err != nil || len(got) != 2 || got[0] != 10 || got[1] != 1000 {
		t.Errorf("got %v, %v", got, err)
	}
	for _, text := range []string{"", "10,", "0", "ten"} {
		if _, err := parseSizes(text); err == nil || !strings.Contains(err.Error(), "-sizes") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestNumbersSpreadOverRoutes(t *testing.T) {
	for routes, want := range map[int][3]int{10: {10, 0, 9}, 1000: {1000, 0, 999}, 10000: {1000, 0, 9990}} {
		got := spread(routes)
		if len(got) != want[0] || got[0] != want[1] || got[len(got)-1] != want[2] {
			t.Errorf("%d routes: %d numbers from %d to %d", routes, len(got), got[0], got[len(got)-1])
		}
	}
}

func TestJobsAreKnownByName(t *testing.T) {
	for _, name := range []string{"", string(jobPlain), string(jobH2C)} {
		if err := checkJob(name); err != nil {
			t.Error(err)
		}
	}
	if err := checkJob("PUT"); err == nil || !strings.Contains(err.Error(), `"PUT"`) {
		t.Errorf("got %v", err)
	}
}
