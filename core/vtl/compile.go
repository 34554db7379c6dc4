package vtl

import "strings"

// compiler makes a program of a tree, or a fragment of a program under way (#evaluate).
type compiler struct {
	options Options
	source  *source
	symbols *symbols
	macros  map[string]*macro
	calls   []*callStep
	dynamic bool
	failed  *Error
	texts   []textStep // a slab
	refs    []refExpr  // a slab
	links   []link     // a slab
	steps   []step     // a slab
}

// Compile makes a program of a tree. An error is an *Error with the place.
func Compile(t *Tree, o Options) (*Program, error) {
	p := &Program{options: o, regexes: &regexCache{}}
	c := &compiler{options: o, symbols: &p.symbols}
	var err error
	if p.source, p.body, err = c.tree(t); err != nil {
		return nil, err
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

// tree compiles a whole text and ties calls to macros.
func (c *compiler) tree(t *Tree) (*source, block, error) {
	c.source = &source{text: t.text}
	body := c.block(t.root)
	if c.failed != nil {
		return nil, nil, c.failed
	}
	for _, call := range c.calls {
		call.macro = c.macros[call.name]
	}
	return c.source, body, nil
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
	if len(nodes) == 0 {
		return nil
	}
	if cap(c.steps)-len(c.steps) < len(nodes) {
		c.steps = make([]step, 0, max(len(nodes), min(max(16, 2*cap(c.steps)), 512)))
	}
	at := len(c.steps)
	c.steps = c.steps[:at+len(nodes)]
	b := c.steps[at : at : at+len(nodes)]
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
	if len(c.texts) == cap(c.texts) {
		c.texts = make([]textStep, 0, min(max(8, 2*cap(c.texts)), 256))
	}
	c.texts = append(c.texts, textStep{s})
	return &c.texts[len(c.texts)-1]
}

func (c *compiler) set(n *node) step {
	left := n.kids[0]
	s := &setStep{place: c.at(n), right: c.expression(n.kids[1])}
	if len(left.kids) == 0 {
		s.slot = c.symbols.slot(left.ref.key)
		return s
	}
	s.target = c.reference(left)
	return s
}

func (c *compiler) ifStep(n *node) step {
	s := &ifStep{place: c.at(n)}
	kids := n.kids
	s.branches = make([]branch, 0, len(kids)/2)
	for ; len(kids) > 1; kids = kids[2:] {
		s.branches = append(s.branches, branch{place{c.source, kids[0].start}, c.expression(kids[0]), c.block(kids[1])})
	}
	if len(kids) == 1 {
		s.otherwise = c.block(kids[0])
	}
	return s
}

func (c *compiler) reference(n *node) *refExpr {
	if len(c.refs) == cap(c.refs) {
		c.refs = make([]refExpr, 0, min(max(8, 2*cap(c.refs)), 256))
	}
	c.refs = append(c.refs, refExpr{place: c.at(n), ref: n.ref, stock: c.options.Stock})
	e := &c.refs[len(c.refs)-1]
	if n.ref.runt {
		return e
	}
	e.slot = c.symbols.slot(n.ref.root)
	if len(n.kids) > 0 {
		if cap(c.links)-len(c.links) < len(n.kids) {
			c.links = make([]link, 0, max(len(n.kids), min(max(8, 2*cap(c.links)), 128)))
		}
		at := len(c.links)
		c.links = c.links[:at+len(n.kids)]
		e.chain = c.links[at:len(c.links):len(c.links)]
		for i, k := range n.kids {
			e.chain[i] = c.link(k)
		}
	}
	return e
}

func (c *compiler) link(n *node) link {
	l := link{place: c.at(n), name: n.text}
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
	return l
}

func (c *compiler) expressions(nodes []*node) []expression {
	if len(nodes) == 0 {
		return nil
	}
	list := make([]expression, len(nodes))
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
		return constant{StringValue(n.text)}
	case nodeInteger, nodeFloat:
		if n.text[0] == '#' { // "#1" is a number to the lexer
			c.fail(n, "%q is no number", n.text)
			return constant{}
		}
		return constant{parseNumber(n.text, n.kind == nodeFloat)}
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
	return constant{} // a block, a word: null
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
		return &equalExpr{negate: n.text == "!=", left: left, right: right}
	case "<", "<=", ">", ">=":
		return &compareExpr{less: n.text[0] == '<', equal: len(n.text) == 2, left: left, right: right}
	}
	return &mathExpr{place: c.at(n), op: n.text[0], left: left, right: right,
		leftLiteral: c.literal(n.kids[0]), rightLiteral: c.literal(n.kids[1])}
}

// interpolated compiles a string that is a template. Its last blank is Velocity's and is taken off again, here if the
// template ends in text, else when it is rendered.
func (c *compiler) interpolated(n *node) expression {
	outer := c.source
	c.source = &source{text: n.sub.text, within: place{outer, n.start}}
	defer func() { c.source = outer }()
	kids := n.sub.root.kids
	e := &stringExpr{place: place{outer, n.start}}
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
		if ref, ok := e.body[0].(*refExpr); ok && !e.padded && ref.ref.plain {
			e.only = ref
		}
	}
	return e
}
