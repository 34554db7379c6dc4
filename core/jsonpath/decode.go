package jsonpath

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxDepth is how deep arrays and objects of a document may nest.
const MaxDepth = 1000

// Builder makes something of a document while it is read: an array or an object comes behind its values.
type Builder interface {
	// Scalar is a value that is neither.
	Scalar(v Value)
	// Array takes the last n values.
	Array(n int)
	// Object takes as many values as there are keys; names belongs to the reader again when Object returns. Unless the keys are
	// known to be distinct one may stand more than once: then the last value counts, at the place of the first, as in Java's maps.
	Object(names []string, distinct bool)
}

// Read reads one JSON document and tells b of it. Strings without escapes share memory with text. An error is an *Error.
func Read(text string, b Builder) error {
	d := decoders.Get().(*decoder)
	defer d.release()
	d.text, d.to = text, b
	if err := d.document(); err != nil {
		return err
	}
	return nil
}

// ParseJSON reads one JSON document. Strings without escapes share memory with text.
func ParseJSON(text string) (Value, error) {
	t := tree{}
	if err := Read(text, &t); err != nil {
		return Value{}, err
	}
	return t.values[0], nil
}

// parseLenient reads a literal of a filter as the Java library does: strings may stand between apostrophes or bare.
func parseLenient(text string) (Value, *Error) {
	t := tree{}
	d := decoder{text: text, lenient: true, to: &t}
	if err := d.document(); err != nil {
		return Value{}, err
	}
	return t.values[0], nil
}

// decoder is a recursive descent over the text.
type decoder struct {
	text    string
	pos     int
	depth   int
	lenient bool
	compact bool     // only what AppendJSON would write just so
	names   []string // of the objects under way
	to      Builder
}

// decoders keeps the stacks of names of decoders that are done.
var decoders = sync.Pool{New: func() any { return &decoder{} }}

// keptNames bounds the stack that is kept.
const keptNames = 1024

func (d *decoder) release() {
	names := d.names[:0]
	if cap(names) > keptNames {
		names = nil
	}
	clear(names[:cap(names)])
	*d = decoder{names: names}
	decoders.Put(d)
}

func (d *decoder) fail(message string) *Error {
	return &Error{Code: InvalidJSON, Position: d.pos, Message: message}
}

func (d *decoder) document() *Error {
	d.space()
	if err := d.value(); err != nil {
		return err
	}
	d.space()
	if d.pos < len(d.text) {
		return d.fail("unexpected text after the value")
	}
	return nil
}

func (d *decoder) space() {
	for d.pos < len(d.text) && d.text[d.pos] <= ' ' && !d.compact {
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

func (d *decoder) value() *Error {
	switch c := d.peek(); {
	case c == '"' || c == '\'' && d.lenient:
		s, err := d.quoted(c)
		if err == nil {
			d.to.Scalar(StringValue(s))
		}
		return err
	case c == '{':
		return d.object()
	case c == '[':
		return d.array()
	case c == '-' || c >= '0' && c <= '9':
		return d.number()
	}
	v, err := d.word()
	if err == nil {
		d.to.Scalar(v)
	}
	return err
}

// open takes a bracket and reports whether what it opens is empty.
func (d *decoder) open(closing byte) (empty bool, err *Error) {
	if d.depth++; d.depth > MaxDepth {
		return false, &Error{Code: TooComplex, Position: d.pos, Message: "document is nested too deeply"}
	}
	d.pos++
	if d.space(); d.peek() == closing {
		d.pos++
		return true, nil
	}
	return false, nil
}

func (d *decoder) array() *Error {
	n := 0
	end, err := d.open(']')
	for ; !end && err == nil; n++ {
		d.space()
		if err = d.value(); err == nil {
			end, err = d.separator(']')
		}
	}
	if err == nil {
		d.depth--
		d.to.Array(n)
	}
	return err
}

func (d *decoder) object() *Error {
	from, distinct, known := len(d.names), true, filter(0)
	end, err := d.open('}')
	for !end && err == nil {
		if err = d.member(); err == nil {
			distinct = distinct && known.add(d.names[from:])
			end, err = d.separator('}')
		}
	}
	if err == nil {
		d.depth--
		d.to.Object(d.names[from:], distinct)
		d.names = d.names[:from]
	}
	return err
}

// filter has a bit for each key of an object, so that most are known to be new without a look at those before.
type filter uint64

// lookedAt is how many keys a key may be compared with.
const lookedAt = 64

// add adds the last key and reports whether it is known to be none of those before.
func (f *filter) add(names []string) bool {
	last := len(names) - 1
	name := names[last]
	hash := len(name)
	if hash > 0 {
		hash += int(name[0])*7 + int(name[hash/2])*3 + int(name[hash-1])*31
	}
	bit := filter(1) << (hash & 63)
	seen := *f&bit != 0
	*f |= bit
	return !seen || last <= lookedAt && !slices.Contains(names[:last], name)
}

func (d *decoder) member() *Error {
	d.space()
	name, err := d.name()
	if err != nil {
		return err
	}
	if d.space(); d.peek() != ':' {
		return d.fail("expected ':' after a key")
	}
	d.pos++
	d.names = append(d.names, name)
	d.space()
	return d.value()
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

func (d *decoder) number() *Error {
	from := d.pos
	if d.peek() == '-' {
		d.pos++
	}
	whole := d.pos
	d.digits()
	end := d.pos
	ok := end > whole && (d.text[whole] != '0' || end == whole+1 || d.lenient)
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
		return d.fail("malformed number")
	}
	v := Value{kind: Number, text: d.text[from:d.pos]}
	if end == d.pos && len(v.text) < 10 {
		v.class = Integer
	}
	if d.compact && !printsAsItStands(v) {
		return d.fail("a number that prints in another way")
	}
	d.to.Scalar(v)
	return nil
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
		case c == '\\' && !d.compact:
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

// plainBytes is how many bytes at the beginning of s need no second look. It looks at eight at a time: a byte that is not plain
// sets its highest bit, and only bytes behind one may be mistaken.
func plainBytes(s string, quote byte) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		word := binary.LittleEndian.Uint64([]byte(s[i : i+8]))
		quotes, escapes := word^ones*uint64(quote), word^ones*'\\'
		if odd := (word | (word + ones) | (word - ones*' ') | (quotes - ones) | (escapes - ones)) & high; odd != 0 {
			return i + bits.TrailingZeros64(odd)/8
		}
	}
	for i < len(s) && plain[s[i]] && s[i] != quote {
		i++
	}
	return i
}

func (d *decoder) rune() *Error {
	r, n := utf8.DecodeRuneInString(d.text[d.pos:])
	if r == utf8.RuneError && n == 1 {
		return d.fail("invalid UTF-8")
	}
	if d.compact && escape(r, Plain) != 0 {
		return d.fail("a character that prints as an escape")
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
