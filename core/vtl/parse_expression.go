package vtl

import (
	"strconv"
	"strings"
)

// operators are the binary operators with their levels, 1 being the lowest (spec/vtl.md 4); any other token has level 0.
var operators = [tokenTerminator + 1]struct {
	level int
	name  string
}{
	tokenOr:    {1, "||"},
	tokenAnd:   {2, "&&"},
	tokenEqual: {3, "=="}, tokenNotEqual: {3, "!="},
	tokenLess: {4, "<"}, tokenGreater: {4, ">"}, tokenLessEqual: {4, "<="}, tokenGreaterEqual: {4, ">="},
	tokenPlus: {5, "+"}, tokenMinus: {5, "-"},
	tokenMultiply: {6, "*"}, tokenDivide: {6, "/"}, tokenModulus: {6, "%"},
}

func (p *parser) expression() {
	if p.failed != nil || !p.enter() {
		return
	}
	p.unary()
	p.operators(1)
	p.leave()
}

// operators parses what may follow an operand: operators of the lowest level given and above, left to right.
func (p *parser) operators(lowest int) {
	left := p.open() - 1
	for p.failed == nil {
		operator := operators[p.peekKind()]
		if operator.level < lowest {
			return
		}
		p.take()
		start := p.last().end
		p.unary()
		for p.failed == nil && operators[p.peekKind()].level > operator.level {
			p.operators(operator.level + 1)
		}
		if p.failed == nil {
			// The literal of an operation is its right operand: what Velocity's tree builder makes of it.
			p.node(nodeOperator, start, operator.name, left)
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
		start := p.take().end
		p.expression()
		if p.failed != nil {
			return
		}
		p.node(nodeExpression, start, "", from) // its literal is what stands between the parentheses
		p.expect(tokenRightParen, ")")
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
	t := *p.take()
	image := p.image(&t)
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
	root, err := p.within(content)
	if err != nil {
		inner := err.(*Error)
		p.fail(errorAt(inner.Kind, p.text, int(t.start), "in the string, line %d, column %d: %s", inner.Line, inner.Column, inner.Message))
		return
	}
	n.sub = p.trees.one()
	*n.sub = Tree{text: content, root: root, padded: padded}
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
