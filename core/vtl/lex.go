package vtl

// lexState is one of Velocity's lexical states (spec/vtl.md 2, the table).
type lexState uint8

const (
	stateText      lexState = iota
	stateReference          // after "$"
	stateModifier           // after ".name"
	stateArguments          // after "(" of a method
	stateIndex              // after "[" of a reference
	stateHash               // after "#"
	stateDirective
	stateLineComment
	stateBlockComment
	stateTextblock
)

// lexFrame is what an inner state returns to.
type lexFrame struct {
	state          lexState
	lparen, rparen int32
}

// lexer cuts the source into tokens, longest match first. Parser and lexer share the state: a token is made only when the
// parser asks for it, because the parser switches states between tokens.
type lexer struct {
	text           string
	pos            int
	state          lexState
	stack          []lexFrame
	lparen, rparen int32
	inSet          bool
	inComment      bool
	specials       []span
	cuts           []span // what is missing from the tokens' images: comments, what is cut off references and escapes
	backslashes    int    // end of the run of backslashes seen last; long runs are scanned once
}

func (l *lexer) push(to lexState) {
	l.stack = append(l.stack, lexFrame{l.state, l.lparen, l.rparen})
	l.lparen = 0
	l.state = to
}

// pop returns to the state below; at the bottom that is text.
func (l *lexer) pop() bool {
	n := len(l.stack)
	if n == 0 {
		l.lparen, l.state = 0, stateText
		return false
	}
	f := l.stack[n-1]
	l.stack = l.stack[:n-1]
	l.state, l.lparen, l.rparen = f.state, f.lparen, f.rparen
	return true
}

// next makes the next token.
func (l *lexer) next(t *token) *Error {
	special := int32(len(l.specials))
	start, more := l.pos, false
	for {
		if l.pos >= len(l.text) {
			if more {
				return l.errorf(l.pos, "the template ends inside a reference, directive or raw text")
			}
			l.token(t, tokenEOF, l.pos, special)
			return nil
		}
		kind, n := l.match()
		switch kind {
		case tokenMore:
			l.pos += n
			l.more(n)
			more = true
		case tokenTerminator:
			l.specials = append(l.specials, span{int32(start), int32(l.pos + 1)})
			l.pop()
			start, more = l.pos, false
		case tokenEOF:
			if l.state != stateLineComment && l.state != stateBlockComment {
				return l.errorf(l.pos, "unexpected character %q", firstRune(l.text[l.pos:]))
			}
			begin := start
			if start, more = l.comment(start, more); start > begin {
				l.cuts = append(l.cuts, span{int32(begin), int32(start)})
			}
			if l.inComment {
				continue // the end of the text, or "$" and "#" just before it
			}
			l.token(t, l.commentEnd(), start, special)
			return nil
		default:
			l.pos += n
			l.token(t, kind, start, special)
			l.act(kind, t)
			return nil
		}
	}
}

func (l *lexer) token(t *token, kind tokenKind, start int, special int32) {
	t.kind, t.start, t.end = kind, int32(start), int32(l.pos)
	t.specialFirst, t.specialTo = special, int32(len(l.specials))
}

func (l *lexer) errorf(offset int, format string, args ...any) *Error {
	return errorAt(ErrParse, l.text, offset, format, args...)
}

func firstRune(s string) rune {
	for _, r := range s {
		return r
	}
	return 0
}

// more acts on "$", "#", "#*" and "#[[", whose text becomes part of the next token.
func (l *lexer) more(n int) {
	if l.inComment {
		return
	}
	end := l.text[l.pos-n : l.pos]
	switch {
	case end[0] == '$' || end[0] == '\\':
		if l.state == stateReference {
			l.pop()
		}
		l.push(stateReference)
	case n == 1: // "#"
		if l.state == stateReference || l.state == stateModifier {
			l.pop()
		}
		l.push(stateHash)
	case end == "#[[":
		l.inComment = true
		l.push(stateTextblock)
	default: // "#*", "#**x"
		if n == 4 {
			l.pos--
		}
		l.inComment = true
		l.push(stateBlockComment)
	}
}

// act does what a token does to the state.
func (l *lexer) act(kind tokenKind, t *token) {
	switch kind {
	case tokenIndexLeft:
		l.push(stateIndex)
	case tokenIndexRight, tokenRightCurly, tokenEnd, tokenElse:
		l.pop()
	case tokenLeftParen:
		l.lparen++
		if l.state == stateModifier {
			l.state = stateArguments
		}
	case tokenRightParen:
		l.closeParen()
	case tokenRightParenCall:
		l.state = stateReference
	case tokenSet:
		l.push(stateDirective)
		l.inSet = true
		l.lparen++
	case tokenLineComment:
		if l.state == stateReference {
			l.pop()
		}
		l.inComment = true
		l.push(stateLineComment)
	case tokenTextblock:
		l.inComment = false
		l.pop()
	case tokenIf, tokenElseIf:
		l.state = stateDirective
	case tokenDot:
		l.pos--
		t.end--
		t.start = t.end - 1
		l.state = stateModifier
	case tokenInteger:
		if l.text[t.end-1] == '.' { // "1..3": the dots are a token of their own
			l.pos -= 2
			t.end -= 2
		}
		if l.lparen == 0 && !l.inSet && l.state != stateArguments && l.state != stateIndex {
			l.pop()
		}
	case tokenFloat:
		if l.lparen == 0 && !l.inSet && l.state != stateArguments {
			l.pop()
		}
	case tokenString:
		if l.state == stateDirective && !l.inSet && l.lparen == 0 {
			l.pop()
		}
	}
}

// closeParen leaves the state whose parenthesis this is, and every state inside it that has opened none.
func (l *lexer) closeParen() {
	for l.lparen == 0 {
		if !l.pop() {
			return
		}
	}
	if l.lparen == l.rparen+1 {
		l.pop()
		return
	}
	l.rparen++
}

// comment reads to the end of a comment. It reports where the last token's text starts and whether that is unfinished:
// "$" and "#" bind to what follows even in a comment, so that one at the very end is an error, and "#*#" does not close.
func (l *lexer) comment(start int, more bool) (int, bool) {
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; {
		case l.state == stateLineComment && (c == '\n' || c == '\r'):
			l.pos += lineEnd(l.text[l.pos:])
			l.inComment = false
			return start, false
		case l.state == stateBlockComment && c == '*' && l.pos+1 < len(l.text) && l.text[l.pos+1] == '#':
			l.pos += 2
			l.inComment = false
			return start, false
		default:
			if n := l.moreLength(); n > 0 {
				l.pos += n
				more = true
				continue
			}
			l.pos++
			start, more = l.pos, false
		}
	}
	return start, more
}

func (l *lexer) commentEnd() tokenKind {
	kind := tokenBlockComment
	if l.state == stateLineComment {
		kind = tokenLineCommentEnd
	}
	l.pop()
	return kind
}

// lineEnd is the length of the line end at the start of s: \r\n, \n, \r or 0.
func lineEnd(s string) int {
	switch {
	case s == "":
		return 0
	case s[0] == '\n':
		return 1
	case s[0] == '\r' && len(s) > 1 && s[1] == '\n':
		return 2
	case s[0] == '\r':
		return 1
	}
	return 0
}
