package gatewayresponse

import (
	"fmt"
	"strings"
)

// Values answers for the variables that the request itself knows: context.x, stageVariables.x,
// method.request.header.x, .path.x and .querystring.x. ok is false for what is unknown, which renders empty.
type Values interface {
	Variable(name string) (value string, ok bool)
}

// piece is a literal or, with name set, a variable.
type piece struct {
	literal string
	name    string
}

// parseParameter reads the right side of a response parameter: 'static' or one variable.
func parseParameter(expr string) ([]piece, error) {
	if len(expr) >= 2 && expr[0] == '\'' && expr[len(expr)-1] == '\'' {
		return []piece{{literal: expr[1 : len(expr)-1]}}, nil
	}
	if !isVariable(expr) {
		return nil, fmt.Errorf("invalid expression %q", expr)
	}
	return []piece{{name: expr}}, nil
}

func isVariable(name string) bool {
	for _, p := range [...]string{"context.", "stageVariables.", "method.request.header.", "method.request.path.", "method.request.querystring."} {
		if len(name) > len(p) && strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// parseTemplate splits a template into literals and variables. Anything that is not a known form stays literal text:
// there are no directives and no functions (spec/rest.md 7.3).
func parseTemplate(text string) []piece {
	var out []piece
	start := 0
	for i := 0; i < len(text); {
		name, end, ok := variableAt(text, i)
		if !ok {
			i++
			continue
		}
		if i > start {
			out = append(out, piece{literal: text[start:i]})
		}
		out = append(out, piece{name: name})
		i, start = end, end
	}
	if start < len(text) {
		out = append(out, piece{literal: text[start:]})
	}
	return out
}

// variableAt reads a variable that begins at i: $name, ${name}, and method.request.x without a dollar, which imported
// definitions use.
func variableAt(text string, i int) (name string, end int, ok bool) {
	rest := text[i:]
	switch {
	case strings.HasPrefix(rest, "${"):
		n := strings.IndexByte(rest, '}')
		if n < 0 || !isVariable(canonical(rest[2:n])) {
			return "", 0, false
		}
		return canonical(rest[2:n]), i + n + 1, true
	case rest[0] == '$':
		n := nameLength(rest[1:])
		if !isVariable(canonical(rest[1 : 1+n])) {
			return "", 0, false
		}
		return canonical(rest[1 : 1+n]), i + 1 + n, true
	case strings.HasPrefix(rest, "method.request.") || strings.HasPrefix(rest, "method.input.params."):
		n := nameLength(rest)
		if !isVariable(canonical(rest[:n])) {
			return "", 0, false
		}
		return canonical(rest[:n]), i + n, true
	}
	return "", 0, false
}

// canonical maps the imported alias method.input.params.x to the header it means.
func canonical(name string) string {
	if rest, ok := strings.CutPrefix(name, "method.input.params."); ok {
		return "method.request.header." + rest
	}
	return name
}

// nameLength is the length of the variable name at the start of s; a final dot or dash belongs to the text.
func nameLength(s string) int {
	n := 0
	for n < len(s) && (s[n] == '.' || s[n] == '-' || s[n] == '_' || '0' <= s[n] && s[n] <= '9' || 'a' <= s[n]|0x20 && s[n]|0x20 <= 'z') {
		n++
	}
	for n > 0 && (s[n-1] == '.' || s[n-1] == '-') {
		n--
	}
	return n
}
