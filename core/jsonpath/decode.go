package jsonpath

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects of a document may nest.
const MaxDepth = 1000

// ParseJSON reads one JSON document. Strings without escapes share memory with text. Of equal keys the last value counts, at
// the place of the first, as in Java's maps.
func ParseJSON(text string) (Value, error) {
	d := decoder{text: text}
	v, err := d.document()
	if err != nil {
		return Value{}, err
	}
	return v, nil
}

// parseLenient reads a literal of a filter as the Java library does: strings may stand between apostrophes or bare.
func parseLenient(text string) (Value, *Error) {
	d := decoder{text: text, lenient: true}
	return d.document()
}

// decoder is a recursive descent over the text. Elements gather on two stacks and move, in their final number, into blocks
// that many arrays share: few allocations however many small arrays there are.
type decoder struct {
	text    string
	pos     int
	depth   int
	lenient bool

	stack     []Value
	nameStack []string

	nodes  room[node]
	keyed  room[keys]
	values room[Value]
	names  room[string]
}

// Blocks grow from the first size to the last, so that small documents stay small.
const (
	firstBlock = 8
	lastBlock  = 256
)

// block is the size of the next block after one of size n.
func block(n int) int { return min(max(2*n, firstBlock), lastBlock) }

func (d *decoder) fail(message string) *Error {
	return &Error{Code: InvalidJSON, Position: d.pos, Message: message}
}

func (d *decoder) document() (Value, *Error) {
	d.space()
	v, err := d.value()
	if err != nil {
		return Value{}, err
	}
	d.space()
	if d.pos < len(d.text) {
		return Value{}, d.fail("unexpected text after the value")
	}
	return v, nil
}

func (d *decoder) space() {
	for d.pos < len(d.text) {
		switch d.text[d.pos] {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return
		}
	}
}

// peek is the current character, or zero at the end.
func (d *decoder) peek() byte {
	if d.pos < len(d.text) {
		return d.text[d.pos]
	}
	return 0
}

func (d *decoder) value() (Value, *Error) {
	switch c := d.peek(); {
	case c == '{':
		return d.nested(d.object)
	case c == '[':
		return d.nested(d.array)
	case c == '"' || c == '\'' && d.lenient:
		s, err := d.quoted(c)
		return StringValue(s), err
	case c == '-' || c >= '0' && c <= '9':
		return d.number()
	}
	return d.word()
}

func (d *decoder) nested(read func() (Value, *Error)) (Value, *Error) {
	if d.depth++; d.depth > MaxDepth {
		return Value{}, &Error{Code: TooComplex, Position: d.pos, Message: "document is nested too deeply"}
	}
	d.pos++
	v, err := read()
	d.depth--
	return v, err
}

func (d *decoder) array() (Value, *Error) {
	from := len(d.stack)
	d.space()
	if d.peek() == ']' {
		d.pos++
		return Value{kind: Array, node: d.newNode(from)}, nil
	}
	for {
		d.space()
		v, err := d.value()
		if err != nil {
			return Value{}, err
		}
		d.stack = append(d.stack, v)
		if end, err := d.separator(']'); end || err != nil {
			return Value{kind: Array, node: d.newNode(from)}, err
		}
	}
}

func (d *decoder) object() (Value, *Error) {
	from, fromNames := len(d.stack), len(d.nameStack)
	d.space()
	if d.peek() == '}' {
		d.pos++
		return Value{kind: Object, node: d.newObject(from, fromNames)}, nil
	}
	for {
		d.space()
		name, err := d.name()
		if err != nil {
			return Value{}, err
		}
		if d.space(); d.peek() != ':' {
			return Value{}, d.fail("expected ':' after a key")
		}
		d.pos++
		d.space()
		v, err := d.value()
		if err != nil {
			return Value{}, err
		}
		d.stack, d.nameStack = append(d.stack, v), append(d.nameStack, name)
		if end, err := d.separator('}'); end || err != nil {
			return Value{kind: Object, node: d.newObject(from, fromNames)}, err
		}
	}
}

func (d *decoder) separator(closing byte) (end bool, err *Error) {
	d.space()
	switch d.peek() {
	case closing:
		d.pos++
		return true, nil
	case ',':
		d.pos++
		return false, nil
	}
	return false, d.fail("expected ',' or '" + string(closing) + "'")
}

func (d *decoder) name() (string, *Error) {
	switch c := d.peek(); {
	case c == '"' || c == '\'' && d.lenient:
		return d.quoted(c)
	case d.lenient:
		return d.bare(":")
	}
	return "", d.fail("expected a key between quotes")
}

// newNode moves the values above from off the stack into a node of their own.
func (d *decoder) newNode(from int) *node {
	n := &d.nodes.take(1)[0]
	n.items = moved(&d.values, d.stack[from:])
	d.stack = d.stack[:from]
	return n
}

func (d *decoder) newObject(from, fromNames int) *node {
	names, values := d.nameStack[fromNames:], d.stack[from:]
	var index map[string]int
	if len(names) > smallObject {
		index = make(map[string]int, len(names))
	}
	kept := 0
	for i, name := range names {
		at, found := position(names[:kept], index, name)
		if found {
			values[at] = values[i]
			continue
		}
		names[kept], values[kept] = name, values[i]
		if index != nil {
			index[name] = kept
		}
		kept++
	}
	d.stack = d.stack[:from+kept]
	n := d.newNode(from)
	n.keys = &d.keyed.take(1)[0]
	n.keys.names, n.keys.index = moved(&d.names, names[:kept]), index
	d.nameStack = d.nameStack[:fromNames]
	return n
}

func position(names []string, index map[string]int, name string) (int, bool) {
	if index != nil {
		i, ok := index[name]
		return i, ok
	}
	for i, n := range names {
		if n == name {
			return i, true
		}
	}
	return 0, false
}

// room is a block that many small slices are cut from.
type room[T any] struct {
	free []T
	size int
}

// take cuts off n elements. They cannot grow over their neighbours.
func (r *room[T]) take(n int) []T {
	if len(r.free) < n {
		if n > lastBlock/4 {
			return make([]T, n)
		}
		r.size = max(block(r.size), n)
		r.free = make([]T, r.size)
	}
	out := r.free[:n:n]
	r.free = r.free[n:]
	return out
}

// moved is a copy in a room of its own; nil when it is empty.
func moved[T any](r *room[T], from []T) []T {
	if len(from) == 0 {
		return nil
	}
	out := r.take(len(from))
	copy(out, from)
	return out
}

func (d *decoder) number() (Value, *Error) {
	from := d.pos
	if d.peek() == '-' {
		d.pos++
	}
	whole := d.pos
	d.digits()
	ok := d.pos > whole && (d.text[whole] != '0' || d.pos == whole+1 || d.lenient)
	if d.peek() == '.' {
		d.pos++
		ok = d.digits() && ok
	}
	if c := d.peek(); c == 'e' || c == 'E' {
		d.pos++
		if c := d.peek(); c == '+' || c == '-' {
			d.pos++
		}
		ok = d.digits() && ok
	}
	if !ok {
		return Value{}, d.fail("malformed number")
	}
	return NumberValue(d.text[from:d.pos]), nil
}

func (d *decoder) digits() bool {
	from := d.pos
	for d.pos < len(d.text) && d.text[d.pos] >= '0' && d.text[d.pos] <= '9' {
		d.pos++
	}
	return d.pos > from
}

func (d *decoder) word() (Value, *Error) {
	rest := d.text[d.pos:]
	switch {
	case strings.HasPrefix(rest, "true"):
		d.pos += len("true")
		return BoolValue(true), nil
	case strings.HasPrefix(rest, "false"):
		d.pos += len("false")
		return BoolValue(false), nil
	case strings.HasPrefix(rest, "null"):
		d.pos += len("null")
		return NullValue(), nil
	}
	if d.lenient {
		s, err := d.bare(",]}")
		return StringValue(s), err
	}
	if d.pos >= len(d.text) {
		return Value{}, d.fail("unexpected end of the document")
	}
	return Value{}, d.fail("expected a value")
}

// bare reads a string without quotes up to one of the characters of ends.
func (d *decoder) bare(ends string) (string, *Error) {
	n := strings.IndexAny(d.text[d.pos:], ends)
	if n < 0 {
		n = len(d.text) - d.pos
	}
	s := strings.TrimSpace(d.text[d.pos : d.pos+n])
	if s == "" {
		return "", d.fail("expected a value")
	}
	d.pos += n
	return s, nil
}

func (d *decoder) quoted(quote byte) (string, *Error) {
	d.pos++
	from := d.pos
	for d.pos < len(d.text) {
		d.pos += plainBytes(d.text[d.pos:], quote)
		if d.pos == len(d.text) {
			break
		}
		switch c := d.text[d.pos]; {
		case c == quote:
			d.pos++
			return d.text[from : d.pos-1], nil
		case c == '\\':
			return d.escaped(from, quote)
		case c < ' ' && !d.lenient:
			return "", d.fail("control character in a string")
		default:
			if err := d.rune(); err != nil {
				return "", err
			}
		}
	}
	return "", d.fail("string is not closed")
}

// plainBytes is how many bytes at the beginning of s need no second look.
func plainBytes(s string, quote byte) int {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= utf8.RuneSelf || c == '\\' || c == quote {
			return i
		}
	}
	return len(s)
}

func (d *decoder) rune() *Error {
	r, n := utf8.DecodeRuneInString(d.text[d.pos:])
	if r == utf8.RuneError && n == 1 {
		return d.fail("invalid UTF-8")
	}
	d.pos += n
	return nil
}

// escaped reads the rest of a string that has an escape at the current position.
func (d *decoder) escaped(from int, quote byte) (string, *Error) {
	b := make([]byte, 0, d.pos-from+32)
	b = append(b, d.text[from:d.pos]...)
	for d.pos < len(d.text) {
		c := d.text[d.pos]
		switch {
		case c == quote:
			d.pos++
			return string(b), nil
		case c == '\\':
			var err *Error
			if b, err = d.escape(b); err != nil {
				return "", err
			}
		case c < ' ' && !d.lenient:
			return "", d.fail("control character in a string")
		default:
			start := d.pos
			if err := d.rune(); err != nil {
				return "", err
			}
			b = append(b, d.text[start:d.pos]...)
		}
	}
	return "", d.fail("string is not closed")
}

func (d *decoder) escape(b []byte) ([]byte, *Error) {
	d.pos++
	c := d.peek()
	if i := strings.IndexByte(`"\/bfnrt`, c); i >= 0 && c != 0 {
		d.pos++
		return append(b, "\"\\/\b\f\n\r\t"[i]), nil
	}
	if c == 'u' {
		return d.unicode(b)
	}
	if d.lenient && c != 0 {
		d.pos++
		return append(b, c), nil
	}
	return nil, d.fail("unknown escape in a string")
}

// unicode reads uXXXX. A pair of surrogates makes one character; half a pair makes U+FFFD, since Go has no place for it.
func (d *decoder) unicode(b []byte) ([]byte, *Error) {
	r, ok := hex4(d.text[d.pos+1:])
	if !ok {
		return nil, d.fail("expected four hexadecimal digits")
	}
	d.pos += 5
	if utf16.IsSurrogate(r) {
		if rest := d.text[d.pos:]; strings.HasPrefix(rest, `\u`) {
			if low, ok := hex4(rest[2:]); ok {
				if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
					d.pos += 6
					return utf8.AppendRune(b, pair), nil
				}
			}
		}
	}
	return utf8.AppendRune(b, r), nil
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for i := range 4 {
		c := s[i] | 0x20
		switch {
		case s[i] >= '0' && s[i] <= '9':
			r = r<<4 | rune(s[i]-'0')
		case c >= 'a' && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
