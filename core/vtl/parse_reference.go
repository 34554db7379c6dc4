package vtl

import "strings"

// reference parses $a.b("c")[0] in any of its forms, the next token being its name or its "{".
func (p *parser) reference() {
	if !p.enter() {
		return
	}
	from := p.open()
	first := *p.take()
	name := first
	formal := first.kind == tokenLeftCurly
	if formal {
		if p.peekKind() != tokenIdentifier {
			p.unexpected("a name")
			return
		}
		name = *p.take()
	}
	p.indices()
	for p.failed == nil && p.peekKind() == tokenDot && p.peek(1).kind == tokenIdentifier {
		p.take()
		p.member()
		p.indices()
	}
	if formal && p.failed == nil {
		p.expect(tokenRightCurly, "}")
	}
	if p.failed == nil {
		n := p.node(nodeReference, first.start, "", from)
		n.ref = p.root(&first, &name)
		n.start += int32(max(0, strings.LastIndexByte(p.image(&first), '$')))
	}
	p.leave()
}

func (p *parser) indices() {
	for p.failed == nil && p.peekKind() == tokenIndexLeft {
		from := p.open()
		start := p.take().start
		p.accept(tokenWhitespace)
		switch p.peekKind() {
		case tokenString, tokenInteger, tokenTrue, tokenFalse, tokenIdentifier, tokenLeftCurly:
			p.parameter()
		default:
			p.unexpected("a string, an integer, true, false or a reference")
			return
		}
		p.accept(tokenWhitespace)
		p.expect(tokenIndexRight, "]")
		p.node(nodeIndex, start, "", from)
	}
}

// member is the name behind a dot: a method if a parenthesis and something that may stand in it follow.
func (p *parser) member() {
	from := p.open()
	start := p.peek(0).start
	if p.peek(1).kind != tokenLeftParen || !beginsArguments(p.peek(2).kind) {
		p.node(nodeProperty, start, p.image(p.take()), from)
		return
	}
	name := p.image(p.take())
	p.take()
	if p.peekKind() != tokenRightParenCall {
		p.argument()
		for p.failed == nil && p.accept(tokenComma) {
			p.argument()
		}
	}
	if p.failed == nil {
		p.expect(tokenRightParenCall, ")")
	}
	p.node(nodeMethod, start, name, from)
}

func beginsArguments(kind tokenKind) bool {
	switch kind {
	case tokenRightParenCall, tokenWhitespace, tokenString, tokenInteger, tokenFloat, tokenLeftBracket, tokenOpenMap,
		tokenTrue, tokenFalse, tokenIdentifier, tokenLeftCurly:
		return true
	}
	return false
}

// root reads what the first token says. It may be more than "$" and a name: the lexer glues text to it that looked like a
// directive or an escape.
func (p *parser) root(first, name *token) *reference {
	r := p.refs.one()
	image := p.image(first)
	if image[0] == '$' && len(image) > 1 && isIdentifier(image[1:]) { // as nearly all are
		r.root, r.key = image[1:], image[1:]
		r.literal = p.text[first.start:p.last().end]
		return r
	}
	r.key = afterFirst(image)
	if i := strings.Index(image, `\!`); i >= 0 {
		// "$\!a" is no reference: it loses one backslash, and has no value.
		first := strings.IndexByte(image[strings.IndexByte(image, '$'):], '\\') + strings.IndexByte(image, '$')
		r.root = image[:first] + image[first+1:]
		r.literal = r.root
		return r
	}
	trimmed := strings.TrimLeft(image, `\`)
	k := len(image) - len(trimmed)
	r.escaped = k%2 == 1
	r.escapes = image[:k/2]
	dollar := strings.LastIndexByte(trimmed, '$')
	if dollar > 0 {
		r.before = trimmed[:dollar]
		trimmed = trimmed[dollar:]
	}
	if k > 0 || dollar > 0 {
		r.key = trimmed[1:]
		p.cuts = append(p.cuts, span{first.start, first.end - int32(len(trimmed))})
	}
	if dollar < 0 {
		r.runt, r.root = true, image
		return r
	}
	r.literal = p.text[int(first.end)-len(trimmed) : p.last().end]
	switch {
	case strings.HasPrefix(trimmed, "$!"):
		r.quiet = true
		r.root = trimmed[2:]
		if !r.escaped {
			r.literal = ""
		}
		if strings.HasPrefix(trimmed, "$!{") {
			r.root = p.image(name)
		}
	case trimmed == "${":
		r.root = p.image(name)
	default:
		r.root = trimmed[1:]
	}
	return r
}
