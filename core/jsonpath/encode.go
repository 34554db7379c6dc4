package jsonpath

import "unicode/utf8"

// Style tells the two JSON texts of the service apart.
type Style uint8

const (
	// Plain is the text of $input.json: a slash stays as it is (spec/vtl.md 9.1).
	Plain Style = iota
	// Web is the text of a printed array: a slash is written \/ (spec/vtl.md 6.3).
	Web
)

// Limits of what prints. No document is so deep, but Set and Append can put a value inside of itself, and that more than once.
const (
	maxPrinted = 2 * MaxDepth
	maxText    = 64 << 20
)

// AppendJSON appends the compact JSON text of v, numbers as Java prints them. Absent prints as null, and so does what is
// nested deeper than any document, and what comes after a text longer than any.
func (v Value) AppendJSON(dst []byte, style Style) []byte { return v.appendJSON(dst, style, 0) }

func (v Value) appendJSON(dst []byte, style Style, depth int) []byte {
	if depth > maxPrinted || len(dst) > maxText {
		return append(dst, "null"...)
	}
	switch v.kind {
	case Bool:
		if v.text == "" {
			return append(dst, "false"...)
		}
		return append(dst, "true"...)
	case Number:
		from := len(dst)
		dst = v.appendNumber(dst)
		if last := dst[len(dst)-1]; last == 'y' || last == 'N' { // JSON has no Infinity and no NaN
			return append(dst[:from], "null"...)
		}
		return dst
	case String:
		return appendQuoted(dst, v.text, style)
	case Array:
		dst = append(dst, '[')
		for i, item := range v.items() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.appendJSON(dst, style, depth+1)
		}
		return append(dst, ']')
	case Object:
		dst = append(dst, '{')
		for i, item := range v.items() {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(appendQuoted(dst, v.Key(i), style), ':')
			dst = item.appendJSON(dst, style, depth+1)
		}
		return append(dst, '}')
	}
	return append(dst, "null"...)
}

// AppendPrinted appends v as a template prints it: an object as {k=v}, an array as JSON text, null inside an object as null
// (spec/rest.md 6.5). A value that is itself null or absent prints nothing.
func (v Value) AppendPrinted(dst []byte) []byte { return v.appendPrinted(dst, 0) }

func (v Value) appendPrinted(dst []byte, depth int) []byte {
	if depth > maxPrinted || len(dst) > maxText {
		return dst
	}
	switch v.kind {
	case Absent, Null:
		return dst
	case String:
		return append(dst, v.text...)
	case Number:
		return v.appendNumber(dst)
	case Object:
		dst = append(dst, '{')
		for i, item := range v.items() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = append(append(dst, v.Key(i)...), '=')
			if item.IsNull() {
				dst = append(dst, "null"...)
			}
			dst = item.appendPrinted(dst, depth+1)
		}
		return append(dst, '}')
	}
	return v.appendJSON(dst, Web, depth)
}

const hexDigits = "0123456789ABCDEF"

// plain are the bytes that stand for themselves in a JSON string, but for the slash; the others are looked at one by one.
var plain = func() (plain [256]bool) {
	for c := ' '; c < 0x7f; c++ {
		plain[c] = c != '"' && c != '\\'
	}
	return plain
}()

func appendQuoted(dst []byte, s string, style Style) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		if plain[s[i]] && (style == Plain || s[i] != '/') {
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		escaped := escape(r, style)
		if escaped != 0 {
			dst = append(dst, s[from:i]...)
			from = i + n
		}
		i += n
		switch escaped {
		case 0:
		case 'u':
			dst = append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
		default:
			dst = append(dst, '\\', escaped)
		}
	}
	return append(append(dst, s[from:]...), '"')
}

// escape is the letter behind the backslash when the service's JSON writer escapes a character, or zero. Beside the controls
// it escapes U+007F to U+009F and U+2000 to U+20FF.
func escape(r rune, style Style) byte {
	switch {
	case r == '"' || r == '\\' || r == '/' && style == Web:
		return byte(r)
	case r == '\b':
		return 'b'
	case r == '\f':
		return 'f'
	case r == '\n':
		return 'n'
	case r == '\r':
		return 'r'
	case r == '\t':
		return 't'
	case r < 0x20, r >= 0x7f && r <= 0x9f, r >= 0x2000 && r <= 0x20ff:
		return 'u'
	}
	return 0
}
