package jsonpath

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// oracleJars are where Debian's libjsonpath-java puts its classes.
const oracleJars = "/usr/share/java/json-path.jar:/usr/share/java/json-smart.jar:/usr/share/java/accessors-smart.jar:/usr/share/java/asm.jar:/usr/share/java/slf4j-api.jar:/usr/share/java/slf4j-nop.jar"

// How many generated paths are compared, and from which seed.
const (
	differentialCount = "LIMEN_DIFFERENTIAL"
	differentialSeed  = "LIMEN_DIFFERENTIAL_SEED"
)

func number(name string, byDefault int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return byDefault
}

// askOracle runs Jayway's JsonPath on pairs of path and document.
func askOracle(t *testing.T, questions [][2]string) []string {
	t.Helper()
	giveUp := t.Skip
	if os.Getenv(differentialCount) != "" {
		giveUp = t.Fatal
	}
	jars, _ := filepath.Glob("/usr/share/java/json-path.jar")
	if _, err := exec.LookPath("java"); err != nil || len(jars) == 0 {
		giveUp("NO ORACLE: Jayway's JsonPath is not here to compare with; make oracles brings it")
	}
	var in, out, problems bytes.Buffer
	for _, q := range questions {
		fmt.Fprintf(&in, "%s\t%s\n", q[0], q[1])
	}
	cmd := exec.Command("java", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-cp", oracleJars, filepath.Join("testdata", "oracle", "Oracle.java"))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &in, &out, &problems
	if err := cmd.Run(); err != nil {
		giveUp("NO ORACLE: the driver does not run here: ", err, problems.String())
	}
	answers := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(answers) != len(questions) {
		t.Fatalf("%d answers to %d questions", len(answers), len(questions))
	}
	return answers
}

// TestOracle compares generated paths on generated documents with Debian's version 2.0 of the library. What later versions
// changed, and this package with them, is not generated: functions, negative indexes, new operators, !, and paths that only
// a lenient parser takes.
func TestOracle(t *testing.T) {
	random := rand.New(rand.NewPCG(uint64(number(differentialSeed, 7)), 11))
	questions := make([][2]string, number(differentialCount, 3000))
	for i := range questions {
		questions[i] = [2]string{randomPath(random), randomContainer(random)}
	}
	same, later, differ := 0, 0, 0
	for i, answer := range askOracle(t, questions) {
		path, document := questions[i][0], questions[i][1]
		want, _, _ := strings.Cut(answer, "\t")
		got := ask(t, path, document)
		switch {
		case got == want:
			same++
		case changedSince2(path, document, got, want):
			later++
		default:
			differ++
			t.Errorf("%s on %s:\n got %s\nwant %s", path, document, got, want)
		}
	}
	t.Logf("%d generated paths: %d the same, %d as later versions of the library have it, %d differ", len(questions), same, later, differ)
}

// changedSince2: version 2.0 takes more for an error. It refuses several names before the end of a path, and not finding
// something behind a wildcard or deep scan, or ends there with what it has found; it lets a definite beginning lead nowhere when a scan follows; and its filters
// order null and booleans and take null for what is not there.
func changedSince2(path, document, got, want string) bool {
	if want[0] == 'E' || want == "V[]" && got == "Epath-not-found" {
		return true
	}
	if strings.HasPrefix(got, strings.TrimSuffix(want, "]")) && (strings.Contains(path, "*") || strings.Contains(path, "..")) {
		return true
	}
	_, filter, ok := strings.Cut(path, "?")
	// A path from the root, in a filter, mostly leads nowhere.
	return ok && (strings.Contains(document, "null") || strings.Contains(document, "e") || strings.Contains(filter, "$"))
}

func ask(t *testing.T, path, document string) string {
	t.Helper()
	doc, err := ParseJSON(document)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Compile(path)
	if err != nil {
		return "E" + wireName(err)
	}
	v, err := p.Eval(doc)
	if err != nil {
		return "E" + wireName(err)
	}
	return "V" + v.String()
}

// TestOraclePrints compares how values print: numbers of every form, strings with every kind of escape, nested things.
func TestOraclePrints(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 5))
	var questions [][2]string
	for range 3000 {
		questions = append(questions, [2]string{"$", "[" + randomNumber(random) + "," + randomString(random) + "," + randomDocument(random, 3) + "]"})
		questions = append(questions, [2]string{"$.o", `{"o":{"k":` + randomDocument(random, 3) + "}}"})
	}
	for i, answer := range askOracle(t, questions) {
		parts := strings.SplitN(answer, "\t", 3)
		doc, err := ParseJSON(questions[i][1])
		if err != nil {
			t.Fatal(err)
		}
		v := doc
		if questions[i][0] != "$" {
			v = doc.Get("o")
		}
		printed := strings.NewReplacer("\n", `\n`, "\t", `\t`, "\r", `\r`).Replace(string(v.AppendPrinted(nil)))
		for at, got := range []string{"V" + v.String(), "W" + string(v.AppendJSON(nil, Web)), "P" + printed} {
			if got != parts[at] {
				t.Errorf("%s:\n got %s\nwant %s", questions[i][1], got, parts[at])
			}
		}
	}
}

func pick(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

func randomNumber(r *rand.Rand) string {
	switch r.IntN(6) {
	case 0:
		return fmt.Sprint(r.IntN(4))
	case 1:
		return fmt.Sprint(int64(r.Uint64()))
	case 2:
		return fmt.Sprintf("%d.%d", r.IntN(30), r.IntN(1000))
	case 3:
		return fmt.Sprintf("%d.%de%d", r.IntN(10), r.IntN(100), r.IntN(40)-20)
	case 4:
		return fmt.Sprintf("-%d.%018d", r.IntN(10), r.Int64N(1e18))
	}
	return fmt.Sprintf("%d%d", r.Uint64(), r.Uint64())
}

func randomString(r *rand.Rand) string {
	var b strings.Builder
	for range r.IntN(4) {
		b.WriteString(pick(r, "a", "b", "1", "/", `\"`, `\\`, `\n`, `\u0001`, "é", "☃", `\u2028`, `\u007f`, "\u0085", "😀", "<", "'", `\b`, `\f`, `\r`, `\t`))
	}
	return `"` + b.String() + `"`
}

// randomContainer: the library takes nothing else for a document.
func randomContainer(r *rand.Rand) string {
	for {
		if d := randomDocument(r, 4); d[0] == '{' || d[0] == '[' {
			return d
		}
	}
}

func randomDocument(r *rand.Rand, depth int) string {
	n := 10
	if depth == 0 {
		n = 6
	}
	switch r.IntN(n) {
	case 0:
		return pick(r, "true", "false")
	case 1:
		return "null"
	case 2, 3:
		return randomNumber(r)
	case 4, 5:
		return pick(r, `"a"`, `"b"`, `"1"`, `""`, `"2.5"`)
	case 6, 7:
		var items []string
		for range r.IntN(4) {
			items = append(items, randomDocument(r, depth-1))
		}
		return "[" + strings.Join(items, ",") + "]"
	}
	var members []string
	for _, k := range []string{"a", "b", "c", "d"} {
		if r.IntN(3) > 0 {
			members = append(members, `"`+k+`":`+randomDocument(r, depth-1))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func randomPath(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString("$")
	for range r.IntN(4) {
		b.WriteString(randomStep(r))
	}
	return b.String()
}

func randomStep(r *rand.Rand) string {
	name := pick(r, "a", "b", "c", "d")
	switch r.IntN(12) {
	case 0, 1, 2:
		return "." + name
	case 3:
		return "['" + name + "']"
	case 4:
		return pick(r, "[0]", "[1]", "[2]", "[0,1]", "[1,0]")
	case 5:
		return pick(r, "[1:]", "[:2]", "[0:1]", "[-1:]", "[:-1]", "[1:3]")
	case 6:
		return pick(r, ".*", "[*]")
	case 7:
		return ".." + name
	case 8:
		return pick(r, "..*", "..[0]", "..[1:]", "..['a']")
	case 9:
		return "['" + name + "','" + pick(r, "a", "b", "x") + "']"
	}
	return "[?(" + randomFilter(r) + ")]"
}

func randomFilter(r *rand.Rand) string {
	left := pick(r, "@", "@.a", "@.b", "@.c", "@.a.b", "@['d']", "@[0]", "@.*", "@..a")
	relation := left
	if r.IntN(4) > 0 {
		if r.IntN(2) == 0 {
			relation += " == " + pick(r, "1", "2.5", "'a'", "'1'", "true", "null", "$.a", "''")
		} else {
			relation += " " + pick(r, "<", "<=", ">", ">=") + " " + pick(r, "1", "2", "2.5", "'a'", "'1'", "$.a", "''")
		}
	}
	if r.IntN(5) == 0 {
		relation += pick(r, " && ", " || ") + "@." + pick(r, "a", "b")
	}
	return relation
}
