package event

import (
	"unicode/utf8"
)

// appendMember appends "name":"value".
func appendMember(dst []byte, name, value string) []byte {
	dst = append(appendString(dst, name), ':')
	return appendString(dst, value)
}

// appendNullable is appendMember with null for the empty text.
func appendNullable(dst []byte, name, value string) []byte {
	if value == "" {
		return append(append(appendString(dst, name), ':'), "null"...)
	}
	return appendMember(dst, name, value)
}

// appendOptional appends a comma and the member, or nothing for the empty text.
func appendOptional(dst []byte, name, value string) []byte {
	if value == "" {
		return dst
	}
	return appendMember(append(dst, ','), name, value)
}

const hexDigits = "0123456789ABCDEF"

// appendString appends a JSON string. Only what JSON demands is escaped; bytes that are not UTF-8 become U+FFFD, which is
// also what AWS makes of binary bodies without binary media types (spec/rest.md, trap 31).
func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			if n := runeLen(s[i:min(i+utf8.UTFMax, len(s))]); n > 0 {
				i += n
				continue
			}
			dst = append(append(dst, s[start:i]...), "\uFFFD"...)
			i++
			start = i
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[start:i]...)
		dst = appendEscape(dst, c)
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, `\b`...)
	case '\f':
		return append(dst, `\f`...)
	case '\n':
		return append(dst, `\n`...)
	case '\r':
		return append(dst, `\r`...)
	case '\t':
		return append(dst, `\t`...)
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// runeLen is the length of the rune s begins with, or 0 when that is not valid UTF-8.
func runeLen[T string | []byte](s T) int {
	var b [utf8.UTFMax]byte
	r, n := utf8.DecodeRune(b[:copy(b[:], s)])
	if r == utf8.RuneError && n <= 1 {
		return 0
	}
	return n
}
