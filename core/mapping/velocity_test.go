package mapping

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// noOracle is the status of run.sh where there is no reference engine.
const noOracle = 69

// stopwatch asks Bench for times.
type stopwatch struct {
	in  io.Writer
	out *bufio.Reader
}

func newStopwatch(b *testing.B) *stopwatch {
	b.Helper()
	cmd := exec.Command("sh", filepath.Join("..", "vtl", "testdata", "oracle", "run.sh"), "Bench", "-Xmx1g")
	var problems strings.Builder
	cmd.Stderr = &problems
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err = cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		switch err := cmd.Wait(); {
		case cmd.ProcessState.ExitCode() == noOracle:
			b.Log(problems.String())
		case err != nil:
			b.Error(err, problems.String())
		}
	})
	return &stopwatch{in, bufio.NewReader(out)}
}

func (s *stopwatch) time(b *testing.B, what, file string, d time.Duration) time.Duration {
	b.Helper()
	fmt.Fprintln(s.in, what, file, d.Milliseconds())
	line, err := s.out.ReadString('\n')
	if err != nil {
		b.Skip("the reference engine does not answer")
	}
	ns, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(ns)
}

// timed is how long one run takes, of as many as fit the duration.
func timed(run func(), d time.Duration) time.Duration {
	for batch := 1; ; batch *= 2 {
		start := time.Now()
		for range batch {
			run()
		}
		if took := time.Since(start); took >= d/2 {
			return took / time.Duration(batch)
		}
	}
}

// BenchmarkVelocity compiles and renders the larger templates of core/vtl as the gateway does, with the service's objects, the
// parsing of the payload included; the reference engine does the same with objects of its own. It takes turns with that, so that both meet the same noise, and compares the best of each.
// Its ns/op are ours; "times" is how often faster that is. The heap has the size of a server's, so that collections are as
// rare as there; the reference engine may use a gigabyte.
func BenchmarkVelocity(b *testing.B) {
	const rounds, turn, warmUp = 12, 50 * time.Millisecond, 1500 * time.Millisecond
	java := newStopwatch(b)
	heap := make([]byte, 64<<20)
	defer runtime.KeepAlive(heap)
	all := perfVectors(b)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		v := all[name]
		text, body, in := v.Get("template").Text(), v.Get("body").Text(), requestOf(v)
		template := compiled(b, text)
		runs := map[string]func(){
			"compile": func() { _, _ = Compile("application/json", text) },
			"render":  func() { _, _ = template.Render(in, body, &State{}) },
		}
		for _, what := range []string{"compile", "render"} {
			b.Run(what+"/"+name, func(b *testing.B) {
				file := filepath.Join("..", "vtl", "testdata", "perf", name+".json")
				java.time(b, what, file, warmUp)
				ours, theirs := time.Hour, time.Hour
				for range rounds {
					ours = min(ours, timed(runs[what], turn))
					theirs = min(theirs, java.time(b, what, file, turn))
				}
				b.ReportMetric(float64(ours), "ns/op")
				b.ReportMetric(float64(theirs), "velocity-ns/op")
				b.ReportMetric(float64(theirs)/float64(ours), "times")
			})
		}
	}
}
