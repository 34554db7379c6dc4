package regex

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// parser is a recursive descent over Java's pattern syntax.
type parser struct {
	text   string
	pos    int
	flags  flags
	groups int
	names  map[string]int
	depth  int
}

type syntax struct{ err *SyntaxError }

func (p *parser) parse() (tree node, err error) {
	// The descent unwinds by panic: nearly every production can fail, and none can go on.
	defer func() {
		switch failure := recover().(type) {
		case nil:
		case syntax:
			err = failure.err
		default:
			panic(failure)
		}
	}()
	tree = p.alternatives()
	if p.pos < len(p.text) {
		p.fail("Unmatched closing ')'")
	}
	return tree, nil
}

func (p *parser) fail(message string) {
	panic(syntax{&SyntaxError{p.text, p.pos, message}})
}

// peek is the next character; -1 at the end.
func (p *parser) peek() rune {
	if p.pos >= len(p.text) {
		return -1
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.pos:])
	return r
}

func (p *parser) take() rune {
	if p.pos >= len(p.text) {
		p.fail("Unexpected end of pattern")
	}
	r, n := utf8.DecodeRuneInString(p.text[p.pos:])
	p.pos += n
	return r
}

func (p *parser) accept(s string) bool {
	if strings.HasPrefix(p.text[p.pos:], s) {
		p.pos += len(s)
		return true
	}
	return false
}

// skip passes over white space and comments when the flag x is set.
func (p *parser) skip() {
	for p.flags.comments && p.pos < len(p.text) {
		switch c := p.text[p.pos]; {
		case isSpace(rune(c)):
			p.pos++
		case c == '#':
			for p.pos < len(p.text) && !isTerminator(p.peek()) {
				p.take()
			}
		default:
			return
		}
	}
}

func (p *parser) alternatives() node {
	if p.depth++; p.depth > maxNesting {
		p.fail("Too deeply nested")
	}
	defer func() { p.depth-- }()
	saved := p.flags
	items := []node{p.sequence()}
	for p.accept("|") {
		items = append(items, p.sequence())
	}
	p.flags = saved
	if len(items) == 1 {
		return items[0]
	}
	return choice{items}
}

func (p *parser) sequence() node {
	var items []node
	for {
		p.skip()
		switch p.peek() {
		case -1, '|', ')':
			switch len(items) {
			case 0:
				return empty{}
			case 1:
				return items[0]
			}
			return sequence{items}
		}
		if !p.flags.ecma && p.accept(`\Q`) {
			items = p.quoted(items)
			continue
		}
		if item := p.atom(); item != nil {
			items = append(items, p.repeated(item))
		}
	}
}

// quoted is \Q…\E; a repetition behind it is of its last character.
func (p *parser) quoted(items []node) []node {
	text, _, found := strings.Cut(p.text[p.pos:], `\E`)
	p.pos += len(text)
	if found {
		p.pos += len(`\E`)
	}
	for _, r := range text {
		items = append(items, p.char(r))
	}
	if len(text) > 0 {
		items[len(items)-1] = p.repeated(items[len(items)-1])
	}
	return items
}

func (p *parser) char(r rune) node {
	fold := p.flags.fold && (isLetter(r) || p.flags.unicodeCase)
	return char{r, fold, p.flags.unicodeCase}
}

func (p *parser) repeated(item node) node {
	p.skip()
	low, high := 0, -1
	switch p.peek() {
	case '*':
		p.pos++
	case '+':
		p.pos++
		low = 1
	case '?':
		p.pos++
		high = 1
	case '{':
		if p.flags.ecma && !p.counts() {
			return item
		}
		p.pos++
		low, high = p.bounds()
	default:
		return item
	}
	how := greedy
	if p.accept("?") {
		how = lazy
	} else if p.accept("+") {
		how = possessive
	}
	return repeat{item, low, high, how}
}

// counts reports whether a brace begins {n}, {n,} or {n,m}; to ECMA any other is a character.
func (p *parser) counts() bool {
	inside, _, closed := strings.Cut(p.text[p.pos+1:], "}")
	low, high, _ := strings.Cut(inside, ",")
	return closed && low != "" && strings.Trim(low+high, "0123456789") == ""
}

// bounds is the inside of {n}, {n,} and {n,m}.
func (p *parser) bounds() (low, high int) {
	low = p.number()
	high = low
	if p.accept(",") {
		if high = -1; isDigit(p.peek()) {
			high = p.number()
		}
	}
	if !p.accept("}") {
		p.fail("Unclosed counted closure")
	}
	if high >= 0 && high < low {
		p.fail("Illegal repetition range")
	}
	return low, high
}

func (p *parser) number() int {
	start := p.pos
	for isDigit(p.peek()) {
		p.pos++
	}
	n, err := strconv.ParseInt(p.text[start:p.pos], 10, 32)
	if err != nil {
		p.fail("Illegal repetition")
	}
	return int(n)
}

// atom is one item of a sequence; nil for one that matches nothing of its own, as (?i).
func (p *parser) atom() node {
	switch r := p.take(); r {
	case '.':
		return class{dot(p.flags)}
	case '^':
		if p.flags.multiline {
			return assertion{kind: beginLine, unix: p.flags.unixLines}
		}
		return assertion{kind: beginInput}
	case '$':
		if p.flags.multiline {
			return assertion{kind: endLine, unix: p.flags.unixLines}
		}
		if p.flags.ecma {
			return assertion{kind: endInput}
		}
		return assertion{kind: endOrBefore, unix: p.flags.unixLines}
	case '[':
		return class{p.class().freeze()}
	case '(':
		return p.group()
	case '\\':
		return p.escape()
	case '*', '+', '?':
		p.pos--
		p.fail("Dangling meta character '" + string(r) + "'")
	case '{':
		if p.flags.ecma {
			return p.char(r)
		}
		p.fail("Illegal repetition")
	default:
		return p.char(r)
	}
	return nil
}

func (p *parser) group() node {
	if !p.accept("?") {
		p.groups++
		return p.close(func(body node, index int) node { return group{body, index} }, p.groups)
	}
	plainBody := func(body node, _ int) node { return body }
	switch {
	case p.accept(":"):
		return p.close(plainBody, 0)
	case p.accept("="):
		return p.close(func(body node, _ int) node { return look{body, false, false} }, 0)
	case p.accept("!"):
		return p.close(func(body node, _ int) node { return look{body, false, true} }, 0)
	case p.accept(">"):
		return p.close(func(body node, _ int) node { return atomic{body} }, 0)
	case p.accept("<="):
		return p.behind(false)
	case p.accept("<!"):
		return p.behind(true)
	case p.accept("<"):
		p.groups++
		p.name(p.groups)
		return p.close(func(body node, index int) node { return group{body, index} }, p.groups)
	}
	outer := p.flags
	if p.inlineFlags() {
		return nil
	}
	n := p.close(plainBody, 0)
	p.flags = outer
	return n
}

// close parses what is in a group, and its parenthesis.
func (p *parser) close(make func(node, int) node, index int) node {
	body := p.alternatives()
	if !p.accept(")") {
		p.fail("Unclosed group")
	}
	return make(body, index)
}

func (p *parser) behind(negate bool) node {
	return p.close(func(body node, _ int) node {
		if endless(body) && !p.flags.ecma {
			p.fail("Look-behind group does not have an obvious maximum length")
		}
		return look{body, true, negate}
	}, 0)
}

// name is a group's name up to ">".
func (p *parser) name(index int) {
	name := p.groupName()
	if _, ok := p.names[name]; ok {
		p.fail("Named capturing group <" + name + "> is already defined")
	}
	if p.names == nil {
		p.names = map[string]int{}
	}
	p.names[name] = index
}

func (p *parser) groupName() string {
	start := p.pos
	if !isLetter(p.peek()) {
		p.fail("capturing group name does not start with a Latin letter")
	}
	for isLetter(p.peek()) || isDigit(p.peek()) {
		p.pos++
	}
	name := p.text[start:p.pos]
	if !p.accept(">") {
		p.fail("named capturing group is missing trailing '>'")
	}
	return name
}

// inlineFlags is (?i-s) or (?i-s: up to the colon; true for the first form, which holds to the end of the group around.
func (p *parser) inlineFlags() bool {
	on := true
	for {
		switch p.take() {
		case 'i':
			p.flags.fold = on
		case 'm':
			p.flags.multiline = on
		case 's':
			p.flags.dotAll = on
		case 'u':
			p.flags.unicodeCase = on
		case 'x':
			p.flags.comments = on
		case 'd':
			p.flags.unixLines = on
		case 'U':
			p.flags.unicodeClass, p.flags.unicodeCase = on, on
		case '-':
			on = false
		case ')':
			return true
		case ':':
			return false
		default:
			p.fail("Unknown inline modifier")
		}
	}
}
