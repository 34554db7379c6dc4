package conformance

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Gap is a case that is known to fail.
type Gap struct{ Name, Missing, Step string }

// Gaps is the list of known gaps. It is exact: a listed case that passes makes a run fail like an unlisted one that fails,
// so that it only shrinks.
type Gaps struct{ byName map[string]Gap }

// ReadGaps reads a list: in each line a case, the missing behaviour, and the step or issue that will build it, with tabs
// between them. Lines that begin with # mean nothing.
func ReadGaps(path string) (*Gaps, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	g := &Gaps{map[string]Gap{}}
	number := 0
	for line := range strings.Lines(string(text)) {
		number++
		line = strings.TrimRight(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, "\t")
		if len(fields) != 3 || slices.Contains(fields, "") {
			return nil, fmt.Errorf("%s:%d: wants a case, what is missing and who builds it, with tabs between", path, number)
		}
		if _, twice := g.byName[fields[0]]; twice {
			return nil, fmt.Errorf("%s:%d: %s is listed twice", path, number, fields[0])
		}
		g.byName[fields[0]] = Gap{fields[0], fields[1], fields[2]}
	}
	return g, nil
}

func (g *Gaps) of(name string) (Gap, bool) {
	if g == nil {
		return Gap{}, false
	}
	gap, ok := g.byName[name]
	return gap, ok
}

// strangers are the listed names of these areas that no case has.
func (g *Gaps) strangers(areas map[string]*counts, seen map[string]bool) (out []string) {
	if g == nil {
		return nil
	}
	for name := range g.byName {
		area, _, _ := strings.Cut(name, "/")
		if areas[area] != nil && !seen[name] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
