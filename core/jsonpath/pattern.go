package jsonpath

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// patternFlags are the letters of Java's flags that may follow /pattern/.
const patternFlags = "idmsuxU"

// pattern is a Java regular expression that must match a whole string.
type pattern struct {
	source string
	re     *regexp.Regexp
}

// compilePattern compiles for Go's engine, whose time is linear in the input: a filter may not stall the gateway, whatever
// its pattern and its input. What only a backtracking engine knows is refused with a message.
func compilePattern(source, flags string) (*pattern, string) {
	goFlags := ""
	for _, f := range flags {
		switch f {
		case 'i', 'm', 's':
			goFlags += string(f)
		case 'x':
			return nil, "the pattern flag x is not supported"
		}
	}
	text, message := translate(source, strings.Contains(goFlags, "s"))
	if message != "" {
		return nil, message
	}
	text = `\A(?:` + text + `)\z`
	if goFlags != "" {
		text = "(?" + goFlags + ")" + text
	}
	re, err := regexp.Compile(text)
	if err != nil {
		message := err.Error()
		if e, ok := err.(*syntax.Error); ok {
			message = e.Code.String()
		}
		return nil, "pattern: " + message
	}
	return &pattern{source: source, re: re}, ""
}

func (p *pattern) matches(input string, b *budget) bool {
	b.spend(1 + len(input)/bytesPerStep*(1+len(p.source)))
	return *b >= 0 && p.re.MatchString(input)
}

// translate rewrites what Java and Go spell or mean differently: the line ends that a dot excludes, \Z, \h, \R and escaped
// characters that need no escape.
func translate(source string, dotAll bool) (text, message string) {
	var b strings.Builder
	class := 0
	for i := 0; i < len(source); i++ {
		c := source[i]
		switch {
		case c == '\\' && i+1 < len(source):
			i++
			b.WriteString(escapeOf(source[i], class > 0))
			continue
		case c == '[' && class > 0, c == '&' && class > 0 && strings.HasPrefix(source[i:], "&&"):
			if !strings.HasPrefix(source[i:], "[:") {
				return "", "pattern: unions and intersections of character classes are not supported"
			}
		case c == '[':
			class++
		case c == ']' && class > 0:
			class--
		case c == '.' && class == 0 && !dotAll:
			b.WriteString(`[^\n\r\x{85}\x{2028}\x{2029}]`)
			continue
		}
		b.WriteByte(c)
	}
	return b.String(), ""
}

func escapeOf(c byte, inClass bool) string {
	switch {
	case c == 'Z':
		return `(?:\n|\z)`
	case c == 'h' && inClass:
		return ` \t\x{A0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}`
	case c == 'h':
		return `[ \t\x{A0}\x{1680}\x{180e}\x{2000}-\x{200a}\x{202f}\x{205f}\x{3000}]`
	case c == 's' && inClass:
		return `\s\x0B`
	case c == 's':
		return `[\s\x0B]`
	case c == 'R':
		return `(?:\r\n|[\n\x0B\f\r\x{85}\x{2028}\x{2029}])`
	case c == 'e':
		return `\x1B`
	case c < 0x80 && !isLetter(c) && !isDigit(c) && c > ' ':
		return regexp.QuoteMeta(string(c))
	case c <= ' ':
		return string(c)
	}
	return `\` + string(c)
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
