package vtl

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// How many generated templates are compared with the reference engine, from which seed, and the name of a file that gets
// the lines that differ: they become cases in testdata/reference.jsonl.
const (
	differentialCount  = "LIMEN_DIFFERENTIAL"
	differentialSeed   = "LIMEN_DIFFERENTIAL_SEED"
	differentialRecord = "LIMEN_DIFFERENTIAL_RECORD"
)

// accidental are outputs that depend on the Java machine: addresses, hashes of what has no content, streams.
var accidental = regexp.MustCompile(`@[0-9a-f]{4,8}|java\.util\.stream|template:t line|(arr|blk|values\(\)|foreach|e|class)[}]?\.hashCode|#define\(\$[xy]\).*\$!?{?[xy]}?\.hashCode`)

func number(name string, byDefault int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return byDefault
}

// generated is the case i of a seed, as a line for the reference engine.
func generated(seed, i int) []byte {
	g := &generator{Rand: rand.New(rand.NewPCG(uint64(seed), uint64(i)))}
	profile := "apigw"
	if i%4 == 3 {
		profile = "stock"
	}
	v := NewMap(4)
	v.Put("name", StringValue(fmt.Sprintf("g%d-%d", seed, i)))
	v.Put("profile", StringValue(profile))
	v.Put("template", StringValue(g.template()))
	v.Put("body", StringValue(generatedBody))
	return append(AppendJSON(nil, MapValue(v)), '\n')
}

// noOracle is the status of run.sh where there is no reference engine.
const noOracle = 69

// TestDifferential renders generated templates with both engines and compares. Where there is no reference engine it fails if the
// comparison was asked for, and is skipped if not.
func TestDifferential(t *testing.T) {
	run := exec.Command("sh", filepath.Join("testdata", "oracle", "run.sh"), "Render", "-XX:+UseParallelGC", "-Xmx1g")
	seed, count := number(differentialSeed, 1), number(differentialCount, 300)
	in, err := run.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var problems strings.Builder
	run.Stderr = &problems
	if err = run.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer in.Close()
		for i := range count {
			if _, err := in.Write(generated(seed, i)); err != nil {
				return
			}
		}
	}()
	var record strings.Builder
	compared, differ, failed := 0, 0, 0
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<26)
	for lines.Scan() {
		line := lines.Text()
		x, err := readVector(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if accidental.MatchString(line) || x.Error == "memory" || x.Output != nil && len(*x.Output) > DefaultOutput {
			continue
		}
		compared++
		if x.Error != "" {
			failed++
		}
		if wrong := x.check(); wrong != "" {
			differ++
			record.WriteString(line + "\n")
			t.Errorf("%s %s\n\t%q\n\t%s", x.Name, x.Profile, strings.TrimPrefix(x.Template, prologue), wrong)
		}
	}
	if err = run.Wait(); err != nil {
		if run.ProcessState.ExitCode() == noOracle && os.Getenv(differentialCount) == "" {
			t.Skip(problems.String())
		}
		t.Fatal(err, problems.String())
	}
	if name := os.Getenv(differentialRecord); name != "" {
		if err = os.WriteFile(name, []byte(record.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d generated templates, %d of them compared (the others print addresses or are too much), %d fail in both, %d differ", count, compared, failed, differ)
}
