package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"
)

// result is what was measured of one program at one job.
type result struct {
	name    string
	process *process
	request request
	samples []sample // by round
	memory  int64    // after the load
}

// noisy is the part of the machine that foreign programs may use before a sample is not trusted.
const noisy = 0.15

// clean leaves out the samples that other programs disturbed, unless fewer than three would be left.
func clean(indices []int, quiet func(round int) bool) []int {
	var out []int
	for _, i := range indices {
		if quiet(i) {
			out = append(out, i)
		}
	}
	if len(out) < 3 {
		return indices
	}
	return out
}

func (r *result) rounds() []int {
	out := make([]int, len(r.samples))
	for i := range out {
		out[i] = i
	}
	return out
}

func (r *result) quiet(round int) bool { return r.samples[round].foreignShare <= noisy }

func rateOf(v sample) float64 { return v.perSecond }

func cpuOf(v sample) float64 { return v.cpuPer100k }

func shareOf(v sample) float64 { return v.peerShare }

func p50Of(v sample) time.Duration { return v.p50 }

func p99Of(v sample) time.Duration { return v.p99 }

// reportJobs measures the data plane's HTTP and prints a table of all jobs, and one for each.
func (s *site) reportJobs(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	tables, err := s.measure(ctx)
	if err != nil || len(tables) == 0 {
		return err
	}
	w := &s.out
	fmt.Fprintf(w, "\n## HTTP, one core each\n\n%d rounds of %s, %d connections over HTTP/1.1; load by %s; answers are 1 KiB of JSON; %d routes; limen\nthrottles by stage and account in all of it.\n\n",
		s.options.rounds, s.options.duration, s.options.conns, generators(tables), s.options.routes)
	summary(w, tables)
	var all []*result
	for _, t := range tables {
		fmt.Fprintf(w, "\n### %s\n\n%s\n\n", t.job, t.note)
		jobTable(w, t.results)
		if len(t.without) > 0 {
			fmt.Fprintf(w, "\nNot in this table, having nothing of the kind: %s.\n", strings.Join(t.without, ", "))
		}
		reportFailures(w, t.results)
		all = append(all, t.results...)
	}
	warn(w, all)
	return s.takeProfile(ctx, tables[0])
}

// generators names the tools that loaded.
func generators(tables []jobResults) string {
	var names []string
	for _, t := range tables {
		if name := t.results[0].samples[0].loadGenerator; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// peers are the programs beside limen, in the order of columns.
func peers() []string { return []string{nameNginx, nameHAProxy, nameVarnish, nameCaddy, nameReverse} }

// summary is limen's part of each program's figures, a line for each job.
func summary(w io.Writer, tables []jobResults) {
	head := []string{"limen at", "requests/s"}
	for _, p := range peers() {
		head = append(head, "of "+p)
	}
	for _, p := range peers() {
		head = append(head, "CPU, of "+p)
	}
	writeHead(w, head)
	for _, t := range tables {
		own := named(t.results, nameLimen)
		line := []string{string(t.job), fmt.Sprintf("%.0f", own.median(rateOf))}
		for _, of := range []func(sample) float64{rateOf, cpuOf} {
			for _, p := range peers() {
				line = append(line, ratio(own, named(t.results, p), of))
			}
		}
		writeLine(w, line)
	}
}

func jobTable(w io.Writer, results []*result) {
	writeHead(w, []string{"", "requests/s", "of nginx", "of ReverseProxy", "p50", "p99", "CPU s/100k", "CPU, of nginx", "core used", "memory"})
	nginx, reverse := named(results, nameNginx), named(results, nameReverse)
	for _, r := range results {
		writeLine(w, []string{
			r.name, fmt.Sprintf("%.0f", r.median(rateOf)), ratio(r, nginx, rateOf), ratio(r, reverse, rateOf),
			milliseconds(medianOf(r, p50Of)), milliseconds(medianOf(r, p99Of)),
			fmt.Sprintf("%.2f", r.median(cpuOf)), ratio(r, nginx, cpuOf), percent(r.median(shareOf)), mebibytes(r.memory),
		})
	}
}

// reportLatencies prints what each program adds to the upstream's own latency.
func (s *site) reportLatencies(ctx context.Context) error {
	if err := s.open(ctx); err != nil {
		return err
	}
	results, err := s.latencies(ctx)
	if err != nil {
		return err
	}
	w := &s.out
	fmt.Fprintf(w, "\n## Latency at %d requests a second\n\n%d rounds of %s, GET; \"added\" is less what the upstream itself takes in the same round.\n\n", s.options.rate, s.options.rounds, s.options.duration)
	latencyTable(w, results)
	reportFailures(w, results)
	return nil
}

func latencyTable(w io.Writer, results []*result) {
	writeHead(w, []string{"", "p50", "p99", "added p50", "added p99", "added p50, of nginx", "CPU s/100k"})
	direct, nginx := named(results, nameDirect), named(results, nameNginx)
	for _, r := range results {
		p50 := added(r, direct, p50Of)
		line := []string{r.name, milliseconds(medianOf(r, p50Of)), milliseconds(medianOf(r, p99Of)), "–", "–", "–", fmt.Sprintf("%.2f", r.median(cpuOf))}
		if r != direct {
			line[3], line[4] = milliseconds(p50), milliseconds(added(r, direct, p99Of))
		}
		if r != direct && nginx != nil && added(nginx, direct, p50Of) > 0 {
			line[5] = fmt.Sprintf("%.2f", float64(p50)/float64(added(nginx, direct, p50Of)))
		}
		writeLine(w, line)
	}
}

// added is the median over the rounds of how much longer r takes than the other.
func added(r, other *result, of func(sample) time.Duration) time.Duration {
	var values []time.Duration
	for _, i := range clean(r.rounds(), func(i int) bool { return r.quiet(i) && other.quiet(i) }) {
		values = append(values, of(r.samples[i])-of(other.samples[i]))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// reportScale prints a table for each number of routes.
func (s *site) reportScale(ctx context.Context) error {
	if err := s.openUpstream(ctx); err != nil {
		return err
	}
	w := &s.out
	fmt.Fprintf(w, "\n## Size of the configuration\n\nGET on up to 1000 of the routes in turn. \"Start\" lasts until the last route answers, \"one route more\" from the wish until that\n"+
		"route answers, under %d requests a second on another; \"sent anew\" is what met a closed connection before the first byte of an\n"+
		"answer. limen starts with what it had stored, and takes the route as an import and a deployment; nginx and haproxy read a\n"+
		"changed file; a ReverseProxy only a restart changes. caddy and varnish are not in these tables.\n", s.options.rate)
	for _, routes := range s.sizes {
		rows, err := s.scale(ctx, routes)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "\n### %d routes\n\n", routes)
		scaleTable(w, rows)
	}
	return nil
}

func scaleTable(w io.Writer, rows []*scaleRow) {
	var results []*result
	for _, r := range rows {
		results = append(results, r.result)
	}
	writeHead(w, []string{"", "start", "memory then", "requests/s", "of nginx", "p99", "CPU s/100k", "CPU, of nginx", "one route more", "p99 meanwhile", "failed", "sent anew"})
	nginx := named(results, nameNginx)
	for _, r := range rows {
		line := []string{r.name, milliseconds(r.started), mebibytes(r.before), fmt.Sprintf("%.0f", r.median(rateOf)), ratio(r.result, nginx, rateOf),
			milliseconds(medianOf(r.result, p99Of)), fmt.Sprintf("%.2f", r.median(cpuOf)), ratio(r.result, nginx, cpuOf), "–", "–", "–", "–"}
		if r.changed > 0 {
			line[8], line[9] = milliseconds(r.changed), milliseconds(r.during.p99)
			line[10], line[11] = fmt.Sprint(r.during.failed), fmt.Sprint(r.during.retried)
		}
		writeLine(w, line)
	}
	reportFailures(w, results)
}

// reportFootprint prints what limen takes before anybody asks it anything.
func (s *site) reportFootprint(ctx context.Context) error {
	f, err := s.measureFootprint(ctx)
	if err != nil {
		return err
	}
	w := &s.out
	fmt.Fprintf(w, "\n## Footprint of limen dev\n\n| | |\n|---|---|\n")
	fmt.Fprintf(w, "| time to ready, empty data folder | median %s, slowest of %d %s |\n", milliseconds(f.ready[len(f.ready)/2]), len(f.ready), milliseconds(f.ready[len(f.ready)-1]))
	fmt.Fprintf(w, "| resident memory, idle | %s |\n", mebibytes(f.idle))
	fmt.Fprintf(w, "| stripped binary | %s |\n", mebibytes(f.binary))
	return nil
}

// reportFailures names the programs whose figures are none.
func reportFailures(w io.Writer, results []*result) {
	for _, r := range results {
		failed := 0
		for _, v := range r.samples {
			failed += v.failed
		}
		if failed > 0 {
			fmt.Fprintf(w, "\n**%s failed %d times**: its figures are no result.\n", r.name, failed)
		}
	}
}

// reportMissing names what this machine does not have.
func (s *site) reportMissing(w io.Writer) {
	if _, err := find("wrk", "wrk"); err != nil {
		fmt.Fprintf(w, "\n**Load over HTTP/1.1 by the own generator:** %v.\n", err)
	}
	for _, m := range s.missing {
		fmt.Fprintf(w, "\n**Not measured:** %s.\n", m)
	}
}

// warn tells when the machine was not ours.
func warn(w io.Writer, results []*result) {
	var foreign, stolen []float64
	for _, r := range results {
		for _, v := range r.samples {
			foreign, stolen = append(foreign, v.foreignShare), append(stolen, v.stolenShare)
		}
	}
	slices.Sort(foreign)
	slices.Sort(stolen)
	disturbed := len(foreign) - sort.SearchFloat64s(foreign, noisy)
	fmt.Fprintf(w, "\nOther programs disturbed %d of %d loads (left out where three others remain) and used %.0f %% of the machine at worst; a hypervisor took %.0f %% at worst.",
		disturbed, len(foreign), 100*foreign[len(foreign)-1], 100*stolen[len(stolen)-1])
	if 2*disturbed > len(foreign) {
		fmt.Fprintf(w, " **That is noise: trust the columns of CPU seconds, or run again.**")
	}
	fmt.Fprintln(w)
}

func named(results []*result, name string) *result {
	for _, r := range results {
		if r.name == name {
			return r
		}
	}
	return nil
}

func (r *result) median(of func(sample) float64) float64 { return medianOf(r, of) }

func medianOf[T cmp.Ordered](r *result, of func(sample) T) T {
	var values []T
	for _, i := range clean(r.rounds(), r.quiet) {
		values = append(values, of(r.samples[i]))
	}
	slices.Sort(values)
	return values[len(values)/2]
}

// ratio is the median over the rounds of r's value by the other's of the same round.
func ratio(r, other *result, of func(sample) float64) string {
	if other == nil {
		return "–"
	}
	var ratios []float64
	for _, i := range clean(r.rounds(), func(i int) bool { return r.quiet(i) && other.quiet(i) }) {
		ratios = append(ratios, of(r.samples[i])/of(other.samples[i]))
	}
	slices.Sort(ratios)
	return fmt.Sprintf("%.2f", ratios[len(ratios)/2])
}

// writeHead begins a table whose first column is text and whose others are figures.
func writeHead(w io.Writer, columns []string) {
	writeLine(w, columns)
	fmt.Fprintln(w, "|---"+strings.Repeat("|--:", len(columns)-1)+"|")
}

func writeLine(w io.Writer, cells []string) { fmt.Fprintln(w, "|", strings.Join(cells, " | "), "|") }

func percent(part float64) string { return fmt.Sprintf("%.0f %%", 100*part) }

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }

func mebibytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }
