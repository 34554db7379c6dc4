package vtl

// tokenKind names a token as Velocity's grammar does.
type tokenKind uint8

const (
	tokenEOF tokenKind = iota
	tokenText
	tokenEscape
	tokenDoubleEscape
	tokenEscapedDirective
	tokenEmptyIndex // "$[", "$![", "$." in text
	tokenLineComment
	tokenLineCommentEnd
	tokenBlockComment
	tokenTextblock
	tokenSet
	tokenIf
	tokenElseIf
	tokenElse
	tokenEnd
	tokenWord
	tokenBracketedWord
	tokenIdentifier
	tokenDot
	tokenLeftCurly  // "{" inside a reference
	tokenRightCurly // "}" inside a reference
	tokenIndexLeft
	tokenIndexRight
	tokenLeftParen
	tokenRightParen     // of a directive; takes the line end with it
	tokenRightParenCall // of a method's arguments; takes nothing
	tokenLeftBracket
	tokenRightBracket
	tokenOpenMap
	tokenCloseMap
	tokenComma
	tokenColon
	tokenDoubleDot
	tokenWhitespace
	tokenString
	tokenInteger
	tokenFloat
	tokenTrue
	tokenFalse
	tokenMinus
	tokenPlus
	tokenMultiply
	tokenDivide
	tokenModulus
	tokenAnd
	tokenOr
	tokenLess
	tokenLessEqual
	tokenGreater
	tokenGreaterEqual
	tokenEqual
	tokenNotEqual
	tokenNot
	tokenAssign

	// What is not handed to the parser.
	tokenMore       // the text so far belongs to the token that follows
	tokenTerminator // ends a reference or a directive; what was matched is read again
)

// token is a span of the source, its image. Specials are the spans directly before it that ended a reference or a
// directive that was none ("$" of "$5"); text prints the signs in them.
type token struct {
	kind                    tokenKind
	start, end              int32
	specialFirst, specialTo int32 // indices into lexer.specials
}

type span struct{ start, end int32 }

// directiveWord is the token of a word in a directive's parentheses.
func directiveWord(s string) tokenKind {
	switch s {
	case "true":
		return tokenTrue
	case "false":
		return tokenFalse
	case "and":
		return tokenAnd
	case "or":
		return tokenOr
	case "not":
		return tokenNot
	case "lt":
		return tokenLess
	case "le":
		return tokenLessEqual
	case "gt":
		return tokenGreater
	case "ge":
		return tokenGreaterEqual
	case "eq":
		return tokenEqual
	case "ne":
		return tokenNotEqual
	}
	return tokenWord
}

// hashWord is the token of a word behind "#": the grammar itself knows four.
func hashWord(s string) tokenKind {
	switch s {
	case "if":
		return tokenIf
	case "elseif":
		return tokenElseIf
	case "else":
		return tokenElse
	case "end":
		return tokenEnd
	}
	return tokenWord
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// isIdentifierPart: names of variables, properties and methods (spec/vtl.md 2.2); "-" is one of their characters.
func isIdentifierPart(c byte) bool { return isLetter(c) || isDigit(c) || c == '-' || c == '_' }

func isIdentifier(s string) bool {
	for i := range len(s) {
		if !isIdentifierPart(s[i]) {
			return false
		}
	}
	return true
}

// isWordPart: names of directives (spec/vtl.md 2.3).
func isWordPart(c byte) bool { return isLetter(c) || isDigit(c) || c == '_' || c == '@' }

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
