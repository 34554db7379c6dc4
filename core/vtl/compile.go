package vtl

import "strings"

// compiler makes a program of a tree, or a fragment of a program under way (#evaluate).
type compiler struct {
	options Options
	source  *source
	symbols *symbols
	macros  map[string]*macro
	last    *callStep // of all calls
	dynamic bool
	failed  *Error

	texts     chunk[textStep]
	refs      chunk[refExpr]
	links     chunk[link]
	steps     chunk[step]
	values    chunk[expression]
	constants chunk[constant]
	sets      chunk[setStep]
	ifs       chunk[ifStep]
	branches  chunk[branch]
	maths     chunk[mathExpr]
	equals    chunk[equalExpr]
	strings   chunk[stringExpr]
	called    chunk[callStep]
	literals  chunk[string]
}

// Compile makes a program of a tree. An error is an *Error with the place.
func Compile(t *Tree, o Options) (*Program, error) {
	p := &Program{options: o, source: source{text: t.text}}
	c := &compiler{options: o, source: &p.source, symbols: &p.symbols}
	c.reserve(t.size)
	p.body = c.block(t.root)
	if c.failed != nil {
		return nil, c.failed
	}
	for call := c.last; call != nil; call = call.former {
		call.macro = c.macros[call.name]
	}
	p.macros, p.dynamic = c.macros, c.dynamic
	if p.dynamic {
		for _, name := range [...]string{loopScope, loopCount, loopHasNext} {
			p.symbols.slot(name)
		}
	}
	p.loops = p.symbols.loopNames()
	return p, nil
}

// reserve makes room for what the tree is known to have.
func (c *compiler) reserve(s treeSize) {
	c.texts.reserve(int(s.texts))
	c.refs.reserve(int(s.references))
	c.links.reserve(int(s.links))
	c.steps.reserve(int(s.statements))
	c.values.reserve(int(s.values))
	c.constants.reserve(int(s.constants))
	c.sets.reserve(int(s.sets))
	c.ifs.reserve(int(s.ifs))
	c.branches.reserve(int(s.branches))
	c.strings.reserve(int(s.strings))
	c.called.reserve(int(s.calls))
	c.equals.reserve(int(s.equals))
	c.maths.reserve(int(s.maths))
}

func (c *compiler) fail(n *node, format string, args ...any) {
	if c.failed == nil {
		at := place{c.source, n.start}
		c.failed = errorAt(ErrParse, "", 0, format, args...)
		c.failed.Line, c.failed.Column = at.position()
	}
}

func (c *compiler) at(n *node) place { return place{c.source, n.start} }

func (c *compiler) literal(n *node) string { return c.source.text[n.start:n.end] }

// block compiles the statements of a node.
func (c *compiler) block(n *node) block {
	return c.statements(n.kids)
}

func (c *compiler) statements(nodes []*node) block {
	b := c.steps.many(len(nodes))[:0]
	for _, n := range nodes {
		if s := c.statement(n); s != nil {
			b = append(b, s)
		}
	}
	return b
}

// statement compiles one; nil when it does nothing.
func (c *compiler) statement(n *node) step {
	switch n.kind {
	case nodeText:
		return c.text(n.text)
	case nodeReference:
		return c.reference(n)
	case nodeSet:
		return c.set(n)
	case nodeIf:
		return c.ifStep(n)
	case nodeDirective:
		return c.directive(n)
	case nodeBlock:
		return blockStep{c.block(n)}
	}
	// Nothing else is a statement, except where a directive takes its body from an argument (spec/vtl.md 5.3).
	return silentStep{}
}

func (c *compiler) text(s string) step {
	t := c.texts.one()
	t.text = s
	return t
}

func (c *compiler) set(n *node) step {
	left := n.kids[0]
	s := c.sets.one()
	s.place, s.right = c.at(n), c.expression(n.kids[1])
	if len(left.kids) == 0 {
		s.slot = c.symbols.slot(left.ref.key)
		return s
	}
	s.target = c.reference(left)
	return s
}

func (c *compiler) ifStep(n *node) step {
	s := c.ifs.one()
	kids := n.kids
	s.place, s.branches = c.at(n), c.branches.many(len(kids)/2)
	for i := range s.branches {
		s.branches[i] = branch{c.at(kids[0]), c.expression(kids[0]), c.block(kids[1])}
		kids = kids[2:]
	}
	if len(kids) == 1 {
		s.otherwise = c.block(kids[0])
	}
	return s
}

func (c *compiler) reference(n *node) *refExpr {
	ref := n.ref
	e := c.refs.one()
	e.place, e.stock, e.literal = c.at(n), c.options.Stock, ref.literal
	if ref.runt {
		e.runt, e.literal = true, ref.root
		return e
	}
	if ref.escaped || ref.escapes != "" || ref.before != "" {
		e.around = &surroundings{ref.before, ref.escapes, ref.escaped}
	}
	e.bare = len(ref.literal) == 1+len(ref.root) && ref.literal[0] == '$' && ref.literal[1:] == ref.root
	e.slot = c.symbols.slot(ref.root)
	e.former, c.symbols.all[e.slot].last = c.symbols.all[e.slot].last, e
	e.chain = c.links.many(len(n.kids))
	for i, k := range n.kids {
		c.link(&e.chain[i], k)
	}
	return e
}

func (c *compiler) link(l *link, n *node) {
	l.place, l.name = c.at(n), n.text
	switch n.kind {
	case nodeProperty:
		l.kind = linkProperty
	case nodeIndex:
		l.kind = linkIndex
		l.args = c.expressions(n.kids)
	case nodeMethod:
		l.kind = linkMethod
		l.methods = methodTable[n.text]
		l.args = c.expressions(n.kids)
	}
}

func (c *compiler) expressions(nodes []*node) []expression {
	list := c.values.many(len(nodes))
	for i, n := range nodes {
		list[i] = c.expression(n)
	}
	return list
}

func (c *compiler) expression(n *node) expression {
	switch n.kind {
	case nodeReference:
		return c.reference(n)
	case nodeString:
		return c.constant(StringValue(n.text))
	case nodeInteger, nodeFloat:
		if n.text[0] == '#' { // "#1" is a number to the lexer
			c.fail(n, "%q is no number", n.text)
			return &constant{}
		}
		return c.constant(parseNumber(n.text, n.kind == nodeFloat))
	case nodeTrue:
		return boolean(true)
	case nodeFalse:
		return boolean(false)
	case nodeInterpolated:
		return c.interpolated(n)
	case nodeList:
		return &listExpr{c.expressions(n.kids)}
	case nodeMap:
		return &mapExpr{c.expressions(n.kids)}
	case nodeRange:
		return &rangeExpr{c.at(n), c.expression(n.kids[0]), c.expression(n.kids[1])}
	case nodeExpression:
		return c.expression(n.kids[0])
	case nodeOperator:
		return c.operator(n)
	}
	return &constant{} // a block, a word: null
}

func (c *compiler) constant(v Value) expression {
	e := c.constants.one()
	e.v = v
	return e
}

func (c *compiler) operator(n *node) expression {
	left := c.expression(n.kids[0])
	if n.text == "!" {
		return &notExpr{left}
	}
	right := c.expression(n.kids[1])
	switch n.text {
	case "&&", "||":
		return &logicExpr{or: n.text == "||", left: left, right: right}
	case "==", "!=":
		e := c.equals.one()
		*e = equalExpr{negate: n.text == "!=", left: left, right: right}
		return e
	case "<", "<=", ">", ">=":
		return &compareExpr{less: n.text[0] == '<', equal: len(n.text) == 2, left: left, right: right}
	}
	e := c.maths.one()
	*e = mathExpr{place: c.at(n), op: n.text[0], left: left, right: right, leftSpan: n.kids[0].span(), rightSpan: n.kids[1].span()}
	return e
}

// interpolated compiles a string that is a template. Its last blank is Velocity's and is taken off again, here if the
// template ends in text, else when it is rendered.
func (c *compiler) interpolated(n *node) expression {
	outer := c.source
	e := c.strings.one()
	e.source.text, e.source.within = n.sub.text, c.at(n)
	c.source = &e.source
	defer func() { c.source = outer }()
	kids := n.sub.root.kids
	if last := len(kids) - 1; n.sub.padded && last >= 0 && kids[last].kind == nodeText && strings.HasSuffix(kids[last].text, " ") {
		e.body = c.statements(kids[:last])
		if rest := kids[last].text; rest != " " {
			e.body = append(e.body, c.text(rest[:len(rest)-1]))
		}
	} else {
		e.body = c.statements(kids)
		e.padded = n.sub.padded
	}
	if len(e.body) == 1 {
		if ref, ok := e.body[0].(*refExpr); ok && !e.padded && ref.around == nil && !ref.runt {
			e.only = ref
		}
	}
	return e
}
