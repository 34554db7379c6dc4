package vtl

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// stringMethods are java.lang.String's (spec/vtl.md 6.2).
var stringMethods = []method{
	{"length", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return IntValue(int64(length16(s.text()))), nil }},
	{"isEmpty", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return BoolValue(s.text() == ""), nil }},
	{"isBlank", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return BoolValue(isBlankText(s.text())), nil }},
	{"charAt", "I", charAt},
	{"codePointAt", "I", codePointAt},
	{"substring", "I", substring},
	{"substring", "II", substring},
	{"subSequence", "II", substring},
	{"indexOf", "S", indexOfText},
	{"indexOf", "SI", indexOfText},
	{"indexOf", "I", indexOfChar},
	{"indexOf", "II", indexOfChar},
	{"lastIndexOf", "S", lastIndexOfText},
	{"lastIndexOf", "SI", lastIndexOfText},
	{"lastIndexOf", "I", lastIndexOfChar},
	{"contains", "S", func(_ *renderer, s Value, a []Value) (Value, error) {
		return BoolValue(strings.Contains(s.text(), a[0].text())), notNull(a[0])
	}},
	{"startsWith", "S", startsWith},
	{"startsWith", "SI", startsWith},
	{"endsWith", "S", func(_ *renderer, s Value, a []Value) (Value, error) {
		return BoolValue(strings.HasSuffix(s.text(), a[0].text())), notNull(a[0])
	}},
	{"equalsIgnoreCase", "S", func(_ *renderer, s Value, a []Value) (Value, error) {
		return BoolValue(a[0].kind == String && compareFolded(s.text(), a[0].text()) == 0), nil
	}},
	{"contentEquals", "S", func(_ *renderer, s Value, a []Value) (Value, error) {
		return BoolValue(s.text() == a[0].text()), notNull(a[0])
	}},
	{"compareTo", "O", func(_ *renderer, s Value, a []Value) (Value, error) {
		return IntValue(int64(compareUnits(units(s.text()), units(a[0].text())))), comparableTo(String, a[0])
	}},
	{"compareToIgnoreCase", "S", func(_ *renderer, s Value, a []Value) (Value, error) {
		return IntValue(int64(compareFolded(s.text(), a[0].text()))), notNull(a[0])
	}},
	{"concat", "S", func(r *renderer, s Value, a []Value) (Value, error) {
		r.size(len(s.text()) + len(a[0].text()))
		return StringValue(joined(s.text(), a[0].text())), errors.Join(r.err, notNull(a[0]))
	}},
	{"replace", "SS", replaceText},
	{"replace", "CC", replaceChars},
	{"replaceAll", "SS", func(r *renderer, s Value, a []Value) (Value, error) { return r.replaceRegex(s.text(), a, -1) }},
	{"replaceFirst", "SS", func(r *renderer, s Value, a []Value) (Value, error) { return r.replaceRegex(s.text(), a, 1) }},
	{"matches", "S", func(r *renderer, s Value, a []Value) (Value, error) { return r.matchesRegex(s.text(), a) }},
	{"split", "S", func(r *renderer, s Value, a []Value) (Value, error) { return r.splitRegex(s.text(), a) }},
	{"split", "SI", func(r *renderer, s Value, a []Value) (Value, error) { return r.splitRegex(s.text(), a) }},
	{"toUpperCase", "", func(r *renderer, s Value, _ []Value) (Value, error) { return StringValue(toUpper(s.text())), r.pay(s) }},
	{"toLowerCase", "", func(r *renderer, s Value, _ []Value) (Value, error) { return StringValue(toLower(s.text())), r.pay(s) }},
	{"trim", "", func(_ *renderer, s Value, _ []Value) (Value, error) {
		return StringValue(strings.TrimFunc(s.text(), func(c rune) bool { return c <= ' ' })), nil
	}},
	{"strip", "", func(_ *renderer, s Value, _ []Value) (Value, error) {
		return StringValue(strings.TrimFunc(s.text(), isJavaSpace)), nil
	}},
	{"stripLeading", "", func(_ *renderer, s Value, _ []Value) (Value, error) {
		return StringValue(strings.TrimLeftFunc(s.text(), isJavaSpace)), nil
	}},
	{"stripTrailing", "", func(_ *renderer, s Value, _ []Value) (Value, error) {
		return StringValue(strings.TrimRightFunc(s.text(), isJavaSpace)), nil
	}},
	{"repeat", "I", repeatText},
	{"toString", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return s, nil }},
	{"intern", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return s, nil }},
	{"toCharArray", "", func(r *renderer, s Value, _ []Value) (Value, error) { return ListValue(charsOf(s.text())), r.pay(s) }},
	{"getBytes", "", func(r *renderer, s Value, _ []Value) (Value, error) { return ListValue(bytesOf(s.text())), r.pay(s) }},
	{"getBytes", "S", func(r *renderer, s Value, _ []Value) (Value, error) { return ListValue(bytesOf(s.text())), r.pay(s) }},
	{"regionMatches", "ISII", regionMatches},
	{"regionMatches", "ZISII", regionMatches},
	{"format", "SO*", func(r *renderer, _ Value, a []Value) (Value, error) { return r.format(a[0], spread(a[1:])) }},
	{"formatted", "O*", func(r *renderer, s Value, a []Value) (Value, error) { return r.format(s, spread(a)) }},
	{"valueOf", "O", valueOfText},
	{"copyValueOf", "O", valueOfText},
	{"join", "SL", joinText},
	{"join", "SA", joinText},
	{"join", "SS*", joinText},
}

// spread: an array that stands for variable arguments is these arguments.
func spread(args []Value) []Value {
	if len(args) == 1 && accepts('A', args[0]) && args[0].kind != Null {
		return args[0].List().items
	}
	return args
}

var errNull = errors.New("NullPointerException")

func notNull(v Value) error {
	if v.kind == Null {
		return errNull
	}
	return nil
}

// pay charges for handling a whole string.
func (r *renderer) pay(s Value) error {
	r.size(len(s.text()))
	return r.err
}

func charAt(_ *renderer, s Value, a []Value) (Value, error) {
	i := a[0].Int()
	if isASCII(s.text()) {
		if i < 0 || i >= int64(len(s.text())) {
			return outOfRange()
		}
		return charValue(uint16(s.text()[i])), nil
	}
	u := units(s.text())
	if i < 0 || i >= int64(len(u)) {
		return outOfRange()
	}
	return charValue(u[i]), nil
}

func codePointAt(_ *renderer, s Value, a []Value) (Value, error) {
	i := a[0].Int()
	if i < 0 || i >= int64(length16(s.text())) {
		return outOfRange()
	}
	rest, _ := substring16(s.text(), int(i), length16(s.text()))
	c, _ := decode(rest)
	return IntValue(int64(c)), nil
}

func substring(r *renderer, s Value, a []Value) (Value, error) {
	to := 0
	if len(a) == 2 {
		to = int(a[1].Int())
	} else {
		to = length16(s.text())
	}
	sub, ok := substring16(s.text(), int(a[0].Int()), to)
	if !ok {
		return outOfRange()
	}
	r.spend(len(s.text()) >> 6)
	return StringValue(sub), nil
}

// indexText is Java's indexOf from a unit index.
func indexText(s, part string, from int) int {
	if from <= 0 {
		return index16(s, strings.Index(s, part))
	}
	if from >= length16(s) {
		if part == "" {
			return length16(s)
		}
		return -1
	}
	rest, _ := substring16(s, from, length16(s))
	if i := strings.Index(rest, part); i >= 0 {
		return from + index16(rest, i)
	}
	return -1
}

func indexOfText(r *renderer, s Value, a []Value) (Value, error) {
	from := 0
	if len(a) == 2 {
		from = int(a[1].Int())
	}
	r.spend(len(s.text()) >> 6)
	return IntValue(int64(indexText(s.text(), a[0].text(), from))), notNull(a[0])
}

// runeOf is the text of a code point given as a number or a character.
func runeOf(v Value) string {
	if v.num < 0x10000 {
		return string(appendUnit(nil, uint16(v.num)))
	}
	return string(rune(v.num))
}

func indexOfChar(_ *renderer, s Value, a []Value) (Value, error) {
	from := 0
	if len(a) == 2 {
		from = int(a[1].Int())
	}
	return IntValue(int64(indexText(s.text(), runeOf(a[0]), from))), nil
}

func lastIndexOfText(_ *renderer, s Value, a []Value) (Value, error) {
	text := s.text()
	if len(a) == 2 {
		from := int(a[1].Int())
		if from < 0 {
			return IntValue(-1), nil
		}
		if end := from + length16(a[0].text()); end < length16(text) {
			text, _ = substring16(text, 0, end)
		}
	}
	return IntValue(int64(index16(text, strings.LastIndex(text, a[0].text())))), notNull(a[0])
}

func lastIndexOfChar(_ *renderer, s Value, a []Value) (Value, error) {
	return IntValue(int64(index16(s.text(), strings.LastIndex(s.text(), runeOf(a[0]))))), nil
}

func startsWith(_ *renderer, s Value, a []Value) (Value, error) {
	text := s.text()
	if len(a) == 2 {
		var ok bool
		if text, ok = substring16(text, int(a[1].Int()), length16(text)); !ok {
			return BoolValue(false), nil
		}
	}
	return BoolValue(strings.HasPrefix(text, a[0].text())), notNull(a[0])
}

func compareUnits(a, b []uint16) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return int(a[i]) - int(b[i])
		}
	}
	return len(a) - len(b)
}

// compareFolded compares as equalsIgnoreCase and compareToIgnoreCase do, without regard to case: by code points, but by
// units when one of the strings is Latin-1.
func compareFolded(a, b string) int {
	if isLatin1(a) || isLatin1(b) {
		x, y := units(a), units(b)
		for i := range min(len(x), len(y)) {
			if f, g := foldCase(rune(x[i])), foldCase(rune(y[i])); f != g {
				return int(f - g)
			}
		}
		return len(x) - len(y)
	}
	for len(a) > 0 && len(b) > 0 {
		x, n := decode(a)
		y, k := decode(b)
		if f, g := foldCase(x), foldCase(y); f != g {
			return int(f - g)
		}
		a, b = a[n:], b[k:]
	}
	return length16(a) - length16(b)
}

func isLatin1(s string) bool {
	for i := range len(s) {
		if s[i] > 0xC3 {
			return false
		}
	}
	return true
}

func foldCase(r rune) rune { return unicode.ToLower(unicode.ToUpper(r)) }

func replaceText(r *renderer, s Value, a []Value) (Value, error) {
	if a[0].kind == Null || a[1].kind == Null {
		return Value{}, errNull
	}
	n := strings.Count(s.text(), a[0].text())
	if !r.size(len(s.text()) + n*len(a[1].text())) {
		return Value{}, r.err
	}
	if a[0].text() == "" && !isASCII(s.text()) {
		return replaceBetweenUnits(s.text(), a[1].text()), nil
	}
	return StringValue(strings.ReplaceAll(s.text(), a[0].text(), a[1].text())), nil
}

// replaceBetweenUnits puts a text between all units, also between the halves of a pair.
func replaceBetweenUnits(s, with string) Value {
	out := []byte(with)
	for _, u := range units(s) {
		out = append(appendUnit(out, u), with...)
	}
	return StringValue(string(out))
}

func replaceChars(r *renderer, s Value, a []Value) (Value, error) {
	u := units(s.text())
	for i := range u {
		if u[i] == uint16(a[0].num) {
			u[i] = uint16(a[1].num)
		}
	}
	return StringValue(fromUnits(u)), r.pay(s)
}

func repeatText(r *renderer, s Value, a []Value) (Value, error) {
	n := a[0].Int()
	if n < 0 {
		return Value{}, errors.New("count is negative")
	}
	if len(s.text()) > 0 && n > int64(r.limits.Output) || !r.size(len(s.text())*int(min(n, int64(r.limits.Output)))) {
		r.fail("more than %d bytes of output", r.limits.Output)
		return Value{}, r.err
	}
	if s.text() == "" {
		return s, nil
	}
	return StringValue(strings.Repeat(s.text(), int(n))), nil
}

func charsOf(s string) *List {
	l := &List{class: charArray}
	for _, u := range units(s) {
		l.items = append(l.items, charValue(u))
	}
	return l
}

func bytesOf(s string) *List {
	l := &List{class: byteArray}
	for _, c := range mend([]byte(s)) {
		l.items = append(l.items, IntValue(int64(int8(c))))
	}
	return l
}

func regionMatches(_ *renderer, s Value, a []Value) (Value, error) {
	ignoreCase := false
	if len(a) == 5 {
		ignoreCase, a = a[0].Bool(), a[1:]
	}
	from, other, at, n := int(a[0].Int()), a[1].text(), int(a[2].Int()), int(a[3].Int())
	if from < 0 || at < 0 || from > length16(s.text())-n || at > length16(other)-n {
		return BoolValue(false), notNull(a[1])
	}
	if n < 0 {
		return BoolValue(true), nil
	}
	x, ok1 := substring16(s.text(), from, from+n)
	y, ok2 := substring16(other, at, at+n)
	return BoolValue(ok1 && ok2 && (x == y || ignoreCase && compareFolded(x, y) == 0)), notNull(a[1])
}

func valueOfText(r *renderer, _ Value, a []Value) (Value, error) {
	if l := a[0].List(); l != nil && l.class == charArray {
		b := []byte{}
		for _, v := range l.items {
			b = appendUnit(b, uint16(v.num))
		}
		return StringValue(string(b)), nil
	}
	return StringValue(r.printed(a[0], "null")), r.err
}

// joinText is String.join of a collection, or of the arguments.
func joinText(r *renderer, _ Value, a []Value) (Value, error) {
	separator, parts := a[0].text(), a[1:]
	if len(parts) == 1 {
		if s, ok := parts[0].any().(sequence); ok {
			it := s.iterator()
			parts = nil
			for v, ok := it.take(); ok && r.spend(1); v, ok = it.take() {
				if v.kind != String && v.kind != Null {
					return Value{}, errors.New("ClassCastException: only strings can be joined")
				}
				parts = append(parts, v)
			}
		}
	}
	var out []byte
	for i, v := range parts {
		if i > 0 {
			out = append(out, separator...)
		}
		out = appendValue(out, v, &r.meter)
		if !r.size(len(out) >> 4) {
			break
		}
	}
	r.size(len(out))
	return StringValue(string(out)), r.err
}

func isJavaSpace(c rune) bool {
	switch c {
	case 0xA0, 0x2007, 0x202F:
		return false
	case 0x1C, 0x1D, 0x1E, 0x1F:
		return true
	case 0x85:
		return false
	}
	return unicode.IsSpace(c)
}

func isBlankText(s string) bool { return strings.TrimFunc(s, isJavaSpace) == "" }

// toUpper and toLower know the letters that become more than one.
func toUpper(s string) string {
	if isASCII(s) {
		return strings.ToUpper(s)
	}
	var b strings.Builder
	for len(s) > 0 {
		c, n := decode(s)
		switch special := upperSpecial[c]; {
		case special != "":
			b.WriteString(special)
		case c >= 0xD800 && c <= 0xDFFF, c == utf8.RuneError:
			b.WriteString(s[:n])
		default:
			b.WriteRune(unicode.ToUpper(c))
		}
		s = s[n:]
	}
	return b.String()
}

func toLower(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	var b strings.Builder
	for rest := s; len(rest) > 0; {
		c, n := decode(rest)
		switch {
		case c == 'İ':
			b.WriteString("i\u0307")
		case c == 'Σ' && isFinalSigma(s, len(s)-len(rest), n):
			b.WriteRune('ς')
		case c >= 0xD800 && c <= 0xDFFF, c == utf8.RuneError:
			b.WriteString(rest[:n])
		default:
			b.WriteRune(unicode.ToLower(c))
		}
		rest = rest[n:]
	}
	return b.String()
}

// isFinalSigma: a letter stands before it and none behind.
func isFinalSigma(s string, at, n int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:at])
	after, _ := utf8.DecodeRuneInString(s[at+n:])
	return unicode.IsLetter(before) && !unicode.IsLetter(after)
}

// upperSpecial are the letters whose upper case is more than one letter and that Go's tables leave out.
var upperSpecial = map[rune]string{
	'ß': "SS", 'ŉ': "ʼN", 'ǰ': "J̌", 'ΐ': "Ϊ́", 'ΰ': "Ϋ́", 'և': "ԵՒ", 'ẖ': "H̱", 'ẗ': "T̈", 'ẘ': "W̊", 'ẙ': "Y̊", 'ẚ': "Aʾ",
	'ﬀ': "FF", 'ﬁ': "FI", 'ﬂ': "FL", 'ﬃ': "FFI", 'ﬄ': "FFL", 'ﬅ': "ST", 'ﬆ': "ST",
	'ﬓ': "ՄՆ", 'ﬔ': "ՄԵ", 'ﬕ': "ՄԻ", 'ﬖ': "ՎՆ", 'ﬗ': "ՄԽ",
}
