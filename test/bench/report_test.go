package main

import (
	"strings"
	"testing"
	"time"
)

// loaded is a result with these requests per second, a round each; foreign is what others used meanwhile.
func loaded(name string, foreign float64, rates ...float64) *result {
	r := &result{name: name, memory: 20 << 20}
	for _, rate := range rates {
		r.samples = append(r.samples, sample{perSecond: rate, p50: time.Millisecond, p99: 2 * time.Millisecond, cpuPer100k: 1e5 / rate, peerShare: 1, foreignShare: foreign})
	}
	return r
}

func TestRatiosAreTakenWithinRounds(t *testing.T) {
	// The machine is half as fast in the second round, for both.
	limen, nginx := loaded(nameLimen, 0, 8000, 4000, 9000), loaded(nameNginx, 0, 10000, 5000, 10000)
	if got := ratio(limen, nginx, rateOf); got != "0.80" {
		t.Errorf("got %s", got)
	}
	if got := ratio(limen, nil, rateOf); got != "–" {
		t.Errorf("beside nothing: %s", got)
	}
}

func TestDisturbedSamplesAreLeftOut(t *testing.T) {
	r := loaded(nameLimen, 0, 100, 100, 100)
	r.samples = append(r.samples, loaded("", 0.5, 10, 10, 10, 10, 10).samples...)
	if got := r.median(rateOf); got != 100 {
		t.Errorf("the median is %v", got)
	}
	r.samples = r.samples[2:]
	if got := r.median(rateOf); got != 10 {
		t.Errorf("with one clean sample the median is %v", got)
	}
}

func TestTables(t *testing.T) {
	direct, nginx, limen := loaded(nameDirect, 0, 40000), loaded(nameNginx, 0, 10000), loaded(nameLimen, 0, 8000)
	limen.samples[0].p50 = 3 * time.Millisecond
	nginx.samples[0].p50 = 2 * time.Millisecond
	results := []*result{direct, nginx, limen}
	for name, c := range map[string]struct {
		write func(w *strings.Builder)
		want  string
	}{
		"job": {func(w *strings.Builder) { jobTable(w, results) },
			"| limen | 8000 | 0.80 | – | 3.00 ms | 2.00 ms | 12.50 | 1.25 | 100 % | 20 MiB |"},
		"summary": {func(w *strings.Builder) { summary(w, []jobResults{{job: jobPlain, results: results}}) },
			"| GET | 8000 | 0.80 | – | – | – | – | 1.25 | – | – | – | – |"},
		"latency": {func(w *strings.Builder) { latencyTable(w, results) },
			"| limen | 3.00 ms | 2.00 ms | 2.00 ms | 0.00 ms | 2.00 | 12.50 |"},
		"scale": {func(w *strings.Builder) {
			scaleTable(w, []*scaleRow{{result: nginx}, {result: limen, started: time.Second, before: 10 << 20, changed: 2 * time.Second, during: sample{p99: time.Millisecond, retried: 3}}})
		}, "| limen | 1000.00 ms | 10 MiB | 8000 | 0.80 | 2.00 ms | 12.50 | 1.25 | 2000.00 ms | 1.00 ms | 0 | 3 |"},
		"idle": {func(w *strings.Builder) { idleTable(w, []idleRow{{"limen", true, 2048}, {"gorilla, TLS", true, 4096}}) },
			"| limen | 2.0 KiB | 0.50 |"},
	} {
		var out strings.Builder
		c.write(&out)
		if !strings.Contains(out.String(), c.want+"\n") {
			t.Errorf("%s: %s is not in\n%s", name, c.want, out.String())
		}
		head, _, _ := strings.Cut(out.String(), "\n")
		for line := range strings.Lines(out.String()) {
			if strings.HasPrefix(line, "|") && strings.Count(line, "|") != strings.Count(head, "|") {
				t.Errorf("%s: a line has other columns than the head: %s", name, line)
			}
		}
	}
}

func TestFailuresAndWhatIsMissingAreNamed(t *testing.T) {
	var out strings.Builder
	r := loaded(nameNginx, 0, 10)
	r.samples[0].failed = 7
	reportFailures(&out, []*result{r, loaded(nameLimen, 0, 10)})
	s := &site{}
	s.miss((&absentError{"haproxy", "haproxy"}).Error())
	s.miss((&absentError{"haproxy", "haproxy"}).Error())
	s.reportMissing(&out)
	if got := out.String(); !strings.Contains(got, "**nginx failed 7 times**") || strings.Contains(got, "limen failed") ||
		strings.Count(got, "**Not measured:** haproxy is missing (Debian's package haproxy;") != 1 {
		t.Error(got)
	}
}

func TestPageHoldsTablesAndMachine(t *testing.T) {
	s := &site{options: options{peerCPU: "0", loadCPUs: "1"}}
	facts := s.machine(time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC))
	text, err := renderPage(page{Machine: facts, Tables: "## A table\n\n| a | b |", Seconds: 7})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"# Performance\n", "| date | 2026-05-04 03:02 UTC |", "| Go | go1.", "| nginx | ", "| seconds | 7 |", "make bench-page", "\n## A table\n\n| a | b |\n"} {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in the page:\n%s", part, text)
		}
	}
	for _, f := range facts {
		if f.Value == "" || strings.Contains(f.Value, "\n") {
			t.Errorf("%s is %q", f.Name, f.Value)
		}
	}
}

func TestEveryJobIsExplained(t *testing.T) {
	seen := map[job]bool{}
	for _, j := range jobs() {
		if seen[j.job] || j.note == "" {
			t.Errorf("%s is twice in the list, or says nothing", j.job)
		}
		seen[j.job] = true
	}
	for j := range (&site{}).sharedJobs("", "", "", "") {
		if !seen[j] {
			t.Errorf("%s is not in the list", j)
		}
	}
}
