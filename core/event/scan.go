package event

import (
	"bytes"
	"iter"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner walks JSON that is known to be valid, keeping the order of members, which encoding/json's maps lose.
type scanner struct {
	text []byte
	at   int
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// value returns the raw text of the value that begins here or after white space, and stands behind it.
func (s *scanner) value() []byte {
	s.space()
	start := s.at
	switch s.text[s.at] {
	case '"':
		s.skipString()
	case '{', '[':
		s.skipNested()
	default:
		for s.at < len(s.text) && !bytes.ContainsRune([]byte(",]} \t\n\r"), rune(s.text[s.at])) {
			s.at++
		}
	}
	return s.text[start:s.at]
}

func (s *scanner) skipString() {
	s.at++
	for s.text[s.at] != '"' {
		if s.text[s.at] == '\\' {
			s.at++
		}
		s.at++
	}
	s.at++
}

func (s *scanner) skipNested() {
	depth := 0
	for {
		switch s.text[s.at] {
		case '"':
			s.skipString()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		s.at++
		if depth == 0 {
			return
		}
	}
}

// members yields the members of the object that is the whole text: in order, a repeated name each time it comes.
func (s *scanner) members() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		s.at++
		for s.space(); s.text[s.at] != '}'; s.space() {
			name := unquote(s.value())
			s.space()
			s.at++ // colon
			if !yield(name, s.value()) {
				return
			}
			s.space()
			if s.text[s.at] == ',' {
				s.at++
			}
		}
	}
}

// elements yields the elements of the list that is the whole text.
func (s *scanner) elements() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		s.at++
		i := 0
		for s.space(); s.text[s.at] != ']'; s.space() {
			if !yield(i, s.value()) {
				return
			}
			i++
			s.space()
			if s.text[s.at] == ',' {
				s.at++
			}
		}
	}
}

func unquote(quoted []byte) string { return string(unquoteBytes(quoted)) }

// unquoteBytes is the content of a JSON string. Without escapes it lies inside the argument.
func unquoteBytes(quoted []byte) []byte {
	in := quoted[1 : len(quoted)-1]
	i := bytes.IndexByte(in, '\\')
	if i < 0 {
		return in
	}
	out := append(make([]byte, 0, len(in)), in[:i]...)
	for i < len(in) {
		if in[i] != '\\' {
			next := bytes.IndexByte(in[i:], '\\')
			if next < 0 {
				return append(out, in[i:]...)
			}
			out = append(out, in[i:i+next]...)
			i += next
			continue
		}
		if in[i+1] == 'u' {
			r, n := unquoteRune(in[i:])
			out = utf8.AppendRune(out, r)
			i += n
			continue
		}
		out = append(out, unescaped(in[i+1]))
		i += 2
	}
	return out
}

func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// unquoteRune reads \uXXXX, or two of them that make a pair; half a pair is U+FFFD.
func unquoteRune(s []byte) (rune, int) {
	r := hex4(s[2:6])
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
		if pair := utf16.DecodeRune(r, hex4(s[8:12])); pair != utf8.RuneError {
			return pair, 12
		}
	}
	return utf8.RuneError, 6
}

func hex4(s []byte) rune {
	var r rune
	for _, c := range s {
		r = r<<4 | rune(unhex(c))
	}
	return r
}
