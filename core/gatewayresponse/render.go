package gatewayresponse

import (
	"strconv"
	"unicode/utf8"
)

// Header is one response header.
type Header struct{ Name, Value string }

// Rendered is a gateway response ready to be sent; the always-present headers of spec/rest.md 12.1 are the sender's.
type Rendered struct {
	Status      int
	ErrorType   string
	ContentType string
	Headers     []Header // customised ones
	Body        []byte
}

// Render makes the answer to a failure. accept is the request's Accept header. values may be nil. The body is appended
// to buf[:0], so that a caller may reuse memory.
func (s *Set) Render(e *Error, accept string, values Values, buf []byte) Rendered {
	out := Rendered{Status: e.status(), ErrorType: e.errorType(), ContentType: "application/json"}
	r := s.find(e.Type)
	v := scope{e, nil, values}
	if r == nil {
		out.Body = appendDefaultBody(buf[:0], e)
		return out
	}
	if r.status != 0 {
		out.Status = r.status
	}
	v.status = &out.Status
	for _, h := range r.headers {
		if text := v.append(nil, h.value); len(text) > 0 {
			out.Headers = append(out.Headers, Header{h.name, string(text)})
		}
	}
	t := r.choose(accept)
	if t == nil {
		out.Body = appendDefaultBody(buf[:0], e)
		return out
	}
	out.ContentType = t.contentType
	out.Body = v.append(buf[:0], t.text)
	return out
}

// appendDefaultBody writes the built-in body; where AWS writes a space after the colon, so do we (spec/rest.md 7.3).
func appendDefaultBody(dst []byte, e *Error) []byte {
	key := `{"message":`
	if e.CapitalMessage {
		key = `{"Message":`
	}
	dst = append(dst, key...)
	if table[e.Type].spaced {
		dst = append(dst, ' ')
	}
	return append(appendMessage(dst, e), '}')
}

func appendMessage(dst []byte, e *Error) []byte {
	if e.NoMessage {
		return append(dst, "null"...)
	}
	return AppendJSONString(dst, e.Message)
}

// scope resolves variables: those of the error first, the rest by the request.
type scope struct {
	e      *Error
	status *int
	values Values
}

func (v scope) append(dst []byte, pieces []piece) []byte {
	for _, p := range pieces {
		if p.name == "" {
			dst = append(dst, p.literal...)
			continue
		}
		dst = v.appendVariable(dst, p.name)
	}
	return dst
}

func (v scope) appendVariable(dst []byte, name string) []byte {
	switch name {
	case "context.error.messageString":
		return appendMessage(dst, v.e)
	case "context.error.message":
		return append(dst, v.e.Message...)
	case "context.error.responseType":
		return append(dst, v.e.Type...)
	case "context.error.validationErrorString":
		return append(dst, v.e.Validation...)
	case "context.status":
		return strconv.AppendInt(dst, int64(*v.status), 10)
	}
	if v.values == nil {
		return dst
	}
	text, _ := v.values.Variable(name)
	return append(dst, text...)
}

const hex = "0123456789abcdef"

// AppendJSONString appends s as a JSON string without escaping HTML characters; invalid UTF-8 becomes U+FFFD.
func AppendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			dst = utf8.AppendRune(dst, r)
			i += size
			continue
		}
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < 0x20:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		default:
			dst = append(dst, c)
		}
		i++
	}
	return append(dst, '"')
}
