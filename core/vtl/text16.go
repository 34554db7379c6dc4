package vtl

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// Java's strings are sequences of 16-bit units, ours are UTF-8. These functions translate lengths and indices; text that is
// ASCII, which is nearly all of it, is translated by doing nothing (spec/vtl.md 11).

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// decode is the first code point of s and its length in bytes. A lone surrogate, which UTF-8 has no place for, is three
// bytes; any other broken byte stands for U+FFFD.
func decode(s string) (rune, int) {
	if s[0] < utf8.RuneSelf {
		return rune(s[0]), 1
	}
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 && len(s) >= 3 && s[0] == 0xED && s[1]&0xE0 == 0xA0 && s[2]&0xC0 == 0x80 {
		return 0xD000 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), 3
	}
	return r, n
}

// decodeLast is decode for the end of s.
func decodeLast(s string) (rune, int) {
	if c := s[len(s)-1]; c < utf8.RuneSelf {
		return rune(c), 1
	}
	if n := len(s); n >= 3 && s[n-3] == 0xED {
		if r, k := decode(s[n-3:]); k == 3 {
			return r, 3
		}
	}
	return utf8.DecodeLastRuneInString(s)
}

// length16 is Java's length().
func length16(s string) int {
	if isASCII(s) {
		return len(s)
	}
	n := 0
	for len(s) > 0 {
		r, size := decode(s)
		n++
		if r > 0xFFFF {
			n++
		}
		s = s[size:]
	}
	return n
}

// units is the string in Java's form.
func units(s string) []uint16 {
	u := make([]uint16, 0, len(s))
	for len(s) > 0 {
		r, size := decode(s)
		if r > 0xFFFF {
			hi, lo := utf16.EncodeRune(r)
			u = append(u, uint16(hi), uint16(lo))
		} else {
			u = append(u, uint16(r))
		}
		s = s[size:]
	}
	return u
}

// fromUnits is the string of Java's form.
func fromUnits(u []uint16) string {
	b := make([]byte, 0, len(u))
	for _, c := range u {
		b = appendUnit(b, c)
	}
	return string(b)
}

// appendUnit adds one unit; a low surrogate behind a high one completes it.
func appendUnit(b []byte, c uint16) []byte {
	switch {
	case c < utf8.RuneSelf:
		return append(b, byte(c))
	case c < 0xD800 || c > 0xDFFF:
		return utf8.AppendRune(b, rune(c))
	case c >= 0xDC00 && len(b) >= 3:
		if hi, n := decodeLast(string(b[len(b)-3:])); n == 3 && hi >= 0xD800 && hi < 0xDC00 {
			return utf8.AppendRune(b[:len(b)-3], utf16.DecodeRune(hi, rune(c)))
		}
	}
	return appendUnitAlone(b, c)
}

// appendUnitAlone adds one unit; halves stay apart.
func appendUnitAlone(b []byte, c uint16) []byte {
	if c < 0xD800 || c > 0xDFFF {
		return utf8.AppendRune(b, rune(c))
	}
	return append(b, 0xED, 0x80|byte(c>>6)&0x3F, 0x80|byte(c)&0x3F)
}

// hasPairs reports whether a text has characters above U+FFFF.
func hasPairs(s string) bool {
	for i := range len(s) {
		if s[i] >= 0xF0 {
			return true
		}
	}
	return false
}

// together joins halves that stand beside each other.
func together(s string) string {
	for i := 0; i+5 < len(s); i++ {
		if s[i] == 0xED && s[i+1] >= 0xA0 {
			return fromUnits(units(s))
		}
	}
	return s
}

// mend joins halves that have met and replaces those that have not by "?", as Java's encoder does. It is for the finished
// output; text without halves is returned as it is.
func mend(b []byte) []byte {
	for i := 0; ; i++ {
		next := bytes.IndexByte(b[i:], 0xED)
		if next < 0 || i+next+2 >= len(b) {
			return b
		}
		if i += next; b[i+1] >= 0xA0 {
			return mendFrom(b, i)
		}
	}
}

func mendFrom(b []byte, i int) []byte {
	out := append([]byte(nil), b[:i]...)
	s := string(b[i:])
	for len(s) > 0 {
		r, n := decode(s)
		if r < 0xD800 || r > 0xDFFF {
			out = append(out, s[:n]...)
			s = s[n:]
			continue
		}
		if len(s) > 3 {
			if lo, k := decode(s[3:]); utf16.DecodeRune(r, lo) != utf8.RuneError {
				out = utf8.AppendRune(out, utf16.DecodeRune(r, lo))
				s = s[3+k:]
				continue
			}
		}
		out = append(out, '?')
		s = s[3:]
	}
	return out
}

// joined mends halves that meet where two strings are put together.
func joined(a, b string) string {
	if len(a) >= 3 && len(b) >= 3 && a[len(a)-3] == 0xED && b[0] == 0xED {
		return fromUnits(append(units(a), units(b)...))
	}
	return a + b
}

// offset16 is the byte offset of unit i; inside says that i is the second half of a pair. -1 behind the end.
func offset16(s string, i int) (offset int, inside bool) {
	for offset < len(s) && i > 0 {
		r, n := decode(s[offset:])
		if r > 0xFFFF {
			if i == 1 {
				return offset, true
			}
			i--
		}
		i--
		offset += n
	}
	if i > 0 {
		return -1, false
	}
	return offset, false
}

// substring16 is Java's substring; false when the indices are out of range.
func substring16(s string, from, to int) (string, bool) {
	if from < 0 || from > to {
		return "", false
	}
	if isASCII(s) {
		if to > len(s) {
			return "", false
		}
		return s[from:to], true
	}
	start, half1 := offset16(s, from)
	end, half2 := offset16(s, to)
	if start < 0 || end < 0 {
		return "", false
	}
	if half1 || half2 {
		return fromUnits(units(s)[from:to]), true
	}
	return s[start:end], true
}

// index16 is the unit index of a byte offset.
func index16(s string, offset int) int {
	if offset < 0 {
		return offset
	}
	return length16(s[:offset])
}
