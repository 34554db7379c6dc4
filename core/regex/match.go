package regex

import (
	"slices"
	"unicode"
	"unicode/utf8"
)

// Matcher applies a Regex to one text, and after Reset to another. It is not safe for concurrent use.
type Matcher struct {
	re    *Regex
	text  string
	steps *int64
	last  int   // the end of the last match, for \G
	regs  []int // start and end of each group, -1 for one that took no part
	count []loop
	stack []choicePoint
	whole bool
}

// loop is a counter of a repetition, and where its last turn began.
type loop struct{ turns, from int }

// choicePoint is where to go on when the present way fails, or what to put back before looking further.
type choicePoint struct {
	undo     undo
	pc, pos  int
	low      int // of undoSets: the position below which nothing may be given back
	register int
	loop     loop
}

type undo uint8

const (
	tryAt undo = iota
	undoRegister
	undoLoop
	giveBack // a repetition of single characters has one fewer
	takeMore // … or one more
)

// Matcher makes a matcher that takes its steps from *steps.
func (re *Regex) Matcher(text string, steps *int64) *Matcher {
	m := &Matcher{}
	m.Reset(re, text, steps)
	return m
}

// Reset makes the matcher one of another pattern and text; it keeps its memory.
func (m *Matcher) Reset(re *Regex, text string, steps *int64) {
	m.re, m.text, m.steps, m.last = re, text, steps, 0
	m.regs = slices.Grow(m.regs[:0], 2*re.groups+2)[:2*re.groups+2]
	m.count = slices.Grow(m.count[:0], re.counters)[:re.counters]
	clear(m.count)
	if cap(m.stack) > keptStack {
		m.stack = nil
	}
}

// Forget lets go of the pattern and the text.
func (m *Matcher) Forget() { m.re, m.text, m.steps = nil, "", nil }

// keptStack is how large a stack may be to be kept for the next match.
const keptStack = 4096

// Registers are the starts and ends of the groups of the last match, -1 for a group that took no part.
func (m *Matcher) Registers() []int { return m.regs }

// Find looks for the next match from a position on.
func (m *Matcher) Find(from int) (bool, error) {
	m.whole = false
	if m.re.span != nil {
		return m.findSpan(from)
	}
	for at := from; at <= len(m.text); {
		if m.re.first != nil {
			if at = m.candidate(at); at < 0 {
				break
			}
		}
		ok, err := m.at(at)
		if err != nil {
			return false, err
		}
		if ok {
			m.last = m.regs[1]
			return true, nil
		}
		if at >= len(m.text) {
			break
		}
		_, n := m.decode(at)
		if n == 2*halfLength {
			n = halfLength
		}
		at += n
	}
	return false, nil
}

// candidate is the next position at which a match may begin; -1 when there is none.
func (m *Matcher) candidate(from int) int {
	at := m.re.first.skip(m.text, from)
	*m.steps -= int64(at-from) >> 2
	if at == len(m.text) {
		return -1
	}
	return at
}

// Matches reports whether the whole text matches.
func (m *Matcher) Matches() (bool, error) {
	m.whole = true
	return m.at(0)
}

// at looks for a match that begins at a position.
func (m *Matcher) at(start int) (bool, error) {
	for i := range m.regs {
		m.regs[i] = -1
	}
	m.stack = m.stack[:0]
	m.regs[0] = start
	end, ok := m.run(0, start, -1)
	if *m.steps < 0 {
		return false, ErrSteps
	}
	if ok {
		m.regs[1] = end
	}
	return ok, nil
}

// findSpan is Find for a pattern that is one or more characters of a set.
func (m *Matcher) findSpan(from int) (bool, error) {
	start := m.re.span.skip(m.text, from)
	if start >= len(m.text) {
		*m.steps -= int64(len(m.text)-from) >> 2
		return false, nil
	}
	end, _ := m.re.span.run(m.text, start, -1)
	if *m.steps -= 2 + int64(end-from)>>2; *m.steps < 0 {
		return false, ErrSteps
	}
	m.regs[0], m.regs[1], m.last = start, end, end
	return true, nil
}

func (m *Matcher) decode(at int) (rune, int) {
	if c := m.text[at]; c < utf8.RuneSelf {
		return rune(c), 1
	}
	return decodeRune(m.text[at:])
}

func (m *Matcher) decodeBefore(at int) (rune, int) {
	if c := m.text[at-1]; c < utf8.RuneSelf {
		return rune(c), 1
	}
	return decodeLastRune(m.text[:at])
}

// run executes from pc at a position until the match, or the end of a body, and returns where it ended. A body that must
// end at a certain position (look-behind) has it in end; -1 means anywhere. Choice points of an ended body are dropped, what
// has to be put back is kept.
func (m *Matcher) run(pc, pos, end int) (int, bool) {
	base := len(m.stack)
	for {
		if *m.steps--; *m.steps < 0 {
			return 0, false
		}
		i := &m.re.code[pc]
		ok := true
		switch i.op {
		case opMatch:
			if !m.whole || pos == len(m.text) {
				return pos, true
			}
			ok = false
		case opDone:
			if end < 0 || pos == end {
				m.forget(base)
				return pos, true
			}
			ok = false
		case opSplit:
			if pos > 0 && m.re.code[i.x].beginsInput() {
				pc = i.y
				continue
			}
			m.push(choicePoint{pc: i.y, pos: pos})
			pc = i.x
		case opJump:
			pc = i.x
		case opAgain:
			pc = m.again(i, pc, pos)
		case opLook:
			ok = m.look(i, pos)
			pc = i.y
		case opAtomic:
			pos, ok = m.run(i.x, pos, -1)
			pc = i.y
		default:
			pos, ok = m.simple(i, pc, pos)
			pc++
		}
		if !ok {
			if pc, pos, ok = m.backtrack(base); !ok {
				return 0, false
			}
		}
	}
}

// simple executes an instruction after which the next one follows.
func (m *Matcher) simple(i *instruction, pc, pos int) (int, bool) {
	switch i.op {
	case opSave:
		m.push(choicePoint{undo: undoRegister, register: i.x, pos: m.regs[i.x]})
		m.regs[i.x] = pos
		return pos, true
	case opAssert:
		return pos, m.assert(i, pos)
	case opSets:
		return m.sets(i, pc, pos)
	case opReference:
		return m.reference(i, pos)
	case opLoop:
		m.push(choicePoint{undo: undoLoop, register: i.x, loop: m.count[i.x]})
		m.count[i.x] = loop{0, -1}
		return pos, true
	}
	if pos == len(m.text) {
		return pos, false
	}
	r, n := m.decode(pos)
	switch i.op {
	case opChar:
		return pos + n, r == i.r
	case opFold:
		return pos + n, r|0x20 == i.r && isLetter(r)
	}
	return pos + n, i.set.has(r)
}

// maxStack bounds the memory of a match; behind it the match ends as if out of steps.
const maxStack = 400_000

func (m *Matcher) push(c choicePoint) {
	if len(m.stack) >= maxStack {
		*m.steps = -1
		return
	}
	m.stack = append(m.stack, c)
}

// forget drops the choice points above base.
func (m *Matcher) forget(base int) {
	kept := base
	for _, c := range m.stack[base:] {
		if c.undo == undoRegister || c.undo == undoLoop {
			m.stack[kept] = c
			kept++
		}
	}
	m.stack = m.stack[:kept]
}

// backtrack puts back what has changed since the last choice point and takes its other way.
func (m *Matcher) backtrack(base int) (pc, pos int, ok bool) {
	for len(m.stack) > base {
		top := len(m.stack) - 1
		c := &m.stack[top]
		switch c.undo {
		case undoRegister:
			m.regs[c.register] = c.pos
			m.stack = m.stack[:top]
		case undoLoop:
			m.count[c.register] = c.loop
			m.stack = m.stack[:top]
		case tryAt:
			pc, pos = c.pc, c.pos
			m.stack = m.stack[:top]
			return pc, pos, true
		case giveBack:
			m.giveBack(c)
			pc, pos = c.pc, c.pos
			if c.pos <= c.low {
				m.stack = m.stack[:top]
			}
			return pc, pos, true
		case takeMore:
			i := &m.re.code[c.pc-1]
			r, n := rune(0), 0
			if c.low != 0 && c.pos < len(m.text) {
				r, n = m.decode(c.pos)
			}
			if n == 0 || !i.set.has(r) {
				m.stack = m.stack[:top]
				continue
			}
			c.pos += n
			c.low--
			return c.pc, c.pos, true
		}
	}
	return 0, 0, false
}

// giveBack shortens a repetition, at once to where the character behind it can be what comes next.
func (m *Matcher) giveBack(c *choicePoint) {
	next := &m.re.code[c.pc]
	known := next.op == opChar || next.op == opSet || next.op == opSets && next.min > 0
	if known && next.set != nil { // over ASCII, as most are
		from := c.pos
		for c.pos > c.low+1 && m.text[c.pos-1] < utf8.RuneSelf && !next.set.ascii[m.text[c.pos-1]] {
			c.pos--
		}
		*m.steps -= int64(from - c.pos)
	}
	for {
		r, n := m.decodeBefore(c.pos)
		c.pos -= n
		if c.pos <= c.low || !known {
			return
		}
		*m.steps--
		if next.op == opChar && r == next.r || next.op != opChar && next.set.has(r) {
			return
		}
	}
}

// sets repeats a set.
func (m *Matcher) sets(i *instruction, pc, pos int) (int, bool) {
	low, n := i.set.run(m.text, pos, i.min)
	*m.steps -= int64(n >> 2)
	if n < i.min {
		return low, false
	}
	pos = low
	if i.mode != lazy {
		more := 0
		pos, more = i.set.run(m.text, low, max(i.max-n, -1))
		*m.steps -= int64(more >> 2)
		n += more
	}
	switch {
	case i.mode == greedy && pos > low:
		m.push(choicePoint{undo: giveBack, pc: pc + 1, pos: pos, low: low})
	case i.mode == lazy && (i.max < 0 || n < i.max):
		// low counts how many more there may be; below zero it never runs out.
		m.push(choicePoint{undo: takeMore, pc: pc + 1, pos: pos, low: i.max - n})
	}
	return pos, true
}

// again decides whether a loop takes another turn. A turn that matched nothing is the last one.
func (m *Matcher) again(i *instruction, pc, pos int) int {
	l := m.count[i.x]
	next := loop{l.turns + 1, pos}
	body := pc + 1
	out := i.y
	switch {
	case l.turns < i.min:
	case l.from == pos, i.max >= 0 && l.turns >= i.max:
		return out
	case i.mode == lazy:
		// The way back into the body must count its turn: it goes through a choice point of its own.
		m.push(choicePoint{undo: undoLoop, register: i.x, loop: l})
		m.push(choicePoint{pc: body, pos: pos})
		m.push(choicePoint{undo: undoLoop, register: i.x, loop: next})
		return out
	default:
		m.push(choicePoint{pc: out, pos: pos})
	}
	m.push(choicePoint{undo: undoLoop, register: i.x, loop: l})
	m.count[i.x] = next
	return body
}

// look tries a body ahead of or behind the position. What it has captured stays, unless it must not match.
func (m *Matcher) look(i *instruction, pos int) bool {
	base := len(m.stack)
	found := false
	whole := m.whole
	m.whole = false
	if i.behind {
		start := pos
		for n := 0; !found && (i.max < 0 || n <= i.max) && *m.steps >= 0; n++ {
			if n >= i.min {
				_, found = m.run(i.x, start, pos)
			}
			if start == 0 {
				break
			}
			_, size := m.decodeBefore(start)
			start -= size
		}
	} else {
		_, found = m.run(i.x, pos, -1)
	}
	m.whole = whole
	if i.negate && found {
		m.backtrack(base)
	}
	return found != i.negate
}

func (m *Matcher) reference(i *instruction, pos int) (int, bool) {
	if 2*i.x+1 >= len(m.regs) || m.regs[2*i.x] < 0 || m.regs[2*i.x+1] < 0 {
		return pos, i.optional
	}
	want := m.text[m.regs[2*i.x]:m.regs[2*i.x+1]]
	*m.steps -= int64(len(want) >> 3)
	if !i.fold {
		if len(m.text)-pos < len(want) || m.text[pos:pos+len(want)] != want {
			return pos, false
		}
		return pos + len(want), true
	}
	for _, w := range want {
		if pos == len(m.text) {
			return pos, false
		}
		r, n := m.decode(pos)
		if !sameFolded(r, w, i.unicode) {
			return pos, false
		}
		pos += n
	}
	return pos, true
}

func sameFolded(a, b rune, unicodeCase bool) bool {
	if unicodeCase {
		return unicode.ToLower(unicode.ToUpper(a)) == unicode.ToLower(unicode.ToUpper(b))
	}
	return a == b || isLetter(a) && isLetter(b) && a|0x20 == b|0x20
}
