package vtl

import (
	"strconv"
	"strings"
)

// levels are the binary operators from lowest to highest (spec/vtl.md 4).
var levels = [...]map[tokenKind]string{
	{tokenOr: "||"},
	{tokenAnd: "&&"},
	{tokenEqual: "==", tokenNotEqual: "!="},
	{tokenLess: "<", tokenGreater: ">", tokenLessEqual: "<=", tokenGreaterEqual: ">="},
	{tokenPlus: "+", tokenMinus: "-"},
	{tokenMultiply: "*", tokenDivide: "/", tokenModulus: "%"},
}

// level is where a token stands in levels, and its name; -1 when it is no binary operator.
func level(kind tokenKind) int {
	switch kind {
	case tokenOr:
		return 0
	case tokenAnd:
		return 1
	case tokenEqual, tokenNotEqual:
		return 2
	case tokenLess, tokenGreater, tokenLessEqual, tokenGreaterEqual:
		return 3
	case tokenPlus, tokenMinus:
		return 4
	case tokenMultiply, tokenDivide, tokenModulus:
		return 5
	}
	return -1
}

func (p *parser) expression() {
	if p.failed != nil || !p.enter() {
		return
	}
	p.unary()
	p.operators(0)
	p.leave()
}

// operators parses what may follow an operand: operators of the lowest level given and above, left to right.
func (p *parser) operators(lowest int) {
	left := p.open() - 1
	for p.failed == nil {
		kind := p.peekKind()
		at := level(kind)
		if at < lowest {
			return
		}
		p.take()
		start := p.last.end
		p.unary()
		for p.failed == nil && level(p.peekKind()) > at {
			p.operators(at + 1)
		}
		if p.failed == nil {
			// The literal of an operation is its right operand: what Velocity's tree builder makes of it.
			p.node(nodeOperator, start, levels[at][kind], left)
		}
	}
}

func (p *parser) unary() {
	if !p.enter() {
		return
	}
	defer p.leave()
	kind := p.peekKind()
	if kind == tokenWhitespace {
		kind = p.peek(1).kind
	}
	if kind != tokenNot {
		p.primary()
		return
	}
	from := p.open()
	start := p.peek(0).start
	p.accept(tokenWhitespace)
	p.take()
	p.unary()
	if p.failed == nil {
		p.node(nodeOperator, start, "!", from)
	}
}

func (p *parser) primary() {
	p.accept(tokenWhitespace)
	if p.peekKind() == tokenLeftParen {
		from := p.open()
		start := p.take().start
		p.expression()
		if p.failed != nil {
			return
		}
		p.expect(tokenRightParen, ")")
		p.node(nodeExpression, start, "", from)
	} else {
		p.parameter()
	}
	p.accept(tokenWhitespace)
}

// argument is a parameter with white space around.
func (p *parser) argument() {
	p.accept(tokenWhitespace)
	p.parameter()
	p.accept(tokenWhitespace)
}

// parameter is a literal or a reference.
func (p *parser) parameter() {
	if p.failed != nil || !p.enter() {
		return
	}
	defer p.leave()
	switch kind := p.peekKind(); kind {
	case tokenString:
		p.stringLiteral()
	case tokenInteger:
		p.literal(nodeInteger)
	case tokenFloat:
		p.literal(nodeFloat)
	case tokenTrue:
		p.literal(nodeTrue)
	case tokenFalse:
		p.literal(nodeFalse)
	case tokenLeftBracket:
		p.listOrRange()
	case tokenOpenMap:
		p.mapLiteral()
	case tokenIdentifier, tokenLeftCurly:
		p.reference()
	default:
		p.unexpected("a value")
	}
}

func (p *parser) literal(kind nodeKind) {
	t := p.take()
	p.node(kind, t.start, p.image(t), p.open())
}

// listOrRange: a bracket whose first element is followed by ".." is a range.
func (p *parser) listOrRange() {
	from := p.open()
	start := p.take().start
	kind := nodeList
	if p.peekKind() != tokenRightBracket {
		p.argument()
		if p.failed == nil && p.peekKind() == tokenDoubleDot {
			kind = nodeRange
			p.rangeEnd(from)
		}
		for p.failed == nil && kind == nodeList && p.accept(tokenComma) {
			p.argument()
		}
	}
	if p.failed == nil {
		p.expect(tokenRightBracket, "]")
		p.node(kind, start, "", from)
	}
}

func (p *parser) rangeEnd(from int) {
	first := p.stack[from].kind
	p.take()
	p.accept(tokenWhitespace)
	second := p.peekKind()
	if first != nodeReference && first != nodeInteger ||
		second != tokenInteger && second != tokenIdentifier && second != tokenLeftCurly {
		p.unexpected("an integer or a reference at each end of a range")
		return
	}
	p.argument()
}

func (p *parser) mapLiteral() {
	from := p.open()
	start := p.take().start
	if kind := p.peekKind(); kind == tokenWhitespace {
		kind = p.peek(1).kind
		if kind == tokenCloseMap || kind == tokenRightCurly {
			p.take()
		}
	}
	if kind := p.peekKind(); kind != tokenCloseMap && kind != tokenRightCurly {
		p.entry()
		for p.failed == nil && p.accept(tokenComma) {
			p.entry()
		}
	}
	if p.failed == nil {
		if !p.accept(tokenRightCurly) {
			p.expect(tokenCloseMap, "}")
		}
		p.node(nodeMap, start, "", from)
	}
}

func (p *parser) entry() {
	p.argument()
	if p.failed == nil {
		p.expect(tokenColon, ":")
		p.argument()
	}
}

// stringLiteral parses a string; one in double quotes with "$" or "#" in it is a template (spec/vtl.md 3).
func (p *parser) stringLiteral() {
	t := p.take()
	image := p.image(t)
	quote := image[:1]
	content := image[1 : len(image)-1]
	if quote == `"` {
		var ok bool
		if content, ok = unescape(content); !ok {
			p.fail(p.errorf(int(t.start), `\u is not followed by four hexadecimal digits`))
			return
		}
	}
	interpolate := quote == `"` && strings.ContainsAny(image, "$#")
	content = strings.ReplaceAll(content, quote+quote, quote)
	if !interpolate {
		p.node(nodeString, t.start, content, p.open())
		return
	}
	n := p.node(nodeInterpolated, t.start, "", p.open())
	padded := !strings.Contains(content, "##")
	if padded {
		content += " "
	}
	sub, err := parseTree(content, &parser{macros: p.macros, depth: p.depth, slab: p.slab})
	if err != nil {
		inner := err.(*Error)
		p.fail(errorAt(inner.Kind, p.text, int(t.start), "in the string, line %d, column %d: %s", inner.Line, inner.Column, inner.Message))
		return
	}
	sub.padded = padded
	n.sub = sub
}

// unescape replaces \uXXXX; false when \u is followed by anything else.
func unescape(s string) (string, bool) {
	at := strings.Index(s, `\u`)
	if at < 0 {
		return s, true
	}
	var b []byte
	for at >= 0 {
		if len(s) < at+6 {
			return "", false
		}
		unit, err := strconv.ParseUint(s[at+2:at+6], 16, 16)
		if err != nil {
			return "", false
		}
		b = appendUnit(append(b, s[:at]...), uint16(unit))
		s = s[at+6:]
		at = strings.Index(s, `\u`)
	}
	return string(append(b, s...)), true
}
