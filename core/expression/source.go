// Package expression reads the small expressions of API Gateway: the sources of parameter mappings, such as
// method.request.header.X, context.requestId or a path into a body, and the selection expressions of WebSocket APIs, such as
// $request.body.action.
//
// Parse and Compile turn text into an immutable form, which is evaluated against an interface: the package never sees a
// request. The surprise: what is missing is not an error but nothing. A mapping whose source is missing or empty disappears
// (spec/rest.md 4.4), and a missing part of a selection is empty text (spec/websocket.md, trap 28).
package expression

import (
	"fmt"
	"strings"

	"github.com/limen-gateway/limen/core/jsonpath"
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
	requestBodyPath
	responseBodyPath
)

// Source is a compiled source expression. The zero value yields nothing.
type Source struct {
	kind kind
	name string
	path *jsonpath.Program
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

// The names of bodies, which a JSONPath may follow behind a dot.
const (
	requestBodyName  = "method.request.body"
	responseBodyName = "integration.response.body"
)

// Parse compiles a source expression (spec/rest.md 4.4 and 4.9).
func Parse(side Side, expr string) (Source, error) {
	if len(expr) >= 2 && expr[0] == '\'' && expr[len(expr)-1] == '\'' {
		return Source{kind: static, name: expr[1 : len(expr)-1]}, nil
	}
	switch {
	case side == Request && strings.HasPrefix(expr, requestBodyName):
		return parseBody(expr, requestBodyName, requestBody, requestBodyPath)
	case side == Response && strings.HasPrefix(expr, responseBodyName):
		return parseBody(expr, responseBodyName, responseBody, responseBodyPath)
	}
	for _, p := range prefixes {
		if name, ok := strings.CutPrefix(expr, p.prefix); ok && p.side == side && IsName(name) {
			return Source{kind: p.kind, name: name}, nil
		}
	}
	if name, ok := strings.CutPrefix(expr, "stageVariables."); ok && IsName(name) {
		return Source{kind: stageVariable, name: name}, nil
	}
	if name, ok := strings.CutPrefix(expr, "context."); ok && IsName(name) {
		return Source{kind: contextValue, name: name}, nil
	}
	return Source{}, fmt.Errorf("invalid mapping expression specified: %s", expr)
}

// parseBody reads body, or body.{JSONPath}.
func parseBody(expr, name string, whole, inside kind) (Source, error) {
	if expr == name {
		return Source{kind: whole}, nil
	}
	path, ok := strings.CutPrefix(expr[len(name):], ".")
	if !ok || path == "" {
		return Source{}, fmt.Errorf("invalid mapping expression specified: %s", expr)
	}
	program, err := jsonpath.Compile(path)
	if err != nil {
		return Source{}, fmt.Errorf("invalid mapping expression specified: %s: %w", expr, err)
	}
	return Source{kind: inside, path: program}, nil
}

// IsName reports whether a text can be the name of a parameter: ^[a-zA-Z0-9._$-]+$ (spec/rest.md 4.4).
func IsName(s string) bool {
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
	case requestBodyPath:
		return s.find(v.Body())
	case responseBodyPath:
		return s.find(v.ResponseBody())
	case requestQueryAll, requestHeaderAll, responseHeaderAll:
		return strings.Join(s.All(nil, v), ",")
	}
	return ""
}

// find is what the path finds in a body: a text as it is, anything else as JSON. What is missing, and a body that is no JSON,
// give nothing.
func (s Source) find(body string) string {
	document, err := jsonpath.ParseJSON(body)
	if err != nil {
		return ""
	}
	found, err := s.path.Eval(document)
	switch {
	case err != nil || found.IsNull():
		return ""
	case found.Kind() == jsonpath.String:
		return found.Text()
	}
	return string(found.AppendJSON(nil, jsonpath.Plain))
}

// ReadsInsideRequest reports whether the source looks into the request's body, which must be JSON then.
func (s Source) ReadsInsideRequest() bool { return s.kind == requestBodyPath }

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
