package regex

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// set is a class of characters: a union, which may be intersected with others and turned round.
type set struct {
	negate bool
	ranges []span
	tests  []func(rune) bool
	items  []*set
	and    []*set
	ascii  [utf8.RuneSelf]bool // the answers for ASCII, once frozen
	frozen bool
}

type span struct{ low, high rune }

func (s *set) add(low, high rune) { s.ranges = append(s.ranges, span{low, high}) }

// addChar adds a character, and the other cases of it.
func (s *set) addChar(r rune, fold, unicodeCase bool) { s.addRange(r, r, fold, unicodeCase) }

func (s *set) addRange(low, high rune, fold, unicodeCase bool) {
	s.add(low, high)
	if !fold {
		return
	}
	if unicodeCase {
		s.tests = append(s.tests, func(r rune) bool {
			for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
				if f >= low && f <= high {
					return true
				}
			}
			return false
		})
		return
	}
	for r := max(low, 'A'); r <= min(high, 'z'); r++ {
		if isLetter(r) {
			s.add(r^0x20, r^0x20)
		}
	}
}

func (s *set) has(r rune) bool {
	if uint32(r) < utf8.RuneSelf && s.frozen {
		return s.ascii[r]
	}
	return s.test(r)
}

// run is how far characters of a frozen set go from a place of the text, and how many they are: at most limit of them, or any
// number if that is negative.
func (s *set) run(text string, at, limit int) (end, n int) {
	for at < len(text) && n != limit {
		size := 1
		if c := text[at]; c >= utf8.RuneSelf {
			var r rune
			if r, size = decodeRune(text[at:]); !s.test(r) {
				break
			}
		} else if !s.ascii[c] {
			break
		}
		at += size
		n++
	}
	return at, n
}

// skip is the next place of the text with a character of a frozen set, or the end.
func (s *set) skip(text string, at int) int {
	for at < len(text) {
		if c := text[at]; c < utf8.RuneSelf {
			if s.ascii[c] {
				return at
			}
			at++
			continue
		}
		r, size := decodeRune(text[at:])
		if s.test(r) {
			return at
		}
		at += size
	}
	return at
}

func (s *set) test(r rune) bool {
	found := s.union(r)
	for _, other := range s.and {
		found = found && other.has(r)
	}
	return found != s.negate
}

func (s *set) union(r rune) bool {
	for _, x := range s.ranges {
		if r >= x.low && r <= x.high {
			return true
		}
	}
	for _, item := range s.items {
		if item.has(r) {
			return true
		}
	}
	for _, test := range s.tests {
		if test(r) {
			return true
		}
	}
	return false
}

// freeze computes the answers for ASCII; nothing may be added afterwards.
func (s *set) freeze() *set {
	for r := range rune(utf8.RuneSelf) {
		s.ascii[r] = s.test(r)
	}
	s.frozen = true
	return s
}

func isLetter(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' }

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

func isWord(r rune) bool { return isLetter(r) || isDigit(r) || r == '_' }

func isLetterOrDigit(r rune) bool {
	return r == '_' || unicode.IsLetter(r) || unicode.Is(unicode.Nd, r)
}

func isUnicodeWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.Is(unicode.Nd, r) || unicode.Is(unicode.Pc, r) || r == 0x200C || r == 0x200D
}

func isSpace(r rune) bool { return r == ' ' || r >= '\t' && r <= '\r' }

func isECMASpace(r rune) bool {
	return isSpace(r) || r == 0xA0 || r == 0xFEFF || r == 0x2028 || r == 0x2029 || unicode.Is(unicode.Zs, r)
}

func isHorizontal(r rune) bool {
	switch r {
	case ' ', '\t', 0xA0, 0x1680, 0x180E, 0x202F, 0x205F, 0x3000:
		return true
	}
	return r >= 0x2000 && r <= 0x200A
}

func isVertical(r rune) bool {
	return r >= '\n' && r <= '\r' || r == 0x85 || r == 0x2028 || r == 0x2029
}

// isTerminator: what "." does not match and "$" looks for.
func isTerminator(r rune) bool {
	return r == '\n' || r == '\r' || r == 0x85 || r == 0x2028 || r == 0x2029
}

// predefined is \d \w \s \h \v, and \D … for the capital letter; nil for any other.
func predefined(letter rune, f flags) *set {
	var test func(rune) bool
	switch letter | 0x20 {
	case 'd':
		test = isDigit
		if f.unicodeClass {
			test = unicode.IsDigit
		}
	case 'w':
		test = isWord
		if f.unicodeClass {
			test = isUnicodeWord
		}
	case 's':
		test = isSpace
		switch {
		case f.ecma:
			test = isECMASpace
		case f.unicodeClass:
			test = unicode.IsSpace
		}
	case 'h':
		test = isHorizontal
	case 'v':
		test = isVertical
	default:
		return nil
	}
	return (&set{tests: []func(rune) bool{test}, negate: letter < 'a'}).freeze()
}

// dot is "." under the flags.
func dot(f flags) *set {
	s := &set{negate: true}
	switch {
	case f.dotAll:
	case f.unixLines:
		s.add('\n', '\n')
	case f.ecma:
		s.add('\n', '\n')
		s.add('\r', '\r')
		s.add(0x2028, 0x2029)
	default:
		s.tests = append(s.tests, isTerminator)
	}
	return s.freeze()
}

// posix are Java's names of ASCII classes.
var posix = map[string]func(rune) bool{
	"Lower":  func(r rune) bool { return r >= 'a' && r <= 'z' },
	"Upper":  func(r rune) bool { return r >= 'A' && r <= 'Z' },
	"ASCII":  func(r rune) bool { return r < 128 },
	"Alpha":  isLetter,
	"Digit":  isDigit,
	"Alnum":  func(r rune) bool { return isLetter(r) || isDigit(r) },
	"Punct":  isPunct,
	"Graph":  func(r rune) bool { return r > ' ' && r < 127 },
	"Print":  func(r rune) bool { return r >= ' ' && r < 127 },
	"Blank":  func(r rune) bool { return r == ' ' || r == '\t' },
	"Cntrl":  func(r rune) bool { return r < ' ' || r == 127 },
	"XDigit": func(r rune) bool { return isDigit(r) || r|0x20 >= 'a' && r|0x20 <= 'f' },
	"Space":  isSpace,

	"javaLowerCase":     unicode.IsLower,
	"javaUpperCase":     unicode.IsUpper,
	"javaWhitespace":    func(r rune) bool { return unicode.IsSpace(r) && r != 0xA0 && r != 0x85 && r != 0x2007 && r != 0x202F },
	"javaLetter":        unicode.IsLetter,
	"javaDigit":         unicode.IsDigit,
	"javaLetterOrDigit": func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) },
	"javaAlphabetic":    unicode.IsLetter,

	"L1":  func(r rune) bool { return r <= 0xFF },
	"all": func(rune) bool { return true },
	"LC":  func(r rune) bool { return unicode.IsUpper(r) || unicode.IsLower(r) || unicode.IsTitle(r) },
	"LD":  func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) },
}

func isPunct(r rune) bool { return r > ' ' && r < 127 && !isLetter(r) && !isDigit(r) }

// binary are Unicode's properties behind Is.
var binary = map[string]func(rune) bool{
	"alphabetic": unicode.IsLetter, "letter": unicode.IsLetter, "lowercase": unicode.IsLower, "uppercase": unicode.IsUpper,
	"digit": unicode.IsDigit, "punctuation": unicode.IsPunct, "white_space": unicode.IsSpace, "whitespace": unicode.IsSpace,
	"control": unicode.IsControl, "titlecase": unicode.IsTitle,
	"ideographic": func(r rune) bool { return unicode.Is(unicode.Ideographic, r) },
	"hex_digit":   func(r rune) bool { return unicode.Is(unicode.Hex_Digit, r) },
	"assigned": func(r rune) bool {
		return unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.C)
	},
}

// property is \p{name}; nil for a name that is not known.
func property(name string) func(rune) bool {
	if test := posix[name]; test != nil {
		return test
	}
	if key, value, ok := strings.Cut(name, "="); ok {
		switch strings.ToLower(key) {
		case "script", "sc":
			return table(unicode.Scripts, value)
		case "general_category", "gc":
			return table(unicode.Categories, value)
		}
		return nil
	}
	if rest, ok := strings.CutPrefix(name, "Is"); ok {
		if test := binary[strings.ToLower(rest)]; test != nil {
			return test
		}
		if test := table(unicode.Scripts, rest); test != nil {
			return test
		}
		return table(unicode.Categories, rest)
	}
	return table(unicode.Categories, name)
}

func table(tables map[string]*unicode.RangeTable, name string) func(rune) bool {
	for key, t := range tables {
		if strings.EqualFold(key, name) {
			return func(r rune) bool { return unicode.Is(t, r) }
		}
	}
	return nil
}
