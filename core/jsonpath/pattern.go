package jsonpath

import (
	"regexp"
	"regexp/syntax"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
)

// patternFlags are the letters of Java's flags that may follow /pattern/.
const patternFlags = "idmsuxU"

// pattern is a Java regular expression that must match a whole string. Most run on Go's engine, whose time is linear in the
// input; what only a backtracking engine knows, look-around and back-references, runs on one that gives up.
type pattern struct {
	source string
	linear *regexp.Regexp
	back   *regexp2.Regexp
}

// patience is how long a backtracking match may take. The engine counts no steps, so it has to be a time.
const patience = 100 * time.Millisecond

func compilePattern(source, flags string) (*pattern, string) {
	if strings.Contains(flags, "x") {
		return nil, "the pattern flag x is not supported"
	}
	text, message := translate(source, strings.Contains(flags, "s"))
	if message != "" {
		return nil, message
	}
	goFlags, options := "", regexp2.RegexOptions(regexp2.ECMAScript)
	if strings.Contains(flags, "i") {
		goFlags, options = goFlags+"i", options|regexp2.IgnoreCase
	}
	if strings.Contains(flags, "m") {
		goFlags, options = goFlags+"m", options|regexp2.Multiline
	}
	if goFlags != "" {
		goFlags = "(?" + goFlags + ")"
	}
	re, err := regexp.Compile(goFlags + `\A(?:` + text + `)\z`)
	if err == nil {
		return &pattern{source: source, linear: re}, ""
	}
	back, second := regexp2.Compile(`(?<![\s\S])(?:`+text+`)(?![\s\S])`, options)
	if second == nil {
		back.MatchTimeout = patience
		return &pattern{source: source, back: back}, ""
	}
	message = err.Error()
	if e, ok := err.(*syntax.Error); ok {
		message = e.Code.String()
	}
	return nil, "pattern: " + message
}

// matches takes its cost from the budget. A match that the backtracking engine gives up uses up all of it.
func (p *pattern) matches(input string, b *budget) bool {
	if b.spend(1 + len(input)/bytesPerStep*(1+len(p.source))); *b < 0 {
		return false
	}
	if p.linear != nil {
		return p.linear.MatchString(input)
	}
	ok, err := p.back.MatchString(input)
	if err != nil {
		*b = -1
	}
	return ok
}

// Classes of characters as both engines understand them: written out.
const (
	lineEnds   = "\n\r\u0085\u2028\u2029"
	horizontal = " \t\u00a0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000"
)

// translate rewrites what Java and the two engines spell or mean differently: the line ends that a dot excludes, \Z, \h, \R
// and escaped characters that need no escape.
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
		case c == '.' && class == 0 && dotAll:
			b.WriteString(`[\s\S]`)
			continue
		case c == '.' && class == 0:
			b.WriteString("[^" + lineEnds + "]")
			continue
		}
		b.WriteByte(c)
	}
	return b.String(), ""
}

func escapeOf(c byte, inClass bool) string {
	switch {
	case c == 'Z':
		return `\n?`
	case c == 'h' && inClass:
		return horizontal
	case c == 'h':
		return "[" + horizontal + "]"
	case c == 's' && inClass:
		return `\s\x0B`
	case c == 's':
		return `[\s\x0B]`
	case c == 'R':
		return "(?:\r\n|[\x0b\f" + lineEnds + "])"
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
