package regex

import (
	"unicode/utf16"
	"unicode/utf8"
)

// Java's strings have places between the two halves of a character above U+FFFF, and an empty match may be there. UTF-8 has
// none: where it matters the caller writes the halves as three bytes each, as if they were characters. Two that belong
// together are one character to a pattern, like in Java; one alone is itself.

// halfLength is the length of one half.
const halfLength = 3

func decodeRune(s string) (rune, int) {
	if r, n := utf8.DecodeRuneInString(s); n != 1 {
		return r, n
	}
	high, ok := half(s)
	if !ok {
		return utf8.RuneError, 1
	}
	if low, ok := half(s[halfLength:]); ok {
		if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
			return r, 2 * halfLength
		}
	}
	return high, halfLength
}

func decodeLastRune(s string) (rune, int) {
	r, n := utf8.DecodeLastRuneInString(s)
	at := len(s) - halfLength
	if n != 1 || at < 0 {
		return r, n
	}
	low, ok := half(s[at:])
	if !ok {
		return utf8.RuneError, 1
	}
	if at >= halfLength {
		if r, n := decodeRune(s[at-halfLength:]); n == 2*halfLength {
			return r, n
		}
	}
	return low, halfLength
}

// half reads the three bytes of one half.
func half(s string) (rune, bool) {
	if len(s) < halfLength || s[0] != 0xED || s[1]&0xE0 != 0xA0 || s[2]&0xC0 != 0x80 {
		return 0, false
	}
	return 0xD000 | rune(s[1]&0x3F)<<6 | rune(s[2]&0x3F), true
}
