package vtl

// withLineEnd adds blanks and the line end behind n bytes of s, if nothing else stands between (spec/vtl.md 2.7).
func withLineEnd(s string, n int) int {
	i := n
	for i < len(s) && isBlank(s[i]) {
		i++
	}
	if k := lineEnd(s[i:]); k > 0 {
		return i + k
	}
	return n
}

func (l *lexer) matchHash() (tokenKind, int) {
	rest := l.text[l.pos:]
	if n := wordLength(rest); n > 0 {
		word, kind := rest[:n], tokenWord
		if word[0] == '{' {
			word, kind = word[1:n-1], tokenBracketedWord
		}
		if known := hashWord(word); known != tokenWord {
			kind = known
		}
		if kind == tokenEnd || kind == tokenElse {
			n = withLineEnd(rest, n)
		}
		return kind, n
	}
	switch c := rest[0]; {
	case c == '#' && l.at(1) == '#':
		return tokenLineComment, 2
	case c == '#' || c == '$' || c == '\\':
		if n := l.moreLength(); n > 0 {
			return tokenMore, n
		}
	case isDigit(c) || c == '-' || c == '.':
		if kind, n := matchNumber(rest); n > 0 {
			return kind, n
		}
	}
	return tokenTerminator, 1
}

func (l *lexer) matchDirective() (tokenKind, int) {
	rest := l.text[l.pos:]
	c := rest[0]
	if isSpace(c) || c == '$' { // as most are
		return l.matchLiteral()
	}
	if c >= '@' { // no word begins below
		if n := wordLength(rest); n > 0 {
			if c == '{' {
				return tokenBracketedWord, n
			}
			return directiveWord(rest[:n]), n
		}
	}
	if kind, n := l.matchPunctuation(); n > 0 {
		return kind, n
	}
	if kind, n := l.matchOperator(); n > 0 {
		return kind, n
	}
	switch {
	case c == '(':
		return tokenLeftParen, 1
	case c == ')':
		return tokenRightParen, withLineEnd(rest, 1)
	case c == '#' && l.at(1) == '#':
		return tokenLineComment, 2
	}
	kind, n := l.matchLiteral()
	if n == 0 && c == '-' {
		return tokenMinus, 1
	}
	return kind, n
}

func (l *lexer) matchOperator() (tokenKind, int) {
	next := l.at(1)
	switch l.text[l.pos] {
	case '+':
		return tokenPlus, 1
	case '*':
		return tokenMultiply, 1
	case '/':
		return tokenDivide, 1
	case '%':
		return tokenModulus, 1
	case '&':
		if next == '&' {
			return tokenAnd, 2
		}
	case '|':
		if next == '|' {
			return tokenOr, 2
		}
	case '<':
		return either(next == '=', tokenLessEqual, tokenLess)
	case '>':
		return either(next == '=', tokenGreaterEqual, tokenGreater)
	case '!':
		return either(next == '=', tokenNotEqual, tokenNot)
	case '=':
		return either(next == '=', tokenEqual, tokenAssign)
	}
	return tokenEOF, 0
}

// either is the token with "=" behind it, or the one without.
func either(equals bool, with, without tokenKind) (tokenKind, int) {
	if equals {
		return with, 2
	}
	return without, 1
}
