package vtl

import "strings"

// The names that #foreach and block calls assign (spec/vtl.md 5.3, 5.5).
const (
	loopScope   = "foreach"
	loopCount   = "velocityCount"
	loopHasNext = "velocityHasNext"
	bodyContent = "bodyContent"
)

func (c *compiler) directive(n *node) step {
	switch n.text {
	case "foreach":
		return c.foreach(n)
	case "macro":
		c.macro(n)
		return nil
	case "define":
		return c.define(n)
	case "literal":
		if !n.block || n.kids[0].start == n.kids[0].end {
			c.fail(n, "#literal needs parentheses, something to print and #end")
			return nil
		}
		c.block(n.kids[0]) // for its mistakes and its macros
		return c.text(n.ref.literal)
	case "evaluate":
		return c.evaluate(n)
	case "break", "stop":
		if len(n.kids) > 1 {
			c.fail(n, "#%s takes one argument at most", n.text)
		}
		e := &endStep{place: c.at(n), stop: n.text == "stop"}
		if len(n.kids) == 1 {
			e.arg = c.expression(n.kids[0])
		}
		return e
	case "parse", "include":
		return &resourceStep{c.at(n), n.text, c.expressions(n.kids)}
	}
	return c.call(n)
}

func (c *compiler) foreach(n *node) step {
	if len(n.kids) < 3 {
		c.fail(n, "#foreach needs a reference, in and something to walk over")
		return nil
	}
	s := &foreachStep{place: c.at(n), list: c.expression(n.kids[2])}
	key := n.kids[0]
	if key.kind == nodeReference && !key.ref.runt {
		s.key = c.symbols.slot(key.ref.root)
	} else {
		s.key = c.symbols.slot(afterFirst(c.literal(key)))
	}
	if len(n.kids) > 3 {
		// The fourth is rendered, whatever it is: a surplus argument takes the place of the block.
		if body := n.kids[3]; body.kind == nodeBlock {
			s.body = c.block(body)
		} else {
			s.body = c.statements(n.kids[3:4])
		}
		for _, k := range n.kids[4:] {
			c.statement(k)
		}
	} else {
		c.block(n.kids[2])
	}
	return s
}

func (c *compiler) define(n *node) step {
	if len(n.kids) != 2 {
		c.fail(n, "#define needs one reference")
		return nil
	}
	key := afterFirst(c.literal(n.kids[0]))
	if n.kids[0].kind == nodeReference {
		key = n.kids[0].ref.key
	}
	return &defineStep{place: c.at(n), slot: c.symbols.slot(key), literal: "$" + key, body: c.block(n.kids[1])}
}

func (c *compiler) evaluate(n *node) step {
	if len(n.kids) != 1 {
		c.fail(n, "#evaluate takes exactly one argument")
		return nil
	}
	switch n.kids[0].kind {
	case nodeString, nodeInterpolated, nodeReference:
	default:
		c.fail(n, "the argument of #evaluate is a string or a reference")
		return nil
	}
	c.dynamic = true
	return &evaluateStep{c.at(n), c.expression(n.kids[0])}
}

// macro makes the definition known. The first of a name wins (spec/vtl.md 5.5).
func (c *compiler) macro(n *node) {
	last := len(n.kids) - 1
	m := &macro{name: n.kids[0].text, params: make([]int32, 0, last-1)}
	for _, k := range n.kids[1:last] {
		name := c.literal(k)
		if k.kind == nodeReference {
			name = k.ref.key
		}
		slot := c.symbols.slot(name)
		c.symbols.all[slot].param = true
		m.params = append(m.params, slot)
	}
	m.body = c.block(n.kids[last])
	if c.macros == nil {
		c.macros = map[string]*macro{}
	}
	if c.macros[m.name] == nil {
		c.macros[m.name] = m
	}
}

func (c *compiler) call(n *node) step {
	name := n.text
	s := c.called.one()
	s.place, s.literal, s.content = c.at(n), c.literal(n), -1
	if n.ref != nil {
		s.literal = n.ref.literal
	}
	kids := n.kids
	if strings.HasPrefix(name, "@") {
		if !n.block {
			return c.text("#" + name)
		}
		name = name[1:]
		s.content = c.symbols.slot(bodyContent)
		c.symbols.all[s.content].param = true
		s.body = c.block(kids[len(kids)-1])
		kids = kids[:len(kids)-1]
	}
	s.name = name
	for _, k := range kids {
		if k.kind == nodeWord {
			s.word = k.text
		}
	}
	s.args = c.expressions(kids)
	s.literals = c.literals.many(len(kids))
	for i, k := range kids {
		switch k.kind {
		case nodeReference, nodeString, nodeInterpolated, nodeList, nodeMap, nodeRange:
			s.literals[i] = c.literal(k) // a constant leaves none
		}
	}
	s.former, c.last = c.last, s
	return s
}
