package vtl

import (
	"maps"
	"slices"
	"sync"
)

// Program is a compiled template. It is immutable and safe for concurrent use.
type Program struct {
	source  source
	options Options
	body    block
	macros  map[string]*macro
	symbols symbols
	loops   loopNames
	regexes regexCache
	// dynamic: #evaluate may add names and macros while rendering, so no name can be ruled out.
	dynamic bool
}

// Uses reports whether the program may look at a variable of this name: a host need not make what nobody asks for.
func (p *Program) Uses(name string) bool {
	_, ok := p.symbols.find(name)
	return ok || p.dynamic
}

// Members are the properties that the program may ask a variable for, and nothing else of it, some more than once; false if it
// may do more. So a host can make a part of what is large.
func (p *Program) Members(name string) ([]string, bool) {
	slot, ok := p.symbols.find(name)
	if p.dynamic || !ok {
		return nil, !p.dynamic
	}
	var names []string
	for e := p.symbols.all[slot].last; e != nil; e = e.former {
		if len(e.chain) == 0 || e.chain[0].kind != linkProperty {
			return nil, false
		}
		names = append(names, e.chain[0].name)
	}
	return names, true
}

// source is a text that places refer to. The text of a string literal lies within another: its places are the literal's.
type source struct {
	text   string
	within place
	once   sync.Once
	starts []int32 // of lines
}

// place is where something stands, for errors and the trace.
type place struct {
	source *source
	offset int32
}

// text is a part of the text.
func (p place) text(s span) string { return p.source.text[s.start:s.end] }

// position is the line and column in the outermost text.
func (p place) position() (line, column int) {
	for p.source.within.source != nil {
		p = p.source.within
	}
	s := p.source
	s.once.Do(func() {
		s.starts = append(s.starts, 0)
		for i := 0; i < len(s.text); i++ {
			if n := lineEnd(s.text[i:]); n > 0 {
				i += n - 1
				s.starts = append(s.starts, int32(i+1))
			}
		}
	})
	low, high := 0, len(s.starts)
	for high-low > 1 {
		if middle := (low + high) / 2; s.starts[middle] <= p.offset {
			low = middle
		} else {
			high = middle
		}
	}
	_, column = position(s.text[s.starts[low]:], int(p.offset-s.starts[low]))
	return low + 1, column
}

// symbols numbers the names of variables: a variable is a slot in an array.
type symbols struct {
	all   []symbol
	index map[string]int32 // nil while there are few
}

type symbol struct {
	name string
	// param: some macro uses the name for a parameter; only these are looked for in the calls under way.
	param bool
	last  *refExpr // of the references to it
}

// Few names are compared one by one.
const (
	symbolRoom      = 8
	symbolIndexFrom = 16
)

func (s *symbols) find(name string) (int32, bool) {
	if s.index != nil {
		i, ok := s.index[name]
		return i, ok
	}
	for i := range s.all {
		if s.all[i].name == name {
			return int32(i), true
		}
	}
	return 0, false
}

func (s *symbols) slot(name string) int32 {
	if i, ok := s.find(name); ok {
		return i
	}
	if s.all == nil {
		s.all = make([]symbol, 0, symbolRoom)
	}
	i := int32(len(s.all))
	s.all = append(s.all, symbol{name: name})
	if s.index != nil {
		s.index[name] = i
	} else if len(s.all) >= symbolIndexFrom {
		s.index = make(map[string]int32, 2*len(s.all))
		for i := range s.all {
			s.index[s.all[i].name] = int32(i)
		}
	}
	return i
}

// clone is a copy that can grow without touching the program's.
func (s *symbols) clone() symbols {
	c := symbols{all: slices.Clone(s.all), index: maps.Clone(s.index)}
	return c
}

// macro is a #macro definition.
type macro struct {
	name   string
	params []int32
	body   block
}

// block is a list of steps.
type block []step

// step is a statement: it prints or does something.
type step interface {
	render(r *renderer) error
}

// expression is what has a value.
type expression interface {
	value(r *renderer) (Value, error)
	// truth is what #if, !, && and || see; it is not the truth of the value (spec/vtl.md 4).
	truth(r *renderer) (bool, error)
}

func (b block) render(r *renderer) error {
	for _, s := range b {
		if r.steps--; r.steps < 0 {
			return r.exhausted()
		}
		if err := s.render(r); err != nil {
			return err
		}
	}
	return nil
}
