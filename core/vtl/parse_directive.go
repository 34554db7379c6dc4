package vtl

import (
	"slices"
	"strings"
)

// directiveShape is how a directive is written.
type directiveShape uint8

const (
	shapeNone directiveShape = iota
	shapeLine
	shapeBlock
)

// shapeOf knows the directives besides #set, #if and their kin.
func shapeOf(name string) directiveShape {
	switch name {
	case "foreach", "macro", "define", "literal":
		return shapeBlock
	case "break", "stop", "evaluate", "parse", "include":
		return shapeLine
	}
	return shapeNone
}

func isDirective(name string) bool { return shapeOf(name) != shapeNone }

// opensParen looks past white space for a parenthesis. It looks at characters, not at tokens: the state in which the next
// token is read depends on the answer.
func (p *parser) opensParen() bool {
	for _, c := range []byte(p.text[p.pos:]) {
		if !isSpace(c) {
			return c == '('
		}
	}
	return false
}

// directive is #name, #name(…) or #name(…)…#end, also of a name that turns out to be none.
func (p *parser) directive() {
	if !p.enter() {
		return
	}
	defer p.leave()
	from := p.open()
	t := *p.take()
	name := p.image(&t)[1:]
	if t.kind == tokenBracketedWord {
		name = strings.TrimSuffix(p.image(&t)[2:], "}")
	}
	shape := shapeOf(name)
	if shape == shapeNone && strings.HasPrefix(name, "@") {
		shape = shapeBlock
	}
	p.state = stateDirective
	if !p.opensParen() {
		if name == "macro" {
			p.fail(p.errorf(int(t.start), "#macro needs a name in parentheses"))
			return
		}
		p.pop()
		p.finishDirective(t, name, from)
		return
	}
	p.arguments(name)
	if p.failed != nil {
		return
	}
	if shape == shapeBlock {
		p.block()
		if p.failed != nil {
			return
		}
		p.expect(tokenEnd, "#end")
	}
	n := p.finishDirective(t, name, from)
	n.block = shape == shapeBlock
	if name == "literal" {
		n.ref = &reference{literal: p.cut(n.kids[0], nil)}
	}
	if p.failed == nil && name == "macro" {
		p.declareMacro(t, n)
	}
}

// finishDirective keeps as literal what the directive prints when it turns out to be none: its tokens, without the signs
// between them that were no tokens, without comments, and without what is cut off references and escapes.
func (p *parser) finishDirective(first token, name string, from int) *node {
	n := p.node(nodeDirective, first.start, name, from)
	if isDirective(name) {
		return n // it never turns out to be none
	}
	var cuts []span
	for _, s := range p.specials[first.specialTo:p.last().specialTo] {
		cuts = append(cuts, span{s.start, s.end - 1})
	}
	if literal := p.cut(n, cuts); len(cuts) > 0 || len(literal) < int(n.end-n.start) {
		n.ref = p.refs.one()
		n.ref.literal = literal
	}
	return n
}

// cut is a node's source without the cuts of the lexer and those given.
func (p *parser) cut(n *node, cuts []span) string {
	for i := len(p.cuts) - 1; i >= 0 && p.cuts[i].start >= n.start; i-- {
		if p.cuts[i].end <= n.end {
			cuts = append(cuts, p.cuts[i])
		}
	}
	if len(cuts) == 0 {
		return p.text[n.start:n.end]
	}
	slices.SortFunc(cuts, func(a, b span) int { return int(a.start - b.start) })
	var b strings.Builder
	at := n.start
	for _, s := range cuts {
		b.WriteString(p.text[at:max(at, s.start)])
		at = max(at, s.end)
	}
	b.WriteString(p.text[at:n.end])
	return b.String()
}

// arguments are separated by white space, a comma or both. What each directive takes is checked here as far as words are
// concerned and by the compiler otherwise.
func (p *parser) arguments(name string) {
	p.accept(tokenWhitespace)
	p.expect(tokenLeftParen, "(")
	for position := 0; p.failed == nil; position++ {
		p.accept(tokenWhitespace)
		if p.peekKind() == tokenRightParen {
			p.take()
			return
		}
		if p.accept(tokenComma) {
			p.accept(tokenWhitespace)
		}
		word := p.peekKind() == tokenWord
		if word {
			p.literal(nodeWord)
		} else {
			p.parameter()
		}
		p.checkArgument(name, position, word)
	}
}

func (p *parser) checkArgument(name string, position int, word bool) {
	switch {
	case p.failed != nil:
	case word && isDirective(name) && (name != "macro" || position != 0) && (name != "foreach" || position != 1):
		p.fail(p.errorf(int(p.last().start), "%q cannot be an argument of #%s", p.image(p.last()), name))
	case !word && name == "macro" && position == 0:
		p.fail(p.errorf(int(p.last().start), "the first argument of #macro is its name, without quotes"))
	}
}

// declareMacro makes the name known: from here on it can be escaped (spec/vtl.md 2.5).
func (p *parser) declareMacro(t token, n *node) {
	if len(n.kids) < 2 || n.kids[0].kind != nodeWord {
		p.fail(p.errorf(int(t.start), "#macro needs a name"))
		return
	}
	if p.macros == nil {
		p.macros = map[string]bool{}
	}
	p.macros[n.kids[0].text] = true
}
