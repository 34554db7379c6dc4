package schema

import (
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a document and of its numbers. The library computes with exact fractions, which a few digits of an exponent can
// make larger than memory.
const (
	maxDepth    = 1000
	maxDigits   = 1000
	maxExponent = 1000
)

var (
	errDepth  = errors.New("nested too deeply")
	errNumber = errors.New("a number has too many digits")
)

// syntaxError is where and why a text is not JSON.
type syntaxError struct {
	position int
	message  string
}

func (e *syntaxError) Error() string {
	return "invalid JSON at " + strconv.Itoa(e.position) + ": " + e.message
}

// decode reads JSON into the library's form. depth is how deep it nests; a scalar has depth zero.
func decode(text string) (value any, depth int, err error) {
	if i := invalidUTF8(text); i >= 0 {
		return nil, 0, &syntaxError{i, "invalid UTF-8"}
	}
	depth, at := nesting(text)
	if at >= 0 {
		return nil, 0, &syntaxError{at, errDepth.Error()}
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		return nil, 0, &syntaxError{position(d, text, err), cause(err)}
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, 0, &syntaxError{int(d.InputOffset()), "text after the value"}
	}
	value, err = tame(value)
	return value, depth, err
}

func invalidUTF8(s string) int {
	if utf8.ValidString(s) {
		return -1
	}
	for i := 0; ; {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
}

func position(d *json.Decoder, text string, err error) int {
	if e, ok := err.(*json.SyntaxError); ok {
		return int(e.Offset) - 1
	}
	return max(int(d.InputOffset()), len(text))
}

func cause(err error) string {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return "unexpected end"
	}
	return err.Error()
}

// nesting counts brackets outside of strings; at is where they become too many, or -1.
func nesting(text string) (deepest, at int) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			if depth++; depth > maxDepth {
				return depth, i
			}
			deepest = max(deepest, depth)
		case ']', '}':
			depth--
		}
	}
	return deepest, -1
}

// tame bounds all numbers: what is far beyond every bound a schema can name becomes just far beyond it.
func tame(v any) (_ any, err error) {
	switch v := v.(type) {
	case number:
		return tameNumber(v)
	case []any:
		for i := range v {
			if v[i], err = tame(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = tame(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

func tameNumber(n number) (number, error) {
	text := string(n)
	if len(text) > maxDigits {
		return "", errNumber
	}
	i := strings.IndexAny(text, "eE")
	if i < 0 {
		return n, nil
	}
	exponent, err := strconv.Atoi(text[i+1:])
	switch {
	case err == nil && exponent >= -maxExponent && exponent <= maxExponent:
		return n, nil
	case text[i+1] == '-':
		return number(text[:i+1] + "-" + strconv.Itoa(maxExponent)), nil
	}
	return number(text[:i+1] + strconv.Itoa(maxExponent)), nil
}
