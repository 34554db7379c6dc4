package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"
)

// result is what was measured of one peer.
type result struct {
	peer     *peer
	samples  []sample // by round
	steady   sample
	resident int64 // after the load
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

// report prints everything as Markdown.
func (s *site) report(w io.Writer, results []*result) {
	fmt.Fprintf(w, "## HTTP proxy, one core each\n\n")
	fmt.Fprintf(w, "%d rounds of %s, %d connections, load by %s; the answer is 1 KiB of JSON; limen inside a plan of %d routes,\nall its rows with stage and account throttle.\n", s.options.rounds,
		s.options.duration, s.options.conns, results[0].samples[0].loadGenerator, s.options.routes)
	fmt.Fprintf(w, "Ratios are medians of the ratios within a round.\n\n")
	s.table(w, results)
	fmt.Fprintf(w, "\n\"Core used\" well under 100 %% means that the load could not keep that program busy: its figure is a lower bound.\n")
	fmt.Fprintf(w, "The last two columns are latencies at %d requests a second.\n", s.options.rate)
	warn(w, results)
	for _, r := range results {
		failed := r.steady.failed
		for _, v := range r.samples {
			failed += v.failed
		}
		if failed > 0 {
			fmt.Fprintf(w, "\n**%s failed %d requests**: its figures are no result.\n", r.peer.name, failed)
		}
	}
	for _, m := range s.missing {
		fmt.Fprintf(w, "\n**Not measured:** %s.\n", m)
	}
	if _, err := find("wrk", "wrk"); err != nil {
		fmt.Fprintf(w, "\n**Load by the own generator:** %v.\n", err)
	}
	f := s.footing
	fmt.Fprintf(w, "\n## Footprint of limen dev\n\n| | |\n|---|---|\n")
	fmt.Fprintf(w, "| time to ready, empty data folder | median %s, slowest of %d %s |\n", milliseconds(f.ready[len(f.ready)/2]), len(f.ready), milliseconds(f.ready[len(f.ready)-1]))
	fmt.Fprintf(w, "| resident memory, idle | %s |\n", mebibytes(f.idle))
	fmt.Fprintf(w, "| resident memory, %d routes just published | %s |\n", s.options.routes, mebibytes(f.withRoutes))
	fmt.Fprintf(w, "| stripped binary | %s |\n", mebibytes(f.binary))
}

func (s *site) table(w io.Writer, results []*result) {
	fmt.Fprintln(w, "| | requests/s | of limen | of nginx | of ReverseProxy | p50 | p99 | CPU s/100k | CPU, of nginx | core used | resident | steady p50 | steady p99 |")
	fmt.Fprintln(w, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")
	own, nginx, reverse := named(results, rowPlain), named(results, "nginx"), named(results, "httputil.ReverseProxy")
	rate := func(v sample) float64 { return v.perSecond }
	cpu := func(v sample) float64 { return v.cpuPer100k }
	for _, r := range results {
		fmt.Fprintln(w, "|", strings.Join([]string{
			r.peer.name, fmt.Sprintf("%.0f", r.median(rate)), ratio(r, own, rate), ratio(r, nginx, rate), ratio(r, reverse, rate),
			milliseconds(medianOf(r, func(v sample) time.Duration { return v.p50 })),
			milliseconds(medianOf(r, func(v sample) time.Duration { return v.p99 })),
			fmt.Sprintf("%.2f", r.median(cpu)), ratio(r, nginx, cpu),
			fmt.Sprintf("%.0f %%", 100*r.median(func(v sample) float64 { return v.peerShare })),
			mebibytes(r.resident), milliseconds(r.steady.p50), milliseconds(r.steady.p99),
		}, " | "), "|")
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
	fmt.Fprintf(w, "Other programs disturbed %d of %d loads (left out where three others remain) and used %.0f %% of the machine at worst; a hypervisor took %.0f %% at worst.",
		disturbed, len(foreign), 100*foreign[len(foreign)-1], 100*stolen[len(stolen)-1])
	if 2*disturbed > len(foreign) {
		fmt.Fprintf(w, " **That is noise: trust the columns of CPU seconds, or run again.**")
	}
	fmt.Fprintln(w)
}

func named(results []*result, name string) *result {
	for _, r := range results {
		if r.peer.name == name {
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

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", float64(d)/1e6) }

func mebibytes(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }
