package conformance

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Verdict is how a case ended.
type Verdict int

const (
	// Passed: everything that the case expects was looked at and fits.
	Passed Verdict = iota
	// Failed: the reason says what differed.
	Failed
	// Skipped: the case was not judged; the reason says why.
	Skipped
)

// Result is the verdict of one case.
type Result struct {
	Area, Name string
	Verdict    Verdict
	Reason     string
}

// Suite runs cases against a gateway.
type Suite struct {
	Target     *Target
	Operations map[string]Operation
	// Engines have judged the cases without steps.
	Engines Verdicts
	// Listen is the address of this machine where the gateway reaches the fakes.
	Listen string
	// AWS, when it is not nil, serves the stand-ins of each case at one address too.
	AWS *AWS
	// Eventually is how long a case waits for what nothing announces; 5 seconds when it is zero.
	Eventually time.Duration
	// Only, when it is not empty, is the part of their names that cases must have.
	Only string

	used map[Key]bool
	next int
}

// Run judges all cases of the areas, and hands over each result as it comes.
func (s *Suite) Run(ctx context.Context, areas []Area, each func(Result)) {
	for _, a := range areas {
		for _, text := range a.Cases {
			c, err := readCase(text)
			if !strings.Contains(c.Name, s.Only) {
				continue
			}
			r := Result{Area: a.Name, Name: c.Name}
			if err != nil {
				r.Verdict, r.Reason = Failed, err.Error()
			} else {
				r.Verdict, r.Reason = s.judge(ctx, &c)
			}
			each(r)
		}
		for _, name := range a.Vectors {
			if strings.Contains(name, s.Only) {
				verdict, reason := s.Engines.of(name)
				each(Result{a.Name, name, verdict, reason})
			}
		}
		for _, r := range s.Engines.failures(a.Name) {
			each(r)
		}
	}
}

func (s *Suite) judge(ctx context.Context, c *Case) (Verdict, string) {
	if c.Steps == nil {
		return s.Engines.of(c.Name)
	}
	if why := cannotFake(c); why != "" {
		return Skipped, why
	}
	if err := s.play(ctx, c); err != nil {
		return Failed, oneLine(err.Error())
	}
	return Passed, ""
}

// play runs a case in the next account.
func (s *Suite) play(ctx context.Context, c *Case) error {
	ctx, cancel := context.WithTimeout(ctx, 3*patience)
	defer cancel()
	key, err := s.account(ctx)
	if err != nil {
		return err
	}
	r := newRun(s.Target, key, s.Operations)
	r.ctx, r.eventually = ctx, cmp.Or(s.Eventually, 5*time.Second)
	defer r.stopBackends()
	if err := r.startBackends(ctx, c, s.Listen); err != nil {
		return err
	}
	if s.AWS != nil {
		s.AWS.of(r.scope.backends)
		defer s.AWS.of(nil)
	}
	return r.steps(ctx, c)
}

// account is the next account, emptied when a case has used it.
func (s *Suite) account(ctx context.Context) (Key, error) {
	key := s.Target.Keys[s.next%len(s.Target.Keys)]
	s.next++
	// A running gateway's accounts may have been used by anybody, so they are emptied before their first use too; one that
	// was started for this run has a fresh one for each case.
	if s.used == nil {
		s.used = map[Key]bool{}
	}
	if s.used[key] || s.Target.Shared {
		if err := s.Target.empty(ctx, key); err != nil {
			return key, err
		}
	}
	s.used[key] = true
	return key, nil
}

const lineLength = 700

// oneLine is a reason as a line of the report.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > lineLength {
		text = text[:lineLength] + "…"
	}
	return text
}

// Report counts results and finds what was not expected.
type Report struct {
	// Gaps are the cases that are known to fail; nil when no list applies.
	Gaps *Gaps
	out  io.Writer

	areas map[string]*counts
	seen  map[string]bool
	// unexpected are the failures, and the passes of listed gaps.
	unexpected []string
}

type counts struct {
	passed, failed, skipped, known int
	reasons                        map[string]int
}

// NewReport writes to out.
func NewReport(out io.Writer, gaps *Gaps) *Report {
	return &Report{Gaps: gaps, out: out, areas: map[string]*counts{}, seen: map[string]bool{}}
}

// Add counts a result and prints it when it failed.
func (p *Report) Add(r Result) {
	c := p.areas[r.Area]
	if c == nil {
		c = &counts{reasons: map[string]int{}}
		p.areas[r.Area] = c
	}
	if r.Name != "" && p.seen[r.Name] {
		r.Verdict, r.Reason = Failed, "two cases have this name"
	}
	p.seen[r.Name] = true
	gap, listed := p.Gaps.of(r.Name)
	switch {
	case r.Verdict == Failed && listed:
		c.failed++
		c.known++
		p.printf("gap  %s: %s [%s; %s]\n", r.Name, r.Reason, gap.Missing, gap.Step)
	case r.Verdict == Failed:
		c.failed++
		p.unexpected = append(p.unexpected, r.Name)
		p.printf("FAIL %s: %s\n", r.Name, r.Reason)
	default:
		if r.Verdict == Skipped {
			c.skipped++
			c.reasons[r.Reason]++
		} else {
			c.passed++
		}
		if listed {
			p.unexpected = append(p.unexpected, r.Name)
			p.printf("FAIL %s: it is listed as a gap (%s) and does not fail; take it from the list\n", r.Name, gap.Missing)
		}
	}
}

// Finish prints the counts and tells whether everything went as expected. whole says that every case of the areas was run,
// so that a listed gap without a case is a mistake of the list.
func (p *Report) Finish(whole bool) bool {
	if whole {
		for _, name := range p.Gaps.strangers(p.areas, p.seen) {
			p.unexpected = append(p.unexpected, name)
			p.printf("FAIL %s: it is listed as a gap and there is no such case\n", name)
		}
	}
	total := &counts{reasons: map[string]int{}}
	for _, name := range slices.Sorted(maps.Keys(p.areas)) {
		c := p.areas[name]
		p.line(name, c)
		total.passed, total.failed = total.passed+c.passed, total.failed+c.failed
		total.skipped, total.known = total.skipped+c.skipped, total.known+c.known
	}
	p.line("all", total)
	if total.passed+total.failed+total.skipped == 0 {
		p.printf("no case was run\n")
		return false
	}
	if n := len(p.unexpected); n > 0 {
		p.printf("%d results are not as expected\n", n)
	}
	return len(p.unexpected) == 0
}

func (p *Report) line(name string, c *counts) {
	known := ""
	if c.known > 0 {
		known = fmt.Sprintf(" (%d known gaps)", c.known)
	}
	p.printf("%s: %d passed, %d failed, %d skipped%s\n", name, c.passed, c.failed, c.skipped, known)
	for _, reason := range slices.Sorted(maps.Keys(c.reasons)) {
		p.printf("  %d skipped: %s\n", c.reasons[reason], reason)
	}
}

func (p *Report) printf(format string, args ...any) {
	_, _ = fmt.Fprintf(p.out, format, args...) // a report that nobody reads is no failure
}
