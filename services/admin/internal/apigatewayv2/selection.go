package apigatewayv2

import (
	"regexp"
	"strings"

	"github.com/limen-gateway/limen/core/fault"
)

// Variables that selection expressions may read. spec/websocket.md 6.2.
var (
	bodyVariable     = regexp.MustCompile(`^request\.body([.\[].+)?$`)
	responseVariable = regexp.MustCompile(`^(request\.body([.\[].+)?|integration\.response\.(statuscode|header\..+|multivalueheader\..+|body([.\[].+)?))$`)
)

// checkSelection checks an expression and that all its variables are of a form; "" is no expression.
func checkSelection(member, expression string, allowed *regexp.Regexp) error {
	for _, v := range variablesOf(expression) {
		if !allowed.MatchString(v) {
			return fault.BadRequest("Invalid %s specified: %s", member, expression)
		}
	}
	return nil
}

// variablesOf lists the variables of a selection expression, $path or ${path}, without their dollars and braces. One that
// is not closed or has no name stands as "", which no form allows. spec/websocket.md 6.1.
func variablesOf(expression string) []string {
	var out []string
	for rest := expression; ; {
		at := strings.IndexByte(rest, '$')
		if at < 0 {
			return out
		}
		if at > 0 && rest[at-1] == '\\' { // \$ is a literal dollar
			rest = rest[at+1:]
			continue
		}
		rest = rest[at+1:]
		if inside, ok := strings.CutPrefix(rest, "{"); ok {
			name, after, closed := strings.Cut(inside, "}")
			if !closed {
				name = ""
			}
			out, rest = append(out, name), after
			continue
		}
		end := endOfPath(rest)
		out, rest = append(out, rest[:end]), rest[end:]
	}
}

// endOfPath is where a path without braces ends: behind letters, digits, _, . and brackets with what they hold.
func endOfPath(text string) int {
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '[':
			n := strings.IndexByte(text[i:], ']')
			if n < 0 {
				return i
			}
			i += n
		case c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
		default:
			return i
		}
	}
	return len(text)
}
