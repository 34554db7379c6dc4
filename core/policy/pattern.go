package policy

import (
	"strings"
	"unicode/utf8"
)

// pattern is text with wildcards and variables, cut into tokens.
type pattern []token

type tokenKind uint8

const (
	literal  tokenKind = iota
	many               // *
	single             // ?
	variable           // ${key}
)

type token struct {
	kind       tokenKind
	text       string // of a literal; the key of a variable, in lower case
	fallback   string // what a variable is without a value
	hasDefault bool
}

// compilePatterns cuts texts with wildcards; nil stays nil.
func compilePatterns(texts []string, variables bool) []pattern {
	if texts == nil {
		return nil
	}
	out := make([]pattern, len(texts))
	for i, t := range texts {
		out[i] = compilePattern(t, true, variables)
	}
	return out
}

func compilePattern(text string, wildcards, variables bool) pattern {
	var p pattern
	from := 0
	flush := func(to int) {
		if to > from {
			p = append(p, token{kind: literal, text: text[from:to]})
		}
	}
	for i := 0; i < len(text); i++ {
		t, width := token{}, 1
		switch {
		case wildcards && text[i] == '*':
			t.kind = many
		case wildcards && text[i] == '?':
			t.kind = single
		case variables && strings.HasPrefix(text[i:], "${"):
			if t, width = variableToken(text[i:]); width == 0 {
				continue
			}
		default:
			continue
		}
		flush(i)
		from = i + width
		i = from - 1
		if t.kind != many || len(p) == 0 || p[len(p)-1].kind != many {
			p = append(p, t)
		}
	}
	flush(len(text))
	return p
}

// variableToken reads ${key} or ${key, 'default'}; ${*}, ${?} and ${$} are the characters themselves. What is not closed is
// no variable: the width is zero.
func variableToken(text string) (token, int) {
	end := strings.IndexByte(text, '}')
	if end < 0 {
		return token{}, 0
	}
	inner := strings.TrimSpace(text[2:end])
	if inner == "*" || inner == "?" || inner == "$" {
		return token{kind: literal, text: inner}, end + 1
	}
	key, rest, ok := strings.Cut(inner, ",")
	t := token{kind: variable, text: strings.ToLower(strings.TrimSpace(key))}
	if ok {
		rest = strings.TrimSpace(rest)
		if len(rest) >= 2 && rest[0] == '\'' && rest[len(rest)-1] == '\'' {
			t.fallback, t.hasDefault = rest[1:len(rest)-1], true
		}
	}
	return t, end + 1
}

// value is what a literal or variable stands for; false when the variable has no value.
func (t *token) value(c *Context) (string, bool) {
	if t.kind == literal {
		return t.text, true
	}
	if c != nil {
		if v, ok := c.single(t.text); ok {
			return v, true
		}
	}
	return t.fallback, t.hasDefault
}

// resolvable reports whether all variables have a value.
func (p pattern) resolvable(c *Context) bool {
	for i := range p {
		if p[i].kind == variable {
			if _, ok := p[i].value(c); !ok {
				return false
			}
		}
	}
	return true
}

// static reports whether the pattern has no variable, so that its text is known when it is compiled.
func (p pattern) static() bool {
	for i := range p {
		if p[i].kind == variable {
			return false
		}
	}
	return true
}

// expand is the text of a pattern without wildcards.
func (p pattern) expand(c *Context) (string, bool) {
	if len(p) == 1 {
		return p[0].value(c)
	}
	var b strings.Builder
	for i := range p {
		v, ok := p[i].value(c)
		if !ok {
			return "", false
		}
		b.WriteString(v)
	}
	return b.String(), true
}

// match compares the whole text. It goes back only to the last *, which is enough and keeps the time within the product of
// both lengths; a variable without a value matches nothing.
func (p pattern) match(text string, c *Context, fold bool) bool {
	at, i := 0, 0
	star, starAt := -1, 0
	for {
		if i < len(p) && p[i].kind == many {
			star, starAt = i, at
			i++
			if i == len(p) {
				return true
			}
			continue
		}
		if i == len(p) && at == len(text) {
			return true
		}
		width, fits := 0, false
		if i < len(p) {
			var known bool
			if width, fits, known = p[i].fits(text[at:], c, fold); !known {
				return false
			}
		}
		if fits {
			at += width
			i++
			continue
		}
		if star < 0 || starAt >= len(text) {
			return false
		}
		_, step := utf8.DecodeRuneInString(text[starAt:])
		starAt += step
		at, i = starAt, star+1
	}
}

// fits reports how much of the text the token takes. known is false for a variable without a value.
func (t *token) fits(text string, c *Context, fold bool) (width int, fits, known bool) {
	if t.kind == single {
		_, n := utf8.DecodeRuneInString(text)
		return n, n > 0, true
	}
	v, ok := t.value(c)
	if !ok {
		return 0, false, false
	}
	if len(text) < len(v) {
		return 0, false, true
	}
	head := text[:len(v)]
	return len(v), head == v || fold && equalASCII(head, v), true
}

// equalASCII compares texts of equal length without the case of A to Z, as actions are compared.
func equalASCII(a, b string) bool {
	for i := range len(a) {
		x, y := a[i], b[i]
		if x != y && (x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z') {
			return false
		}
	}
	return true
}
