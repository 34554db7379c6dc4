package regex

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// find marks every match of a pattern in a text, as Java's replaceAll with "<$0>" does.
func find(re *Regex, text string, steps int64) (string, error) {
	m := re.Matcher(text, &steps)
	var b strings.Builder
	copied := 0
	for from := 0; from <= len(text); {
		found, err := m.Find(from)
		if err != nil {
			return "", err
		}
		if !found {
			break
		}
		start, end := m.Registers()[0], m.Registers()[1]
		b.WriteString(text[copied:start] + "<" + text[start:end] + ">")
		copied, from = end, end
		if start == end {
			from++
			for from < len(text) && text[from]&0xC0 == 0x80 {
				from++
			}
		}
	}
	b.WriteString(text[copied:])
	return b.String(), nil
}

// gaps are the patterns that Java knows and this package does not.
var gaps = map[string]string{}

// TestPatterns runs what was recorded from java.util.regex; a pattern without "want" does not compile there.
func TestPatterns(t *testing.T) {
	file, err := os.ReadFile(filepath.Join("testdata", "patterns.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	failing := map[string]bool{}
	for line := range strings.Lines(string(file)) {
		var c struct {
			Pattern, Text string
			Want          *string
		}
		if err = json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		re, err := Compile(c.Pattern)
		got := ""
		if err == nil {
			got, err = find(re, c.Text, 1_000_000)
		}
		if (err == nil) == (c.Want != nil) && (c.Want == nil || got == *c.Want) {
			continue
		}
		failing[c.Pattern] = true
		if gaps[c.Pattern] == "" {
			want := "an error"
			if c.Want != nil {
				want = *c.Want
			}
			t.Errorf("%q in %q: got %q, %v, want %q", c.Pattern, c.Text, got, err, want)
		}
	}
	for pattern := range gaps {
		if !failing[pattern] {
			t.Errorf("%q is listed as a gap and passes", pattern)
		}
	}
}

func TestGroups(t *testing.T) {
	re, err := Compile(`(?<year>\d+)-(\d+)?`)
	if err != nil {
		t.Fatal(err)
	}
	steps := int64(1000)
	m := re.Matcher("in 2024-", &steps)
	if found, err := m.Find(0); !found || err != nil {
		t.Fatal(found, err)
	}
	if r := m.Registers(); re.Groups() != 2 || r[0] != 3 || r[1] != 8 || r[2] != 3 || r[3] != 7 || r[4] != -1 {
		t.Errorf("got %v", r)
	}
	if n, ok := re.Group("year"); n != 1 || !ok {
		t.Errorf("the group year is %d, %v", n, ok)
	}
	if _, ok := re.Plain(); ok {
		t.Error("the pattern is not plain text")
	}
	if matches, err := m.Matches(); matches || err != nil {
		t.Errorf("the whole text matches: %v, %v", matches, err)
	}
	if re, err = Compile("a.c"); err == nil {
		matches, _ := re.Matcher("abc", &steps).Matches()
		if !matches {
			t.Error("a.c does not match abc")
		}
	}
	if re, _ = Compile("abc"); re != nil {
		if text, ok := re.Plain(); text != "abc" || !ok {
			t.Errorf("abc is plain text, not %q, %v", text, ok)
		}
	}
}

func TestBounds(t *testing.T) {
	bombs := []string{`(a+)+b`, `(a|a)*b`, `(a*)*\1b`, `(?=(a+)+b)a`, `((a?){30}){30}b`, `(?:a{0,30}){30}b`}
	text := strings.Repeat("a", 40) + "!"
	for _, bomb := range bombs {
		re, err := Compile(bomb)
		if err != nil {
			t.Errorf("%s: %v", bomb, err)
			continue
		}
		if _, err = find(re, text, 200_000); !errors.Is(err, ErrSteps) {
			t.Errorf("%s: got %v", bomb, err)
		}
	}
	re, err := Compile(`(.|.)*z`)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = find(re, strings.Repeat("x", 1_000_000), 1<<40); !errors.Is(err, ErrSteps) {
		t.Errorf("the stack of a match is bounded, got %v", err)
	}
	for _, pattern := range []string{strings.Repeat("(", 5000) + strings.Repeat(")", 5000), strings.Repeat("[", 5000), strings.Repeat("a", 100_000)} {
		var e *SyntaxError
		if _, err := Compile(pattern); !errors.As(err, &e) || e.Error() == "" {
			t.Errorf("%.10s…: got %v, want an error", pattern, err)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, p := range []string{`a(b|c)*?d`, `[a-z&&[^aeiou]]+`, `(?<n>x)\k<n>`, `(?i)\bfoo\b`, `(?<=a{1,3})b`, `\p{Lu}\Q.*\E`} {
		f.Add(p, "abcdx foo AAAb")
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		re, err := Compile(pattern)
		if err != nil {
			return
		}
		if out, err := find(re, text, 50_000); err == nil && len(out) < len(text) {
			t.Errorf("%q in %q gives %q", pattern, text, out)
		}
	})
}

// TestECMA: where the dialect of JSON Schema differs from Java's. A pattern without "want" does not compile.
func TestECMA(t *testing.T) {
	file, err := os.ReadFile(filepath.Join("testdata", "ecma.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(file)) {
		var c struct {
			Name, Pattern, Text string
			Want                *string
		}
		if err = json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		re, err := CompileECMA(c.Pattern)
		if err != nil {
			if c.Want != nil {
				t.Errorf("%s: %v", c.Name, err)
			}
			continue
		}
		if got, err := find(re, c.Text, 1_000_000); c.Want == nil || err != nil || got != *c.Want {
			t.Errorf("%s: got %q, %v", c.Name, got, err)
		}
	}
}
