// Package mapping knows parameter mapping and body mapping of integration requests and responses: what an expression
// such as method.request.header.X means, how a URI takes in its variables, which template a content type selects, what
// $input, $util, $context and $stageVariables are in it and what its overrides do, and how text and binary bodies turn into
// each other. The template language itself is core/vtl, JSONPath core/jsonpath.
//
// It evaluates against interfaces and never sees a request. The surprise: names are compared case-sensitively with the
// spelling on the wire, and a source that is missing or empty makes the whole mapping disappear (spec/rest.md 4.4).
package mapping

import (
	"fmt"
	"strings"
)

// Values answers for what expressions name. Returned strings may be valid only as long as the request.
type Values interface {
	// Path is a path parameter.
	Path(name string) string
	// Query is the last value of a query parameter, QueryAll appends all of them to dst.
	Query(name string) string
	QueryAll(dst []string, name string) []string
	// Header is the last value of a request header, HeaderAll appends all of them to dst.
	Header(name string) string
	HeaderAll(dst []string, name string) []string
	// Body is the whole request body as text.
	Body() string
	// StageVariable is the value of a stage variable.
	StageVariable(name string) string
	// Context is a scalar of $context, by its dotted path without "context.".
	Context(path string) string
	// ResponseHeader and ResponseBody are those of the integration's answer; empty in a request.
	ResponseHeader(name string) string
	ResponseHeaderAll(dst []string, name string) []string
	ResponseBody() string
}

type kind uint8

const (
	static kind = iota + 1
	requestPath
	requestQuery
	requestQueryAll
	requestHeader
	requestHeaderAll
	requestBody
	stageVariable
	contextValue
	responseHeader
	responseHeaderAll
	responseBody
)

// Source is a compiled source expression. The zero value yields nothing.
type Source struct {
	kind kind
	name string
}

// Side says where an expression stands: integration requests read the method request, responses the integration's
// answer.
type Side uint8

// The sides of a mapping.
const (
	Request Side = iota
	Response
)

var prefixes = [...]struct {
	side   Side
	prefix string
	kind   kind
}{
	{Request, "method.request.path.", requestPath},
	{Request, "method.request.querystring.", requestQuery},
	{Request, "method.request.multivaluequerystring.", requestQueryAll},
	{Request, "method.request.header.", requestHeader},
	{Request, "method.request.multivalueheader.", requestHeaderAll},
	{Response, "integration.response.header.", responseHeader},
	{Response, "integration.response.multivalueheader.", responseHeaderAll},
}

// Parse compiles a source expression (spec/rest.md 4.4 and 4.9). Paths into a body are not served yet and are an error.
func Parse(side Side, expr string) (Source, error) {
	if len(expr) >= 2 && expr[0] == '\'' && expr[len(expr)-1] == '\'' {
		return Source{static, expr[1 : len(expr)-1]}, nil
	}
	switch {
	case side == Request && expr == "method.request.body":
		return Source{kind: requestBody}, nil
	case side == Response && expr == "integration.response.body":
		return Source{kind: responseBody}, nil
	case strings.HasPrefix(expr, "method.request.body."), strings.HasPrefix(expr, "integration.response.body."):
		return Source{}, fmt.Errorf("mapping expression %s: paths into a body are not served yet", expr)
	}
	for _, p := range prefixes {
		if name, ok := strings.CutPrefix(expr, p.prefix); ok && p.side == side && isName(name) {
			return Source{p.kind, name}, nil
		}
	}
	if name, ok := strings.CutPrefix(expr, "stageVariables."); ok && isName(name) {
		return Source{stageVariable, name}, nil
	}
	if name, ok := strings.CutPrefix(expr, "context."); ok && isName(name) {
		return Source{contextValue, name}, nil
	}
	return Source{}, fmt.Errorf("invalid mapping expression specified: %s", expr)
}

// isName: ^[a-zA-Z0-9._$-]+$ (spec/rest.md 4.4).
func isName(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c|0x20 && c|0x20 <= 'z') && !('0' <= c && c <= '9') && c != '.' && c != '_' && c != '$' && c != '-' {
			return false
		}
	}
	return s != ""
}

// Eval is the one value of the source; "" means that the mapping is skipped.
func (s Source) Eval(v Values) string {
	switch s.kind {
	case static:
		return s.name
	case requestPath:
		return v.Path(s.name)
	case requestQuery:
		return v.Query(s.name)
	case requestHeader:
		return v.Header(s.name)
	case requestBody:
		return v.Body()
	case stageVariable:
		return v.StageVariable(s.name)
	case contextValue:
		return v.Context(s.name)
	case responseHeader:
		return v.ResponseHeader(s.name)
	case responseBody:
		return v.ResponseBody()
	case requestQueryAll, requestHeaderAll, responseHeaderAll:
		return strings.Join(s.All(nil, v), ",")
	}
	return ""
}

// All appends every value of a multi-value source, or the one value of any other, to dst. Empty values are left out.
func (s Source) All(dst []string, v Values) []string {
	switch s.kind {
	case requestQueryAll:
		return v.QueryAll(dst, s.name)
	case requestHeaderAll:
		return v.HeaderAll(dst, s.name)
	case responseHeaderAll:
		return v.ResponseHeaderAll(dst, s.name)
	}
	if one := s.Eval(v); one != "" {
		dst = append(dst, one)
	}
	return dst
}

// Repeats reports whether the source yields a repeated query parameter rather than one value.
func (s Source) Repeats() bool { return s.kind == requestQueryAll }
