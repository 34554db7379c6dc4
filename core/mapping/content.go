package mapping

import (
	"encoding/base64"
	"strings"
	"unicode/utf8"
)

// MediaTypes is binaryMediaTypes of an API: type/subtype, type/* or */* (spec/rest.md 4.6).
type MediaTypes []string

// Match reports whether a Content-Type, or the first type of an Accept, is one of the binary types.
func (m MediaTypes) Match(value string) bool {
	if len(m) == 0 {
		return false
	}
	first, _, _ := strings.Cut(value, ",")
	media := MediaType(first, "")
	for _, t := range m {
		if t == "*/*" {
			return true
		}
		if strings.HasPrefix(t, "*/") { // no wildcard, and no type that anything has
			continue
		}
		if strings.EqualFold(t, media) {
			return media != ""
		}
		if family, ok := strings.CutSuffix(t, "*"); ok && len(media) >= len(family) && strings.EqualFold(family, media[:len(family)]) {
			return true
		}
	}
	return false
}

// Content handling of a body (spec/rest.md 4.6).
const (
	ConvertToText   = "CONVERT_TO_TEXT"
	ConvertToBinary = "CONVERT_TO_BINARY"
)

// RequestBody turns a client's body into what the integration receives. ok is false when base64 does not decode.
func (m MediaTypes) RequestBody(body []byte, contentType, handling string) (out []byte, ok bool) {
	binary := m.Match(contentType)
	switch {
	case binary && handling == ConvertToText:
		return encode(body), true
	case binary:
		return body, true
	case handling == ConvertToBinary:
		return decode(body)
	}
	return ToText(body), true
}

// RequestIsText reports whether RequestBody makes text of a body. A template cannot read bytes (spec/rest.md 4.6).
func (m MediaTypes) RequestIsText(contentType, handling string) bool {
	return handling == ConvertToText || handling == "" && !m.Match(contentType)
}

// ResponseBody turns an integration's body into what the client receives. ok is false when base64 does not decode.
func (m MediaTypes) ResponseBody(body []byte, contentType, accept, handling string) (out []byte, ok bool) {
	payload, wanted := m.Match(contentType), m.Match(accept)
	switch {
	case payload && handling == ConvertToText, payload && !wanted && handling == "":
		return encode(body), true
	case payload:
		return body, true
	case handling == ConvertToBinary, wanted && handling == "":
		return decode(body)
	}
	return ToText(body), true
}

// ResponseIsText is RequestIsText for ResponseBody: what the client wants decides, whatever the integration sent.
func (m MediaTypes) ResponseIsText(accept, handling string) bool {
	return handling == ConvertToText || handling == "" && !m.Match(accept)
}

func encode(b []byte) []byte {
	return base64.StdEncoding.AppendEncode(make([]byte, 0, base64.StdEncoding.EncodedLen(len(b))), b)
}

func decode(b []byte) ([]byte, bool) {
	out, err := base64.StdEncoding.AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(b))), b)
	return out, err == nil
}

// ToText reads bytes as UTF-8: every maximal ill-formed part becomes U+FFFD (spec/rest.md 4.6). Valid text is returned
// as it is, without a copy.
func ToText(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	out := make([]byte, 0, len(b)+16)
	for len(b) > 0 {
		r, size := utf8.DecodeRune(b)
		if r == utf8.RuneError && size <= 1 {
			size = illFormed(b)
		}
		out = utf8.AppendRune(out, r)
		b = b[size:]
	}
	return out
}

// illFormed is the length of the longest start of b that begins a well-formed sequence without finishing it, or 1
// (Unicode, table 3-8: the practice that decoders share).
func illFormed(b []byte) int {
	var need int
	low, high := byte(0x80), byte(0xBF)
	switch c := b[0]; {
	case c >= 0xC2 && c <= 0xDF:
		need = 1
	case c >= 0xE0 && c <= 0xEF:
		need = 2
		if c == 0xE0 {
			low = 0xA0
		} else if c == 0xED {
			high = 0x9F
		}
	case c >= 0xF0 && c <= 0xF4:
		need = 3
		if c == 0xF0 {
			low = 0x90
		} else if c == 0xF4 {
			high = 0x8F
		}
	}
	n := 1
	for n <= need && n < len(b) && b[n] >= low && b[n] <= high {
		low, high = 0x80, 0xBF
		n++
	}
	return n
}
