package main

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"github.com/limen-gateway/limen/tools/internal/facts"
)

// fold replaces an answer that equals a noun, member for member, by that noun; answers that equal each other and no noun
// become one noun named after their operations. So a noun has one form in the whole house.
func (c *converter) fold() {
	nouns := c.nouns()
	bySignature := map[string]string{}
	for _, n := range slices.Sorted(maps.Keys(nouns)) {
		bySignature[signature(c.out.Structures[n])] = n
	}
	answers := c.answers(nouns)
	groups := map[string][]string{}
	for _, a := range answers {
		groups[signature(c.out.Structures[a])] = append(groups[signature(c.out.Structures[a])], a)
	}
	renamed := map[string]string{}
	for _, a := range answers {
		if len(c.out.Structures[a].Members) == 0 {
			continue
		}
		sig := signature(c.out.Structures[a])
		target := bySignature[sig]
		if target == "" && len(groups[sig]) > 1 {
			target = nounName(a)
			if c.out.Structures[target] != nil {
				continue
			}
			c.out.Structures[target] = c.out.Structures[a]
			bySignature[sig] = target
		}
		if target != "" && target != a {
			renamed[a] = target
		}
	}
	for i, op := range c.out.Operations {
		if t := renamed[op.Output]; t != "" {
			c.out.Operations[i].Output = t
		}
	}
	for a := range renamed {
		delete(c.out.Structures, a)
	}
}

// nouns are the structures that other structures hold.
func (c *converter) nouns() map[string]bool {
	out := map[string]bool{}
	for _, s := range c.out.Structures {
		for _, m := range s.Members {
			if i := strings.Index(string(m.Type), "struct:"); i >= 0 {
				out[string(m.Type[i+len("struct:"):])] = true
			}
		}
	}
	return out
}

func (c *converter) answers(nouns map[string]bool) []string {
	set := map[string]bool{}
	for _, op := range c.out.Operations {
		if op.Output != "" && !nouns[op.Output] {
			set[op.Output] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

func signature(s *facts.Structure) string {
	var parts []string
	for _, m := range s.Members {
		parts = append(parts, fmt.Sprint(m.Name, " ", m.Wire, " ", m.Place, " ", m.Type))
	}
	sort.Strings(parts)
	return strings.Join(parts, "\n")
}

func nounName(answer string) string {
	name := strings.TrimSuffix(answer, "Response")
	for _, verb := range []string{"Create", "Get", "Update", "Put"} {
		name = strings.TrimPrefix(name, verb)
	}
	return name
}
