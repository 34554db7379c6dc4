package regex

import (
	"strconv"
	"strings"
)

// isClass: the letters of predefined classes; \h and \v are Java's.
func (p *parser) isClass(r rune) bool {
	return strings.ContainsRune("dDwWsS", r) || !p.flags.ecma && strings.ContainsRune("hHvV", r)
}

// escape is what follows a backslash outside of a class.
func (p *parser) escape() node {
	r := p.take()
	if p.isClass(r) {
		return class{predefined(r, p.flags)}
	}
	switch r {
	case 'b':
		return assertion{kind: wordBoundary, unicode: p.flags.unicodeClass, ascii: p.flags.ecma}
	case 'B':
		return assertion{kind: notWordBoundary, unicode: p.flags.unicodeClass, ascii: p.flags.ecma}
	case 'p', 'P':
		return class{p.property(r == 'P').freeze()}
	case 'k':
		return p.namedReference()
	}
	if r >= '1' && r <= '9' {
		return p.backReference(int(r - '0'))
	}
	if p.flags.ecma {
		return p.char(p.escapedChar(r))
	}
	return p.javaEscape(r)
}

// javaEscape is one that only Java knows, or a character.
func (p *parser) javaEscape(r rune) node {
	switch r {
	case 'A':
		return assertion{kind: beginInput}
	case 'Z':
		return assertion{kind: endOrBefore, unix: p.flags.unixLines}
	case 'z':
		return assertion{kind: endInput}
	case 'G':
		return assertion{kind: lastMatch}
	case 'R':
		line := (&set{tests: []func(rune) bool{isVertical}}).freeze()
		return choice{[]node{sequence{[]node{char{r: '\r'}, char{r: '\n'}}}, class{line}}}
	}
	return p.char(p.escapedChar(r))
}

func (p *parser) namedReference() node {
	if !p.accept("<") {
		p.fail(`\k is not followed by '<' for named capturing group`)
	}
	name := p.groupName()
	index, ok := p.names[name]
	if !ok {
		p.fail("named capturing group <" + name + "> does not exist")
	}
	return reference{index, p.flags.fold, p.flags.unicodeCase, p.flags.ecma}
}

// backReference takes as many digits as name a group that has been opened.
func (p *parser) backReference(n int) node {
	for isDigit(p.peek()) {
		longer := n*10 + int(p.peek()-'0')
		if longer > p.groups {
			break
		}
		n = longer
		p.pos++
	}
	return reference{n, p.flags.fold, p.flags.unicodeCase, p.flags.ecma}
}

// escapedChar is the character that an escape stands for, in and out of classes.
func (p *parser) escapedChar(r rune) rune {
	switch r {
	case 't':
		return '\t'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 'f':
		return '\f'
	case 'v':
		return '\v' // only ECMA's; Java's is a class
	case 'c':
		return p.take() ^ 64
	case '0':
		if p.flags.ecma {
			return 0
		}
		return p.octal()
	case 'x':
		if p.accept("{") {
			return p.hex(strings.IndexByte(p.text[p.pos:], '}'), true)
		}
		return p.hex(2, false)
	case 'u':
		return p.unicodeEscape()
	}
	switch {
	case p.flags.ecma:
	case r == 'a':
		return 7
	case r == 'e':
		return 27
	case isLetter(r):
		p.fail("Illegal/unsupported escape sequence")
	}
	return r
}

// unicodeEscape is \uXXXX; two of them may make one character.
func (p *parser) unicodeEscape() rune {
	r := p.hex(4, false)
	if r < 0xD800 || r > 0xDBFF || !p.accept(`\u`) {
		return r
	}
	low := p.hex(4, false)
	if low < 0xDC00 || low > 0xDFFF {
		p.pos -= len(`\uXXXX`)
		return r
	}
	return (r-0xD800)<<10 + (low - 0xDC00) + 0x10000
}

func (p *parser) octal() rune {
	n, digits := rune(0), 0
	for digits < 3 && p.peek() >= '0' && p.peek() <= '7' && n*8+p.peek()-'0' <= 0o377 {
		n = n*8 + p.take() - '0'
		digits++
	}
	if digits == 0 {
		p.fail("Illegal octal escape sequence")
	}
	return n
}

func (p *parser) hex(digits int, brace bool) rune {
	if digits < 1 || p.pos+digits > len(p.text) {
		p.fail("Illegal hexadecimal escape sequence")
	}
	n, err := strconv.ParseUint(p.text[p.pos:p.pos+digits], 16, 32)
	if err != nil || n > 0x10FFFF {
		p.fail("Illegal hexadecimal escape sequence")
	}
	p.pos += digits
	if brace {
		p.pos++
	}
	return rune(n)
}

// property is what follows \p or \P: one letter, or a name in braces.
func (p *parser) property(negate bool) *set {
	name := ""
	if p.accept("{") {
		var found bool
		if name, _, found = strings.Cut(p.text[p.pos:], "}"); !found {
			p.fail("Unclosed character family")
		}
		p.pos += len(name) + 1
	} else {
		name = string(p.take())
	}
	test := property(name)
	if test == nil {
		p.fail("Unknown character property name {" + name + "}")
	}
	return &set{tests: []func(rune) bool{test}, negate: negate}
}

// class is [...] behind its bracket: a union of characters, ranges, escapes and classes, intersected at "&&".
func (p *parser) class() *set {
	if p.depth++; p.depth > maxNesting {
		p.fail("Too deeply nested")
	}
	defer func() { p.depth-- }()
	whole := &set{negate: p.accept("^")}
	part := &set{}
	var parts []*set
	for first := true; ; first = false {
		p.skip()
		switch {
		case p.peek() == -1:
			p.fail("Unclosed character class")
		case p.flags.ecma && p.peek() != ']':
			p.member(part)
		case p.flags.ecma: // an empty one is allowed
			p.pos++
			part.negate = whole.negate
			return part
		case p.accept("&&"):
			if len(parts)+len(part.ranges)+len(part.items)+len(part.tests) == 0 && (p.peek() == ']' || p.peek() == '&') {
				p.fail("Bad class syntax")
			}
			if len(part.ranges)+len(part.items)+len(part.tests) > 0 {
				parts = append(parts, part)
				part = &set{}
			}
		case p.peek() == ']' && (!first || len(parts) > 0):
			p.pos++
			if len(part.ranges)+len(part.items)+len(part.tests) > 0 {
				parts = append(parts, part)
			}
			if len(parts) == 0 {
				p.fail("Bad class syntax")
			}
			whole.items, whole.and = parts[:1], parts[1:]
			return whole
		case p.accept("["):
			part.items = append(part.items, p.class().freeze())
		case p.accept(`\Q`):
			text, _, found := strings.Cut(p.text[p.pos:], `\E`)
			p.pos += len(text)
			if found {
				p.pos += len(`\E`)
			}
			for _, r := range text {
				part.addChar(r, p.flags.fold, p.flags.unicodeCase)
			}
		default:
			p.member(part)
		}
	}
}

// member is a character, a range or an escape of a class.
func (p *parser) member(to *set) {
	low, single := p.classChar(to)
	if !single {
		return
	}
	rest := p.text[p.pos:]
	if len(rest) < 2 || rest[0] != '-' || rest[1] == ']' || rest[1] == '[' && !p.flags.ecma {
		to.addChar(low, p.flags.fold, p.flags.unicodeCase)
		return
	}
	p.pos++
	high, single := p.classChar(to)
	if !single || high < low {
		p.fail("Illegal character range")
	}
	to.addRange(low, high, p.flags.fold, p.flags.unicodeCase)
}

// classChar takes one character; false when it was an escape for many, which has been added.
func (p *parser) classChar(to *set) (rune, bool) {
	r := p.take()
	if r != '\\' {
		return r, true
	}
	r = p.take()
	if p.isClass(r) {
		to.items = append(to.items, predefined(r, p.flags))
		return 0, false
	}
	if r == 'p' || r == 'P' {
		to.items = append(to.items, p.property(r == 'P').freeze())
		return 0, false
	}
	if r == 'b' && p.flags.ecma {
		return '\b', true
	}
	return p.escapedChar(r), true
}
