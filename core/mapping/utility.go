package mapping

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/limen-gateway/limen/core/vtl"
)

// utilities is $util (spec/vtl.md 9.2).
type utilities struct{}

// Property: $util has none.
func (utilities) Property(string) (vtl.Value, bool) { return vtl.Value{}, false }

// Call calls a function. All of them take one string; of what is missing they make nothing.
func (utilities) Call(name string, args []vtl.Value) (vtl.Value, bool, error) {
	if len(args) != 1 {
		return vtl.Value{}, false, nil
	}
	text, ok := args[0].Text()
	if !ok && !args[0].IsNull() {
		return vtl.Value{}, false, nil
	}
	f := function(name)
	if f == nil || !ok {
		return vtl.Value{}, f != nil, nil
	}
	v, err := f(text)
	return v, true, err
}

// function is the one of a name; nil when there is none.
func function(name string) func(string) (vtl.Value, error) {
	switch name {
	case "escapeJavaScript":
		return func(s string) (vtl.Value, error) { return vtl.StringValue(escapeJavaScript(s)), nil }
	case "parseJson":
		return parseJSON
	case "urlEncode":
		return func(s string) (vtl.Value, error) { return vtl.StringValue(urlEncode(s)), nil }
	case "urlDecode":
		return urlDecode
	case "base64Encode":
		return func(s string) (vtl.Value, error) {
			return vtl.StringValue(base64.StdEncoding.EncodeToString([]byte(wellFormed(s)))), nil
		}
	case "base64Decode":
		return base64Decode
	}
	return nil
}

// parseJSON gives what is no JSON as nothing.
func parseJSON(s string) (vtl.Value, error) {
	v, err := new(reader).read(s)
	if err != nil {
		return vtl.Value{}, nil
	}
	return v, nil
}

const hexDigits = "0123456789ABCDEF"

// plain are the characters that stand for themselves in a string of JavaScript.
var plain = func() (plain [256]bool) {
	for c := ' '; c <= 0x7f; c++ {
		plain[c] = !strings.ContainsRune(`"'\/`, c)
	}
	return plain
}()

// escapeJavaScript escapes as commons-lang does: by UTF-16 units, with the slash and the apostrophe.
func escapeJavaScript(s string) string {
	n := 0
	for n < len(s) && plain[s[n]] {
		n++
	}
	if n == len(s) {
		return s
	}
	b := append(make([]byte, 0, len(s)+len(s)/4+16), s[:n]...)
	for s = s[n:]; s != ""; {
		r, n := decodeUnit(s)
		b, s = appendEscaped(b, r), s[n:]
	}
	return string(b)
}

func appendEscaped(b []byte, r rune) []byte {
	switch {
	case r > 0xffff:
		r -= 0x10000
		return appendEscaped(appendEscaped(b, 0xd800+r>>10), 0xdc00+r&0x3ff)
	case r > 0x7f:
		return append(b, '\\', 'u', hexDigits[r>>12], hexDigits[r>>8&15], hexDigits[r>>4&15], hexDigits[r&15])
	case r >= ' ':
		if !plain[r] {
			b = append(b, '\\')
		}
		return append(b, byte(r))
	}
	if i := strings.IndexByte("\b\f\n\r\t", byte(r)); i >= 0 {
		return append(b, '\\', "bfnrt"[i])
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[r>>4], hexDigits[r&15])
}

// decodeUnit is the first character. Half of a surrogate pair, which a template has split, stands as three bytes.
func decodeUnit(s string) (r rune, n int) {
	r, n = utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && n == 1 && isHalf(s) {
		return 0xd000 | rune(s[1]&0x3f)<<6 | rune(s[2]&0x3f), 3
	}
	return r, n
}

func isHalf(s string) bool {
	return len(s) >= 3 && s[0] == 0xed && s[1] >= 0xa0 && s[1] <= 0xbf && s[2] >= 0x80 && s[2] <= 0xbf
}

// wellFormed is the text as Java writes it out: half of a surrogate pair becomes a question mark.
func wellFormed(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for s != "" {
		r, n := decodeUnit(s)
		switch {
		case r >= 0xd800 && r <= 0xdfff:
			b.WriteByte('?')
		default:
			b.WriteRune(r)
		}
		s = s[n:]
	}
	return b.String()
}

// urlEncode is the form encoding.
func urlEncode(s string) string {
	s = wellFormed(s)
	b := make([]byte, 0, len(s)+len(s)/4+16)
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9', strings.IndexByte(".-*_", c) >= 0:
			b = append(b, c)
		case c == ' ':
			b = append(b, '+')
		default:
			b = append(b, '%', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return string(b)
}

var errEscape = errors.New("IllegalArgumentException: URLDecoder: incomplete or illegal escape (%) pattern")

func urlDecode(s string) (vtl.Value, error) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '+':
			b = append(b, ' ')
		case '%':
			if i+2 >= len(s) || unhex(s[i+1]) < 0 || unhex(s[i+2]) < 0 {
				return vtl.Value{}, errEscape
			}
			b = append(b, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
		default:
			b = append(b, s[i])
		}
	}
	return vtl.StringValue(string(ToText(b))), nil
}

func unhex(c byte) int {
	return strings.IndexByte(hexDigits, upper(c))
}

func upper(c byte) byte {
	if c >= 'a' && c <= 'f' {
		return c - 0x20
	}
	return c
}

var errBase64 = errors.New("IllegalArgumentException: not in valid Base64 encoding")

// base64Decode takes the padding or leaves it, as Java's decoder does; line ends are an error there.
func base64Decode(s string) (vtl.Value, error) {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		b, err = base64.RawStdEncoding.DecodeString(s)
	}
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return vtl.Value{}, errBase64
	}
	return vtl.StringValue(string(ToText(b))), nil
}
