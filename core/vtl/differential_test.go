package vtl

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// The reference engine is a program that reads vectors, one JSON object a line, and writes them with their output or
// error: Apache Velocity 1.7 behind a small driver. It is run where the environment names its command.
const (
	referenceEngine = "LIMEN_VELOCITY"
	referenceSeed   = "LIMEN_VELOCITY_SEED"
	referenceCount  = "LIMEN_VELOCITY_COUNT"
	// referenceRecord names a file that gets the lines that differ: they become cases in testdata/reference.jsonl.
	referenceRecord = "LIMEN_VELOCITY_RECORD"
	referenceKeep   = "LIMEN_VELOCITY_KEEP" // names of further lines to record, a regular expression
)

// accidental are outputs that depend on the Java machine: addresses, streams.
var accidental = regexp.MustCompile(`@[0-9a-f]{4,8}|java\.util\.stream|template:t line|(arr|blk|values\(\)|foreach|e)[}]?\.hashCode`)

func number(name string, byDefault int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return byDefault
}

func TestDifferential(t *testing.T) {
	command := os.Getenv(referenceEngine)
	if command == "" {
		t.Skipf("%s does not name the reference engine", referenceEngine)
	}
	seed, count := number(referenceSeed, 1), number(referenceCount, 2000)
	g := &generator{Rand: rand.New(rand.NewPCG(uint64(seed), 17))}
	var in bytes.Buffer
	for i := range count {
		profile := "apigw"
		if i%4 == 3 {
			profile = "stock"
		}
		v := NewMap(4)
		v.Put("name", StringValue(fmt.Sprintf("g%d-%d", seed, i)))
		v.Put("profile", StringValue(profile))
		v.Put("template", StringValue(g.template()))
		v.Put("body", StringValue(generatedBody))
		in.Write(append(AppendJSON(nil, MapValue(v)), '\n'))
	}
	run := exec.Command(command)
	run.Stdin = &in
	out, err := run.Output()
	if err != nil {
		t.Fatal(err)
	}
	keep, err := regexp.Compile(os.Getenv(referenceKeep))
	if err != nil {
		t.Fatal(err)
	}
	var record strings.Builder
	lines, differ, failed := 0, 0, 0
	for line := range strings.Lines(string(out)) {
		lines++
		x, err := readVector(line)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if x.Error != "" {
			failed++
		} else if accidental.MatchString(line) {
			continue
		}
		wrong := x.check()
		if wrong != "" || keep.String() != "" && keep.MatchString(x.Name) {
			record.WriteString(line)
		}
		if wrong != "" {
			differ++
			t.Errorf("%s %s\n\t%q\n\t%s", x.Name, x.Profile, strings.TrimPrefix(x.Template, prologue), wrong)
		}
	}
	if name := os.Getenv(referenceRecord); name != "" {
		if err = os.WriteFile(name, []byte(record.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d templates, %d fail in the reference engine, %d differ", lines, failed, differ)
}
