package vtl

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// velocityJars are where Debian's velocity and libjson-smart-java put their classes.
var velocityJars = []string{"velocity-1.7.jar", "commons-lang-2.6.jar", "commons-collections3-3.2.2.jar", "json-smart.jar", "accessors-smart.jar", "asm.jar"}

// velocity is a program of testdata/oracle on the reference engine, Apache Velocity 1.7. Where there is no such engine the
// test fails if the comparison was asked for, and is skipped if not.
func velocity(t testing.TB, program string, options ...string) *exec.Cmd {
	t.Helper()
	const missing = "NO ORACLE: Apache Velocity 1.7 is not here to compare with; make oracles brings it"
	giveUp := t.Skip
	if os.Getenv(differentialCount) != "" {
		giveUp = t.Fatal
	}
	classes := t.TempDir()
	path := []string{classes}
	for _, jar := range velocityJars {
		found, _ := filepath.Glob(filepath.Join("/usr/share/java", jar))
		if found == nil {
			giveUp(missing)
		}
		path = append(path, found...)
	}
	sources, err := filepath.Glob(filepath.Join("testdata", "oracle", "*.java"))
	if err != nil {
		t.Fatal(err)
	}
	classPath := strings.Join(path, ":")
	out, err := exec.Command("javac", append([]string{"-nowarn", "-encoding", "UTF-8", "-cp", classPath, "-d", classes}, sources...)...).CombinedOutput()
	if err != nil {
		giveUp(missing, err, string(out))
	}
	return exec.Command("java", append(options, "-Dfile.encoding=UTF-8", "-cp", classPath, program)...)
}

// stopwatch asks Bench for times.
type stopwatch struct {
	in  io.Writer
	out *bufio.Reader
}

func newStopwatch(b *testing.B) *stopwatch {
	b.Helper()
	cmd := velocity(b, "Bench", "-Xmx1g")
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
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	return &stopwatch{in, bufio.NewReader(out)}
}

func (s *stopwatch) time(b *testing.B, what, file string, d time.Duration) time.Duration {
	b.Helper()
	fmt.Fprintln(s.in, what, file, d.Milliseconds())
	line, err := s.out.ReadString('\n')
	if err != nil {
		b.Fatal(err)
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

// BenchmarkVelocity takes turns with the reference engine, so that both meet the same noise, and compares the best of each.
// Its ns/op are ours; "times" is how often faster that is. The heap has the size of a server's, so that collections are as
// rare as there; the reference engine may use a gigabyte.
func BenchmarkVelocity(b *testing.B) {
	const rounds, turn, warmUp = 12, 50 * time.Millisecond, 1500 * time.Millisecond
	java := newStopwatch(b)
	heap := make([]byte, 64<<20)
	defer runtime.KeepAlive(heap)
	for _, x := range perfVectors(b) {
		program, err := CompileText(x.Template, Options{})
		if err != nil {
			b.Fatal(err)
		}
		runs := map[string]func(){
			"compile": func() { _, _ = CompileText(x.Template, Options{}) },
			"render":  func() { _, _ = program.Render(x.variables(program.Uses), Limits{}, nil) },
		}
		for _, what := range []string{"compile", "render"} {
			b.Run(what+"/"+x.Name, func(b *testing.B) {
				file := filepath.Join("testdata", "perf", x.Name+".json")
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
