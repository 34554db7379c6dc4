package vtl

import "strings"

// match finds the longest token at the position; of equal lengths the one Velocity's grammar lists first. tokenEOF means
// that nothing matches.
func (l *lexer) match() (tokenKind, int) {
	switch l.state {
	case stateText:
		return l.matchText()
	case stateReference, stateModifier:
		return l.matchReference()
	case stateArguments:
		return l.matchArguments()
	case stateIndex:
		return l.matchIndex()
	case stateHash:
		return l.matchHash()
	case stateDirective:
		return l.matchDirective()
	case stateTextblock:
		return l.matchTextblock()
	}
	return tokenEOF, 0
}

// at is the byte n after the position, 0 behind the end.
func (l *lexer) at(n int) byte {
	if l.pos+n < len(l.text) {
		return l.text[l.pos+n]
	}
	return 0
}

// backslashRun is how many backslashes stand at the position.
func (l *lexer) backslashRun() int {
	if l.backslashes <= l.pos {
		end := l.pos
		for end < len(l.text) && l.text[end] == '\\' {
			end++
		}
		l.backslashes = end
	}
	return l.backslashes - l.pos
}

// moreLength matches what begins a reference, directive, comment or raw text in any state: \…$, \…$\…!, #, #*, #**x, #[[.
func (l *lexer) moreLength() int {
	switch l.text[l.pos] {
	case '\\':
		k := l.backslashRun()
		if l.at(k) != '$' {
			return 0
		}
		return k + l.dollarLength(k)
	case '$':
		return l.dollarLength(0)
	case '#':
		rest := l.text[l.pos:]
		switch {
		case strings.HasPrefix(rest, "#[["):
			return 3
		case strings.HasPrefix(rest, "#**") && len(rest) > 3 && rest[3] != '#':
			return 4
		case strings.HasPrefix(rest, "#*"):
			return 2
		}
		return 1
	}
	return 0
}

// dollarLength is the length of "$" or of "$!" with any backslashes between, the "$" standing at the offset.
func (l *lexer) dollarLength(offset int) int {
	n := 1
	for l.at(offset+n) == '\\' {
		n++
	}
	if l.at(offset+n) == '!' {
		return n + 1
	}
	return 1
}

// setLength matches #set with the blanks before it and its parenthesis (spec/vtl.md 2.7 rule 4), or is 0.
func (l *lexer) setLength() int {
	i := l.pos
	for i < len(l.text) && isBlank(l.text[i]) {
		i++
	}
	if i == len(l.text) || l.text[i] != '#' {
		return 0
	}
	rest := l.text[i:]
	switch {
	case strings.HasPrefix(rest, "#set"):
		i += len("#set")
	case strings.HasPrefix(rest, "#{set}"):
		i += len("#{set}")
	default:
		return 0
	}
	for i < len(l.text) && l.text[i] == ' ' {
		i++
	}
	if i < len(l.text) && l.text[i] == '(' {
		return i + 1 - l.pos
	}
	return 0
}

// emptyIndexLength matches "$[", "$![", "$\![" and "$.", which are text.
func (l *lexer) emptyIndexLength() int {
	switch l.at(1) {
	case '[', '.':
		return 2
	case '!':
		if l.at(2) == '[' {
			return 3
		}
	case '\\':
		if l.at(2) == '!' && l.at(3) == '[' {
			return 4
		}
	}
	return 0
}

func (l *lexer) matchText() (tokenKind, int) {
	switch c := l.text[l.pos]; c {
	case '$':
		if n := l.emptyIndexLength(); n > 0 {
			return tokenEmptyIndex, n
		}
		return tokenMore, l.dollarLength(0)
	case '#':
		if n := l.setLength(); n > 0 {
			return tokenSet, n
		}
		if l.at(1) == '#' {
			return tokenLineComment, 2
		}
		return tokenMore, l.moreLength()
	case '\\':
		return l.matchBackslashes()
	case ' ', '\t':
		if n := l.setLength(); n > 0 {
			return tokenSet, n
		}
	}
	return tokenText, plainLength(l.text[l.pos:])
}

// plainLength is how long text runs without "$", "#" and backslashes.
func plainLength(s string) int {
	for i := range len(s) {
		if c := s[i]; c == '$' || c == '#' || c == '\\' {
			return i
		}
	}
	return len(s)
}

// matchBackslashes matches backslashes in text (spec/vtl.md 2.5).
func (l *lexer) matchBackslashes() (tokenKind, int) {
	k := l.backslashRun()
	switch {
	case l.at(k) == '$':
		return tokenMore, k + l.dollarLength(k)
	case l.at(k) == '#' && k%2 == 1:
		if n := wordLength(l.text[l.pos+k+1:]); n > 0 {
			return tokenEscapedDirective, k + 1 + n
		}
	}
	if k > 1 {
		return tokenDoubleEscape, 2
	}
	return tokenEscape, 1
}

// wordLength matches word or {word}, or is 0.
func wordLength(s string) int {
	if s == "" {
		return 0
	}
	i := 0
	if s[0] == '{' {
		i = 1
	}
	if i == len(s) || !isLetter(s[i]) && s[i] != '_' && (s[i] != '@' || i == 1) {
		return 0
	}
	for i < len(s) && isWordPart(s[i]) {
		i++
	}
	if s[0] != '{' {
		return i
	}
	if i < len(s) && s[i] == '}' {
		return i + 1
	}
	return 0
}

func (l *lexer) identifierLength() int {
	n := 1
	for l.pos+n < len(l.text) && isIdentifierPart(l.text[l.pos+n]) {
		n++
	}
	return n
}

func (l *lexer) matchIdentifier() (tokenKind, int) {
	n := l.identifierLength()
	switch l.text[l.pos : l.pos+n] {
	case "true":
		return tokenTrue, n
	case "false":
		return tokenFalse, n
	}
	return tokenIdentifier, n
}

func (l *lexer) matchReference() (tokenKind, int) {
	c := l.text[l.pos]
	if isLetter(c) || c == '_' {
		return l.matchIdentifier()
	}
	switch c {
	case '.':
		if isLetter(l.at(1)) {
			return tokenDot, 2
		}
	case '[':
		return tokenIndexLeft, 1
	case '{':
		return tokenLeftCurly, 1
	case '}':
		return tokenRightCurly, 1
	case '(':
		if l.state == stateModifier {
			return tokenLeftParen, 1
		}
	case ' ', '\t', '#':
		if n := l.setLength(); n > 0 {
			return tokenSet, n
		}
		if c == '#' && l.at(1) == '#' && l.state == stateReference {
			return tokenLineComment, 2
		}
		if c == '#' {
			return tokenMore, l.moreLength()
		}
	case '$':
		if n := l.emptyIndexLength(); n > 0 && l.state == stateReference {
			return tokenEmptyIndex, n
		}
		return tokenMore, l.dollarLength(0)
	case '\\':
		if n := l.moreLength(); n > 0 {
			return tokenMore, n
		}
	}
	return tokenTerminator, 1
}

// matchLiteral matches what arguments, indices and directives share: white space, strings, numbers, "$", "#".
func (l *lexer) matchLiteral() (tokenKind, int) {
	switch c := l.text[l.pos]; {
	case isSpace(c):
		n := 1
		for l.pos+n < len(l.text) && isSpace(l.text[l.pos+n]) {
			n++
		}
		return tokenWhitespace, n
	case c == '"' || c == '\'':
		if n := stringLength(l.text[l.pos:]); n > 0 {
			return tokenString, n
		}
	case isDigit(c) || c == '-' || c == '.':
		return matchNumber(l.text[l.pos:])
	case c == '$' || c == '#' || c == '\\':
		if n := l.moreLength(); n > 0 {
			return tokenMore, n
		}
	}
	return tokenEOF, 0
}

// stringLength matches a string literal; a doubled quote belongs to it if a closing quote follows at all.
func stringLength(s string) int {
	quote, end := s[0], 0
	for i := 1; i < len(s); {
		j := strings.IndexByte(s[i:], quote)
		if j < 0 {
			break
		}
		i += j + 1
		end = i
		if i == len(s) || s[i] != quote {
			break
		}
		i++
	}
	return end
}

// matchNumber matches an integer, with the dots of a range behind it, or a floating-point number (spec/vtl.md 3).
func matchNumber(s string) (tokenKind, int) {
	i := 0
	if s[0] == '-' {
		i = 1
	}
	start := i
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	digits := i - start
	if digits > 0 && strings.HasPrefix(s[i:], "..") {
		return tokenInteger, i + 2
	}
	fraction := 0
	end := i
	if i < len(s) && s[i] == '.' {
		for end = i + 1; end < len(s) && isDigit(s[end]); end++ {
			fraction++
		}
		if digits == 0 && fraction == 0 {
			return tokenEOF, 0
		}
		return tokenFloat, end + exponentLength(s[end:])
	}
	if digits == 0 {
		return tokenEOF, 0
	}
	if n := exponentLength(s[end:]); n > 0 {
		return tokenFloat, end + n
	}
	return tokenInteger, end
}

func exponentLength(s string) int {
	if s == "" || s[0] != 'e' && s[0] != 'E' {
		return 0
	}
	i := 1
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	start := i
	for i < len(s) && isDigit(s[i]) {
		i++
	}
	if i == start {
		return 0
	}
	return i
}

func (l *lexer) matchIndex() (tokenKind, int) {
	rest := l.text[l.pos:]
	switch {
	case rest[0] == ']':
		return tokenIndexRight, 1
	case strings.HasPrefix(rest, "true"):
		return tokenTrue, 4
	case strings.HasPrefix(rest, "false"):
		return tokenFalse, 5
	}
	return l.matchLiteral()
}

// punctuation that arguments and directives share.
func (l *lexer) matchPunctuation() (tokenKind, int) {
	switch l.text[l.pos] {
	case '[':
		return tokenLeftBracket, 1
	case ']':
		return tokenRightBracket, 1
	case '{':
		return tokenOpenMap, 1
	case '}':
		return tokenCloseMap, 1
	case ',':
		return tokenComma, 1
	case ':':
		return tokenColon, 1
	case '.':
		if l.at(1) == '.' {
			return tokenDoubleDot, 2
		}
	}
	return tokenEOF, 0
}

func (l *lexer) matchArguments() (tokenKind, int) {
	c := l.text[l.pos]
	if isLetter(c) || c == '_' {
		return l.matchIdentifier()
	}
	if c == ')' {
		return tokenRightParenCall, 1
	}
	if c == ' ' || c == '\t' || c == '#' {
		if n := l.setLength(); n > 0 {
			return tokenSet, n
		}
	}
	if c == '.' && isLetter(l.at(1)) {
		return tokenDot, 2
	}
	if kind, n := l.matchPunctuation(); n > 0 {
		return kind, n
	}
	return l.matchLiteral()
}

func (l *lexer) matchTextblock() (tokenKind, int) {
	rest := l.text[l.pos:]
	if strings.HasPrefix(rest, "]]#") {
		return tokenTextblock, 3
	}
	if n := l.moreLength(); n > 0 {
		return tokenMore, n
	}
	n := strings.IndexAny(rest[1:], `]$#\`)
	if n < 0 {
		return tokenMore, len(rest)
	}
	return tokenMore, n + 1
}
