package mapping

import (
	"strings"

	"github.com/limen-gateway/limen/core/expression"
)

// URI is a compiled integration URI: ${stageVariables.x} anywhere and {param} in the path (spec/rest.md 4.2). The zero
// value is the empty URI. It is immutable.
type URI struct {
	text  string
	parts []uriPart
}

type uriPart struct {
	literal string
	stage   string // name of a stage variable
	param   string // name of an integration path parameter
}

// ParseURI compiles the text of an integration URI. Nothing is an error: what is not a known form stays as it is, and
// makes the address invalid when the call is made.
func ParseURI(text string) URI {
	u := URI{text: text}
	start := 0
	for i := 0; i < len(text); {
		part, end := uriPartAt(text, i)
		if end == 0 {
			i++
			continue
		}
		if i > start {
			u.parts = append(u.parts, uriPart{literal: text[start:i]})
		}
		u.parts = append(u.parts, part)
		i, start = end, end
	}
	if start < len(text) {
		u.parts = append(u.parts, uriPart{literal: text[start:]})
	}
	return u
}

func uriPartAt(text string, i int) (uriPart, int) {
	rest := text[i:]
	if name, ok := strings.CutPrefix(rest, "${stageVariables."); ok {
		if n := strings.IndexByte(name, '}'); n > 0 && expression.IsName(name[:n]) {
			return uriPart{stage: name[:n]}, i + len("${stageVariables.") + n + 1
		}
		return uriPart{}, 0
	}
	if rest[0] == '{' && (i == 0 || text[i-1] != '$') {
		if n := strings.IndexByte(rest, '}'); n > 1 && expression.IsName(strings.TrimSuffix(rest[1:n], "+")) {
			return uriPart{param: rest[1:n]}, i + n + 1
		}
	}
	return uriPart{}, 0
}

// Text is the URI as it was written.
func (u URI) Text() string { return u.text }

// IsStatic reports whether every request gets the same URI.
func (u URI) IsStatic() bool {
	for _, p := range u.parts {
		if p.literal == "" {
			return false
		}
	}
	return true
}

// HasParams reports whether the URI names path parameters.
func (u URI) HasParams() bool {
	for _, p := range u.parts {
		if p.param != "" {
			return true
		}
	}
	return false
}

// Append appends the URI with its variables filled in. A missing stage variable is empty; a path parameter that param
// does not know stays as {name} (spec/rest.md 4.2). Values are inserted by escape, which may be nil.
func (u URI) Append(dst []byte, stage func(string) string, param func(string) (string, bool), escape func([]byte, string) []byte) []byte {
	for _, p := range u.parts {
		switch {
		case p.stage != "":
			dst = append(dst, stage(p.stage)...)
		case p.param != "":
			value, ok := param(strings.TrimSuffix(p.param, "+"))
			switch {
			case !ok:
				dst = append(append(append(dst, '{'), p.param...), '}')
			case escape != nil:
				dst = escape(dst, value)
			default:
				dst = append(dst, value...)
			}
		default:
			dst = append(dst, p.literal...)
		}
	}
	return dst
}
