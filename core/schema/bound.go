package schema

import (
	"slices"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// graph is the schemas that a model reaches.
type graph struct {
	order []*jsonschema.Schema
	seen  map[*jsonschema.Schema]bool
}

func collect(root *jsonschema.Schema) *graph {
	g := &graph{seen: map[*jsonschema.Schema]bool{}}
	g.add(root)
	for i := 0; i < len(g.order); i++ {
		s := g.order[i]
		for _, sub := range inPlace(s) {
			g.add(sub)
		}
		for _, subs := range inside(s) {
			for _, sub := range subs {
				g.add(sub)
			}
		}
	}
	return g
}

func (g *graph) add(s *jsonschema.Schema) {
	if !g.seen[s] {
		g.seen[s] = true
		g.order = append(g.order, s)
	}
}

// inPlace are the schemas that judge the same value as s does.
func inPlace(s *jsonschema.Schema) []*jsonschema.Schema {
	out := slices.Concat(s.AllOf, s.AnyOf, s.OneOf)
	for _, sub := range []*jsonschema.Schema{s.Ref, s.Not} {
		if sub != nil {
			out = append(out, sub)
		}
	}
	for _, d := range s.Dependencies {
		if sub, ok := d.(*jsonschema.Schema); ok {
			out = append(out, sub)
		}
	}
	return out
}

// inside are the alternatives for what judges one value inside of the one that s judges.
func inside(s *jsonschema.Schema) [][]*jsonschema.Schema {
	var patterns []*jsonschema.Schema
	for _, sub := range s.PatternProperties {
		patterns = append(patterns, sub)
	}
	out := [][]*jsonschema.Schema{patterns}
	for _, sub := range s.Properties {
		out = append(out, append([]*jsonschema.Schema{sub}, patterns...))
	}
	for _, other := range []any{s.AdditionalProperties, s.AdditionalItems, s.Items} {
		switch other := other.(type) {
		case *jsonschema.Schema:
			out = append(out, []*jsonschema.Schema{other})
		case []*jsonschema.Schema:
			for _, sub := range other {
				out = append(out, []*jsonschema.Schema{sub})
			}
		}
	}
	return out
}

// loop is a schema that judges a value by judging it by itself; nil when there is none.
func (g *graph) loop() *jsonschema.Schema {
	const entered, left = 1, 2
	state := map[*jsonschema.Schema]int{}
	var visit func(s *jsonschema.Schema) *jsonschema.Schema
	visit = func(s *jsonschema.Schema) *jsonschema.Schema {
		if state[s] != 0 {
			if state[s] == entered {
				return s
			}
			return nil
		}
		state[s] = entered
		for _, sub := range inPlace(s) {
			if found := visit(sub); found != nil {
				return found
			}
		}
		state[s] = left
		return nil
	}
	for _, s := range g.order {
		if found := visit(s); found != nil {
			return found
		}
	}
	return nil
}

// bound is how often one value of a body can be judged, by the depth of the body. A schema that applies itself twice to what is
// inside makes that grow exponentially: the last entry is the first that is too much, and holds for all greater depths.
type bound []float64

const (
	maxJudgements = 1e4 // of one value
	maxWork       = 5e7 // judgements of a whole body
)

// allows reports whether a body of this depth and length can be judged in acceptable time. A value takes two bytes at least.
func (b bound) allows(depth, length int) bool {
	times := b[min(depth, len(b)-1)]
	return times <= maxJudgements && times*float64(length/2) <= maxWork
}

// bound follows the worst way down: times[s] is how often values at the bottom are judged when s judges one depth levels up.
func (g *graph) bound(root *jsonschema.Schema) bound {
	below := map[*jsonschema.Schema]float64{}
	var out bound
	for depth := 0; depth <= maxDepth; depth++ {
		times := make(map[*jsonschema.Schema]float64, len(g.order))
		for _, s := range g.order {
			g.times(s, depth, times, below)
		}
		out = append(out, max(times[root], 1))
		if times[root] > maxJudgements || depth > 0 && settled(times, below) {
			break
		}
		below = times
	}
	return out
}

func (g *graph) times(s *jsonschema.Schema, depth int, times, below map[*jsonschema.Schema]float64) float64 {
	if n, ok := times[s]; ok {
		return n
	}
	n := 1.0
	if depth > 0 {
		n = worst(s, below)
	}
	for _, sub := range inPlace(s) {
		n += g.times(sub, depth, times, below)
	}
	times[s] = min(n, 10*maxJudgements)
	return times[s]
}

func worst(s *jsonschema.Schema, below map[*jsonschema.Schema]float64) float64 {
	most := 0.0
	for _, subs := range inside(s) {
		sum := 0.0
		for _, sub := range subs {
			sum += below[sub]
		}
		most = max(most, sum)
	}
	return most
}

// settled: when nothing changes from one depth to the next, nothing changes any more.
func settled(a, b map[*jsonschema.Schema]float64) bool {
	for s, n := range a {
		if b[s] != n {
			return false
		}
	}
	return true
}
