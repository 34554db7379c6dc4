package conformance

import (
	"cmp"
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// unjudged are what a case says about itself, and the members of cases without steps.
var unjudged = []string{
	"Case.name", "Case.what", "Case.origin", "Case.recorded", "Case.evidence", "Case.needs", "Case.input", "Case.expect", "Case.engines",
	"Case.disputed", "Case.expectByVersion", "Backend.describe",
}

// places name the members of forms that have several uses, by where the form stands.
var places = map[string]string{
	"Request.body": "sent", "Entry.send": "send", "Expectation.body": "body", "Entry.receive": "receive",
	"Expectation.lambdaEvent": "lambdaEvent", "Entry.lambdaEvent": "lambdaEvent", "Expectation.lambdaEvents": "lambdaEvents", "Entry.lambdaEvents": "lambdaEvents",
}

// used are the members that these forms have there.
var used = map[string][]string{
	"sent":         {"json", "text", "base64"},
	"send":         {"json", "text", "base64", "$repeat", "frames"},
	"body":         {"json", "text", "base64", "contains"},
	"receive":      {"json", "text", "base64", "contains"},
	"lambdaEvent":  {"backend", "which", "checks", "absent"},
	"lambdaEvents": {"backend", "where", "count", "collect", "equals", "checks", "absent"},
}

// wanted are the forms whose members are what a case expects, but for those that say where to look or what to do.
var (
	wanted   = []string{"Expectation", "ErrorAnswer", "Check", "Entry", "lambdaEvent", "lambdaEvents"}
	unwanted = []string{
		"Check.path", "Check.literalKey", "Check.ignoreKeyCase", "Entry.expectOpen", "Entry.send", "Entry.close",
		"lambdaEvent.backend", "lambdaEvent.which", "lambdaEvents.backend", "lambdaEvents.where", "lambdaEvents.collect",
	}
)

// formatMembers are those of the format that are judged.
func formatMembers() (names []string) {
	for _, form := range []any{Case{}, Backend{}, Step{}, Save{}, Repeat{}, Request{}, Socket{}, Entry{}, Expectation{}, ErrorAnswer{}, Check{}} {
		f := reflect.TypeOf(form)
		for i := range f.NumField() {
			names = append(names, f.Name()+"."+f.Field(i).Tag.Get("json"))
		}
	}
	for place, list := range used {
		for _, name := range list {
			names = append(names, place+"."+name)
		}
	}
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(unjudged, name) })
}

// TestEveryMemberIsProven takes each member out of each proof, as if the runner had forgotten to read it. For each member of
// the format a verdict must change: without what it expects a case passes with a wrong answer, and still with the right
// ones; without anything else it fails with those.
func TestEveryMemberIsProven(t *testing.T) {
	var proven sync.Map
	var group sync.WaitGroup
	free := make(chan struct{}, 32) // most of them wait for what never comes
	for _, p := range proofs(t) {
		for n := range countMembers(t, p.Case) {
			c := caseOf(t, p.Case)
			name := without(c, n)
			group.Go(func() {
				free <- struct{}{}
				defer func() { <-free }()
				if _, known := proven.Load(name); !known && p.noticesLossIn(t, c, name) {
					proven.Store(name, true)
				}
			})
		}
	}
	group.Wait()
	for _, name := range formatMembers() {
		if _, ok := proven.Load(name); !ok {
			t.Errorf("%s may be forgotten: no proof notices", name)
		}
	}
}

// noticesLossIn tells whether a proof's verdicts change when its case has lost a member.
func (p *proof) noticesLossIn(t *testing.T, c *Case, name string) bool {
	passes := func(answers map[string]scripted, eventually time.Duration) bool {
		verdict, _ := suiteOf(t, answers, eventually).judge(context.Background(), c)
		return verdict == Passed
	}
	if c.valid() != nil {
		return true
	}
	of, _, _ := strings.Cut(name, ".")
	if !slices.Contains(wanted, of) || slices.Contains(unwanted, name) {
		return !passes(p.Answers, soon)
	}
	return passes(p.Answers, 0) && slices.ContainsFunc(p.Red, func(red map[string]scripted) bool { return passes(changed(p.Answers, red), 5*soon) })
}

func caseOf(t *testing.T, text json.RawMessage) *Case {
	t.Helper()
	c, err := readCase(text)
	if err != nil {
		t.Fatal(err)
	}
	return &c
}

func countMembers(t *testing.T, text json.RawMessage) int {
	w := &walk{drop: -1}
	w.value(reflect.ValueOf(caseOf(t, text)).Elem())
	return w.seen
}

// without takes the n-th member out of a case, with what has no sense without it, and returns its name.
func without(c *Case, n int) string {
	w := &walk{drop: n}
	w.value(reflect.ValueOf(c).Elem())
	return w.dropped
}

// walk goes through the members that a case has.
type walk struct {
	seen, drop int
	dropped    string
	place      string // of the form that is walked through
}

func (w *walk) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() && !f.IsZero() {
				w.member(f, w.form(v)+"."+v.Type().Field(i).Tag.Get("json"))
			}
		}
	case reflect.Pointer:
		if w.value(v.Elem()); w.dropped != "" && senseless(v.Elem()) {
			v.SetZero()
		}
	case reflect.Slice:
		kept := reflect.MakeSlice(v.Type(), 0, v.Len())
		for i := range v.Len() {
			if w.value(v.Index(i)); w.dropped == "" || !senseless(v.Index(i)) {
				kept = reflect.Append(kept, v.Index(i))
			}
		}
		v.Set(kept)
	case reflect.Map:
		for _, k := range slices.SortedFunc(slices.Values(v.MapKeys()), func(a, b reflect.Value) int { return cmp.Compare(a.String(), b.String()) }) {
			x := reflect.New(v.Type().Elem()).Elem()
			x.Set(v.MapIndex(k))
			w.value(x)
			v.SetMapIndex(k, x)
		}
	}
}

func (w *walk) member(f reflect.Value, name string) {
	if w.seen++; w.seen-1 == w.drop {
		w.dropped = name
		f.SetZero()
		return
	}
	outer := w.place
	w.place = places[name]
	w.value(f)
	w.place = outer
}

func (w *walk) form(v reflect.Value) string {
	switch v.Interface().(type) {
	case Bytes, EventCheck:
		return w.place
	}
	return v.Type().Name()
}

// senseless are what looks at nothing.
func senseless(v reflect.Value) bool {
	switch x := v.Interface().(type) {
	case Entry:
		return v.IsZero()
	case Check:
		return x.Equals == nil && x.EqualsUnordered == nil && x.Contains == nil && x.Matches == nil && x.Not == nil
	case EventCheck:
		return x.Count == nil && x.Equals == nil && len(x.Checks)+len(x.Absent) == 0
	}
	return false
}

// placeholders are those of the format; {{r1}} and {{item.id}} are of the proof own/saved.
var placeholders = []string{
	"{{s0.id}}", "{{r1}}", "{{item.id}}", "{{upper:r1}}", "{{region}}", "{{account}}", "{{role}}", "{{backend.f.arn}}", "{{backend.h.url}}", "{{backend.b.name}}",
	"{{backend.oidc.token aud=test sub=u}}", "{{connection}}", "${", "<<any>>", "<<datetime>>", "<<id>>",
}

func TestEveryPlaceholderIsProven(t *testing.T) {
	var all strings.Builder
	for _, p := range proofs(t) {
		all.Write(p.Case)
	}
	for _, p := range placeholders {
		if !strings.Contains(all.String(), p) {
			t.Errorf("%s is in no proof", p)
		}
	}
}
