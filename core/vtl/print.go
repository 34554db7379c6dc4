package vtl

import (
	"math"
	"strconv"
)

// appendValue appends the printed form, what Java's toString gives (spec/vtl.md 6.3). When the meter runs out the rest is
// missing; the caller looks at its err.
func appendValue(dst []byte, v Value, m *meter) []byte {
	switch v.kind {
	case String:
		return append(dst, v.text()...)
	case Integer, Long:
		return strconv.AppendInt(dst, int64(v.num), 10)
	case Null:
		return append(dst, "null"...)
	case Boolean:
		return strconv.AppendBool(dst, v.num == 1)
	case Double:
		return appendDouble(dst, v.double())
	case Character:
		return appendUnit(dst, uint16(v.num))
	case BigInteger:
		return v.big().Append(dst, 10)
	case BigDecimal:
		return v.dec().append(dst)
	case ListKind:
		return appendList(dst, v.List(), m)
	case MapKind:
		return appendMap(dst, v.Map(), m)
	}
	if s, ok := v.any().(sequence); ok {
		if w, ok := s.(*view); ok {
			return appendView(dst, w, m)
		}
	}
	if e, ok := v.any().(*entry); ok {
		dst = append(appendValue(dst, e.key, m), '=')
		return appendValue(dst, e.value, m)
	}
	if p, ok := v.any().(Printer); ok {
		return p.AppendText(dst)
	}
	return dst
}

// element appends what stands in a list or map, guarded against values that contain themselves.
func element(dst []byte, v Value, self any, m *meter) []byte {
	if v.kind < ListKind {
		m.fits(len(dst))
		return appendValue(dst, v, m)
	}
	if v.kind != ObjectKind && v.any() == self {
		if v.kind == MapKind {
			return append(dst, "(this Map)"...)
		}
		return append(dst, "(this Collection)"...)
	}
	if m.enter() && m.spend(1) && m.fits(len(dst)) {
		dst = appendValue(dst, v, m)
	}
	m.leave()
	return dst
}

func appendList(dst []byte, l *List, m *meter) []byte {
	switch {
	case l.class == jsonArray:
		return appendJSON(dst, ListValue(l), true, m)
	case l.class.isArray():
		return append(append(dst, l.class.name()...), "@0"...)
	}
	start := len(dst)
	dst = append(dst, '[')
	for i := range l.items {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if dst = element(dst, l.items[i], l, m); m.err != nil {
			return dst
		}
	}
	m.spend(len(l.items) + (len(dst)-start)>>4)
	return append(dst, ']')
}

func appendView(dst []byte, w *view, m *meter) []byte {
	dst = append(dst, '[')
	for i := range w.m.entries {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		v, _ := w.at(i)
		if dst = element(dst, v, w, m); m.err != nil {
			return dst
		}
	}
	return append(dst, ']')
}

func appendMap(dst []byte, t *Map, m *meter) []byte {
	if t.Silent {
		return dst
	}
	start := len(dst)
	dst = append(dst, '{')
	for i := range t.entries {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(element(dst, t.entries[i].key, t, m), '=')
		if dst = element(dst, t.entries[i].value, t, m); m.err != nil {
			return dst
		}
	}
	m.spend(len(t.entries) + (len(dst)-start)>>4)
	return append(dst, '}')
}

// appendDouble is Java's Double.toString: plain from 10^-3 up to 10^7, else with an exponent, always with a digit behind
// the point, and no more digits than it takes to read the same number back.
func appendDouble(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	}
	if a := math.Abs(f); a == 0 || a >= 1e-3 && a < 1e7 {
		start := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
		for _, c := range dst[start:] {
			if c == '.' {
				return dst
			}
		}
		return append(dst, ".0"...)
	}
	var buffer [32]byte
	digits := strconv.AppendFloat(buffer[:0], f, 'e', -1, 64)
	if len(digits) > 1 && (digits[1] == 'e' || digits[0] == '-' && digits[2] == 'e') {
		// Of the two-digit numbers that read back Java takes the nearest: 4.9E-324, where one digit would do.
		var two [32]byte
		longer := strconv.AppendFloat(two[:0], f, 'e', 1, 64)
		if g, _ := strconv.ParseFloat(string(longer), 64); g == f {
			digits = append(digits[:0], longer...)
		}
	}
	mantissa := 0
	for digits[mantissa] != 'e' {
		mantissa++
	}
	dst = append(dst, digits[:mantissa]...)
	if mantissa <= 2 && digits[mantissa-1] != '.' && (mantissa == 1 || digits[0] == '-') {
		dst = append(dst, ".0"...)
	}
	exponent, _ := strconv.Atoi(string(digits[mantissa+1:]))
	return strconv.AppendInt(append(dst, 'E'), int64(exponent), 10)
}

// AppendJSON appends a value as compact JSON text in the form of $input.json: "/" is not escaped (spec/vtl.md 9.1).
func AppendJSON(dst []byte, v Value) []byte {
	return appendJSON(dst, v, false, newMeter(Limits{}.withDefaults()))
}

func appendJSON(dst []byte, v Value, slash bool, m *meter) []byte {
	if v.kind < ListKind {
		m.fits(len(dst))
		return appendJSONScalar(dst, v, slash, m)
	}
	if m.enter() && m.fits(len(dst)) {
		dst = appendJSONNested(dst, v, slash, m)
	}
	m.leave()
	return dst
}

func appendJSONScalar(dst []byte, v Value, slash bool, m *meter) []byte {
	switch v.kind {
	case String:
		return appendQuoted(dst, v.text(), slash)
	case Character:
		return appendQuoted(dst, string(appendValue(nil, v, m)), slash)
	case Double:
		if f := v.double(); math.IsNaN(f) || math.IsInf(f, 0) {
			return append(dst, "null"...)
		}
	}
	return appendValue(dst, v, m)
}

func appendJSONNested(dst []byte, v Value, slash bool, m *meter) []byte {
	switch v.kind {
	case MapKind:
		return appendJSONMap(dst, v.Map(), slash, m)
	case ListKind:
		return appendJSONItems(dst, v.List().items, slash, m)
	}
	w, ok := v.any().(*view)
	if !ok {
		return appendQuoted(dst, string(appendValue(nil, v, m)), slash)
	}
	items := make([]Value, w.m.Len())
	for i := range items {
		items[i], _ = w.at(i)
	}
	return appendJSONItems(dst, items, slash, m)
}

func appendJSONItems(dst []byte, items []Value, slash bool, m *meter) []byte {
	start := len(dst)
	dst = append(dst, '[')
	for i := range items {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst = appendJSON(dst, items[i], slash, m); m.err != nil {
			return dst
		}
	}
	m.spend(len(items) + (len(dst)-start)>>4)
	return append(dst, ']')
}

func appendJSONMap(dst []byte, t *Map, slash bool, m *meter) []byte {
	start := len(dst)
	dst = append(dst, '{')
	for i := range t.entries {
		e := &t.entries[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		if e.key.kind == String {
			dst = appendQuoted(dst, e.key.text(), slash)
		} else {
			dst = appendQuoted(dst, string(appendValue(nil, e.key, m)), slash)
		}
		if dst = appendJSON(append(dst, ':'), e.value, slash, m); m.err != nil {
			return dst
		}
	}
	m.spend(len(t.entries) + (len(dst)-start)>>4)
	return append(dst, '}')
}

// plainJSON marks the bytes that stand for themselves in a JSON string; the others are looked at one by one.
var plainJSON = func() (plain [256]bool) {
	for c := range 256 {
		plain[c] = c >= 0x20 && c < 0x7F && c != '"' && c != '\\' && c != '/'
	}
	return plain
}()

func appendQuoted(dst []byte, s string, slash bool) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		if plainJSON[s[i]] {
			i++
			continue
		}
		r, n := decode(s[i:])
		escape := escapeJSON(r, slash)
		if escape != 0 {
			dst = append(dst, s[start:i]...)
			start = i + n
			if dst = append(dst, '\\', escape); escape == 'u' {
				const hex = "0123456789ABCDEF"
				dst = append(dst, hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
			}
		}
		i += n
	}
	return append(append(dst, s[start:]...), '"')
}

// escapeJSON is the character behind the backslash, 0 when a rune stands for itself.
func escapeJSON(r rune, slash bool) byte {
	switch r {
	case '"', '\\':
		return byte(r)
	case '/':
		if slash {
			return '/'
		}
		return 0
	case '\b':
		return 'b'
	case '\f':
		return 'f'
	case '\n':
		return 'n'
	case '\r':
		return 'r'
	case '\t':
		return 't'
	}
	if r < 0x20 || r >= 0x7F && r < 0xA0 || r >= 0x2000 && r < 0x2100 {
		return 'u'
	}
	return 0
}
