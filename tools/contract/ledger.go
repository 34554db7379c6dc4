package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"sort"

	"github.com/limen-gateway/limen/tools/internal/facts"
)

// ledger gives every member of every message its field number, once and for all: numbers are appended, never taken from
// the order in a model, never reused. Members that left a model keep their line, which reserves their number.
type ledger struct {
	path    string
	numbers map[string]map[string]int
}

func openLedger(path string) (*ledger, error) {
	l := &ledger{path, map[string]map[string]int{}}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err != nil {
		return nil, err
	}
	return l, json.Unmarshal(text, &l.numbers)
}

func (l *ledger) save() error { return facts.Write(l.path, l.numbers) }

func (l *ledger) number(message, member string) int {
	fields := l.numbers[message]
	if fields == nil {
		fields = map[string]int{}
		l.numbers[message] = fields
	}
	if n := fields[member]; n != 0 {
		return n
	}
	next := 1
	for _, n := range fields {
		next = max(next, n+1)
	}
	fields[member] = next
	return next
}

// reserved lists the members that the ledger knows and the message no longer has.
func (l *ledger) reserved(message string, live map[string]bool) (names []string, numbers []int) {
	for name := range l.numbers[message] {
		if !live[name] {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	for _, n := range names {
		numbers = append(numbers, l.numbers[message][n])
	}
	return names, numbers
}
