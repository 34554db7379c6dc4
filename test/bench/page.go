package main

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"text/template"
	"time"
)

// pageText is the page around the tables.
//
//go:embed page.md.tmpl
var pageText string

// page is what the text is filled with.
type page struct {
	Machine []fact
	Tables  string
	Seconds int
}

type fact struct{ Name, Value string }

// writePage writes the tables of a run that began then, and what they mean.
func (s *site) writePage(file string, begin time.Time) error {
	text, err := renderPage(page{
		Machine: s.machine(begin), Tables: strings.TrimSpace(s.out.String()),
		Seconds: int(time.Since(begin).Seconds()),
	})
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(text), 0o644)
}

func renderPage(p page) (string, error) {
	t, err := template.New("page").Option("missingkey=error").Parse(pageText)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, p)
	return b.String(), err
}

// machine is where the run took place, with what.
func (s *site) machine(begin time.Time) []fact {
	facts := []fact{
		{"date", begin.UTC().Format("2006-01-02 15:04 MST")},
		{"commit", commit()},
		{"processor", fmt.Sprintf("%s, %d cores", valueIn("/proc/cpuinfo", "model name"), runtime.NumCPU())},
		{"memory", valueIn("/proc/meminfo", "MemTotal")},
		{"kernel", firstLine(os.ReadFile("/proc/sys/kernel/osrelease"))},
		{"cores", fmt.Sprintf("%s for the measured program, %s for load and upstream", s.options.peerCPU, s.options.loadCPUs)},
		{"Go", runtime.Version()},
		{"gorilla/websocket", moduleVersion("github.com/gorilla/websocket")},
	}
	for _, tool := range [][]string{{"nginx", "-v"}, {"haproxy", "-v"}, {"varnishd", "-V"}, {"caddy", "version"}, {"wrk", "-v"}, {"h2load", "--version"}} {
		facts = append(facts, fact{tool[0], versionOf(tool[0], tool[1])})
	}
	return facts
}

// versionOf is the first line of what a program says of itself; some end with an error after that.
func versionOf(name, flag string) string {
	path, err := find(name, programs()[name])
	if err != nil {
		return "not on this machine"
	}
	text, _ := exec.Command(path, flag).CombinedOutput()
	return firstLine(text, nil)
}

func firstLine(text []byte, err error) string {
	if err != nil {
		return "unknown"
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return strings.TrimSpace(line)
}

// valueIn reads a line "name: value" of /proc.
func valueIn(file, name string) string {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "unknown"
}

// commit is that of the checkout.
func commit() string {
	text, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	return firstLine(text, err)
}
