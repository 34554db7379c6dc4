package regex

type op uint8

const (
	opMatch     op = iota
	opChar         // r
	opFold         // r in any case
	opSet          // set
	opSets         // set, min to max times
	opSplit        // try x, then y
	opJump         // x
	opSave         // the position in register x
	opAssert       // kind
	opLook         // x..y is the body; behind it goes on at y
	opAtomic       // likewise
	opReference    // group x
	opLoop         // begin counting in counter x
	opAgain        // counter x: body at y, or out of the loop
	opDone         // ends the body of opLook and opAtomic
)

type instruction struct {
	op             op
	mode           mode
	kind           assertKind
	behind, negate bool
	fold, unicode  bool
	unix, ascii    bool
	optional       bool
	r              rune
	x, y           int
	min, max       int
	set            *set
}

// beginsInput reports whether the instruction wants the beginning of the text.
func (i *instruction) beginsInput() bool { return i.op == opAssert && i.kind == beginInput }

// compiler turns a tree into code for the matcher.
type compiler struct {
	code     []instruction
	counters int
}

func (c *compiler) emit(i instruction) int {
	c.code = append(c.code, i)
	return len(c.code) - 1
}

func (c *compiler) node(n node) {
	switch x := n.(type) {
	case char:
		c.char(x)
	case class:
		c.emit(instruction{op: opSet, set: x.set})
	case sequence:
		for _, item := range x.items {
			c.node(item)
		}
	case choice:
		c.choice(x)
	case group:
		c.emit(instruction{op: opSave, x: 2 * x.index})
		c.node(x.body)
		c.emit(instruction{op: opSave, x: 2*x.index + 1})
	case repeat:
		c.repeat(x)
	case assertion:
		c.emit(instruction{op: opAssert, kind: x.kind, unix: x.unix, unicode: x.unicode, ascii: x.ascii})
	case look:
		low, high := width(x.body)
		c.body(instruction{op: opLook, behind: x.behind, negate: x.negate, min: low, max: high}, x.body)
	case atomic:
		c.body(instruction{op: opAtomic}, x.body)
	case reference:
		c.emit(instruction{op: opReference, x: x.index, fold: x.fold, unicode: x.unicode, optional: x.optional})
	}
}

func (c *compiler) char(x char) {
	switch {
	case !x.fold:
		c.emit(instruction{op: opChar, r: x.r})
	case x.unicode:
		s := &set{}
		s.addChar(x.r, true, true)
		c.emit(instruction{op: opSet, set: s.freeze()})
	default:
		c.emit(instruction{op: opFold, r: x.r | 0x20})
	}
}

func (c *compiler) body(i instruction, body node) {
	at := c.emit(i)
	c.code[at].x = at + 1
	c.node(body)
	c.emit(instruction{op: opDone})
	c.code[at].y = len(c.code)
}

func (c *compiler) choice(x choice) {
	var ends []int
	for i, item := range x.items {
		if i == len(x.items)-1 {
			c.node(item)
			break
		}
		split := c.emit(instruction{op: opSplit})
		c.code[split].x = split + 1
		c.node(item)
		ends = append(ends, c.emit(instruction{op: opJump}))
		c.code[split].y = len(c.code)
	}
	for _, at := range ends {
		c.code[at].x = len(c.code)
	}
}

// repeat of a single character is one instruction; of anything else a loop with a counter.
func (c *compiler) repeat(x repeat) {
	if s := single(x.body); s != nil {
		c.emit(instruction{op: opSets, set: s, min: x.min, max: x.max, mode: x.mode})
		return
	}
	if x.mode == possessive {
		c.body(instruction{op: opAtomic}, repeat{x.body, x.min, x.max, greedy})
		return
	}
	counter := c.counters
	c.counters++
	c.emit(instruction{op: opLoop, x: counter})
	again := c.emit(instruction{op: opAgain, x: counter, min: x.min, max: x.max, mode: x.mode})
	c.node(x.body)
	c.emit(instruction{op: opJump, x: again})
	c.code[again].y = len(c.code)
}

// single is the set of a node that matches exactly one character.
func single(n node) *set {
	switch x := n.(type) {
	case class:
		return x.set
	case char:
		s := &set{}
		s.addChar(x.r, x.fold, x.unicode)
		return s.freeze()
	}
	return nil
}
