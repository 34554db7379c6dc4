package jsonpath

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
		dst = AppendNumber(dst, v.text)
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
		return AppendNumber(dst, v.text)
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

func appendQuoted(dst []byte, s string, style Style) []byte {
	dst = append(dst, '"')
	from := 0
	for i, r := range s {
		escaped, width := escape(r, style)
		if escaped == 0 {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + width
		if escaped == 'u' {
			dst = append(dst, '\\', 'u', hexDigits[r>>12&15], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
		} else {
			dst = append(dst, '\\', escaped)
		}
	}
	return append(append(dst, s[from:]...), '"')
}

// escape tells how the service's JSON writer escapes a character: the letter after the backslash, or zero, and how many
// bytes the character has. Beside the controls it escapes U+007F to U+009F and U+2000 to U+20FF.
func escape(r rune, style Style) (letter byte, width int) {
	switch {
	case r == '"' || r == '\\' || r == '/' && style == Web:
		return byte(r), 1
	case r == '\b':
		return 'b', 1
	case r == '\f':
		return 'f', 1
	case r == '\n':
		return 'n', 1
	case r == '\r':
		return 'r', 1
	case r == '\t':
		return 't', 1
	case r < 0x20 || r == 0x7f:
		return 'u', 1
	case r >= 0x80 && r <= 0x9f:
		return 'u', 2
	case r >= 0x2000 && r <= 0x20ff:
		return 'u', 3
	}
	return 0, 0
}
