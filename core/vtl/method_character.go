package vtl

import (
	"fmt"
	"unicode"
)

// characterMethods are java.lang.Character's, its static ones included.
var characterMethods = []method{
	{"charValue", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return s, nil }},
	{"isDigit", "C", ofChar(unicode.IsDigit)},
	{"isLetter", "C", ofChar(unicode.IsLetter)},
	{"isAlphabetic", "I", ofCodePoint(unicode.IsLetter)},
	{"isLetterOrDigit", "C", ofChar(func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) })},
	{"isWhitespace", "C", ofChar(isJavaSpace)},
	{"isUpperCase", "C", ofChar(unicode.IsUpper)},
	{"isLowerCase", "C", ofChar(unicode.IsLower)},
	{"toUpperCase", "C", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return charValue(uint16(unicode.ToUpper(rune(a[0].num)))), nil
	}},
	{"toLowerCase", "C", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return charValue(uint16(unicode.ToLower(rune(a[0].num)))), nil
	}},
	{"getNumericValue", "C", func(_ *renderer, _ Value, a []Value) (Value, error) { return IntValue(digitOf(rune(a[0].num))), nil }},
	{"valueOf", "C", first},
	{"toString", "C", asText},
	{"toString", "I", codePointText},
	{"isDigit", "I", ofCodePoint(unicode.IsDigit)},
	{"isLetter", "I", ofCodePoint(unicode.IsLetter)},
	{"isLetterOrDigit", "I", ofCodePoint(func(c rune) bool { return unicode.IsLetter(c) || unicode.IsDigit(c) })},
	{"isWhitespace", "I", ofCodePoint(isJavaSpace)},
	{"isUpperCase", "I", ofCodePoint(unicode.IsUpper)},
	{"isLowerCase", "I", ofCodePoint(unicode.IsLower)},
	{"toUpperCase", "I", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return IntValue(int64(unicode.ToUpper(rune(a[0].Int())))), nil
	}},
	{"toLowerCase", "I", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return IntValue(int64(unicode.ToLower(rune(a[0].Int())))), nil
	}},
	{"getNumericValue", "I", func(_ *renderer, _ Value, a []Value) (Value, error) { return IntValue(digitOf(rune(a[0].Int()))), nil }},
	{"hashCode", "C", func(_ *renderer, _ Value, a []Value) (Value, error) { return IntValue(int64(a[0].num)), nil }},
	{"compareTo", "O", func(_ *renderer, s Value, a []Value) (Value, error) {
		return IntValue(int64(s.num) - int64(a[0].num)), comparableTo(Character, a[0])
	}},
}

func ofChar(test func(rune) bool) func(*renderer, Value, []Value) (Value, error) {
	return func(_ *renderer, _ Value, a []Value) (Value, error) { return BoolValue(test(rune(a[0].num))), nil }
}

// ofCodePoint is ofChar for the methods that take an int.
func ofCodePoint(test func(rune) bool) func(*renderer, Value, []Value) (Value, error) {
	return func(_ *renderer, _ Value, a []Value) (Value, error) { return BoolValue(test(rune(a[0].Int()))), nil }
}

func codePointText(_ *renderer, _ Value, a []Value) (Value, error) {
	if n := a[0].Int(); n < 0 || n > unicode.MaxRune {
		return Value{}, fmt.Errorf("IllegalArgumentException: %d is not a Unicode code point", n)
	}
	return StringValue(runeOf(a[0])), nil
}

// digitOf is the value of a digit or of a letter as a digit; -1 for anything else.
func digitOf(c rune) int64 {
	switch {
	case c >= '0' && c <= '9':
		return int64(c - '0')
	case c|0x20 >= 'a' && c|0x20 <= 'z':
		return int64(c|0x20) - 'a' + 10
	}
	return -1
}
