package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// Result is a function's answer to a proxy event.
type Result struct {
	StatusCode      int
	Headers         []Field // in the order to be sent; names as the function spelled them
	Body            []byte  // as the function gave it; may lie inside the payload it was read from
	IsBase64Encoded bool
}

// Decoded is the body as bytes: decoded when it is base64.
func (r *Result) Decoded() ([]byte, error) {
	if !r.IsBase64Encoded {
		return r.Body, nil
	}
	return base64.StdEncoding.AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(r.Body))), r.Body)
}

// MalformedError is an answer that API Gateway does not take: 502, "Malformed Lambda proxy response". Reason says what is
// wrong with it, in words for the function's author.
type MalformedError struct{ Reason string }

func (e *MalformedError) Error() string { return "malformed Lambda proxy response: " + e.Reason }

func malformed(format string, args ...any) error {
	return &MalformedError{fmt.Sprintf(format, args...)}
}

// ParseResult reads a function's answer, row by row as spec/rest.md 5.2. The error is always a *MalformedError.
func ParseResult(payload []byte) (Result, error) {
	result := Result{StatusCode: 200}
	trimmed := bytes.TrimSpace(payload)
	switch {
	case len(trimmed) == 0:
		return Result{}, malformed("the result is empty")
	case !json.Valid(trimmed):
		return Result{}, malformed("the result is not JSON")
	case trimmed[0] != '{':
		return Result{}, malformed("the result is %s, not an object", kindOf(trimmed))
	}
	var headers, multiHeaders []byte
	s := scanner{text: trimmed}
	for name, value := range s.members() {
		var err error
		switch name {
		case "statusCode":
			err = result.setStatus(value)
		case "headers":
			headers, err = objectOrNull(name, value)
		case "multiValueHeaders":
			multiHeaders, err = objectOrNull(name, value)
		case "body":
			err = result.setBody(value)
		case "isBase64Encoded":
			err = result.setBase64(value)
		default:
			// One unknown member spoils the whole answer (spec/rest.md 5.2).
			err = malformed("unknown member %q", name)
		}
		if err != nil {
			return Result{}, err
		}
	}
	if err := result.setHeaders(headers, multiHeaders); err != nil {
		return Result{}, err
	}
	return result, nil
}

// setStatus: a number or a text of digits; absent and null mean 200.
func (r *Result) setStatus(value []byte) error {
	r.StatusCode = 200
	text := string(value)
	switch value[0] {
	case 'n':
		return nil
	case '"':
		text = unquote(value)
	case '{', '[', 't', 'f':
		return malformed("statusCode is %s, not an integer", kindOf(value))
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return malformed("statusCode is %s, not an integer", value)
	}
	if n < 100 || n > 599 {
		return malformed("statusCode is %d, not between 100 and 599", n)
	}
	r.StatusCode = n
	return nil
}

func (r *Result) setBody(value []byte) error {
	switch value[0] {
	case 'n':
		r.Body = nil
	case '"':
		r.Body = unquoteBytes(value)
	default:
		return malformed("body is %s, not a string", kindOf(value))
	}
	return nil
}

// setBase64: a boolean, or the text of one.
func (r *Result) setBase64(value []byte) error {
	text := string(value)
	if value[0] == '"' {
		text = strings.ToLower(unquote(value))
	}
	switch text {
	case "true":
		r.IsBase64Encoded = true
	case "false", "null":
		r.IsBase64Encoded = false
	default:
		if value[0] == '"' {
			return malformed("isBase64Encoded is %s, not a boolean", value)
		}
		return malformed("isBase64Encoded is %s, not a boolean", kindOf(value))
	}
	return nil
}

func objectOrNull(name string, value []byte) ([]byte, error) {
	switch value[0] {
	case 'n':
		return nil, nil
	case '{':
		return value, nil
	}
	return nil, malformed("%s is %s, not an object", name, kindOf(value))
}

// setHeaders: all of multiValueHeaders, each followed by the value of the same name in headers under the name's spelling in
// multiValueHeaders; then what is left of headers (spec/rest.md 5.2).
func (r *Result) setHeaders(headers, multiHeaders []byte) error {
	singles, err := singleHeaders(headers)
	if err != nil || multiHeaders == nil {
		r.Headers = singles
		return err
	}
	s := scanner{text: multiHeaders}
	for name, value := range s.members() {
		if value[0] == 'n' {
			continue
		}
		if value[0] != '[' {
			return malformed("multiValueHeaders.%s is %s, not a list", name, kindOf(value))
		}
		list := scanner{text: value}
		for i, element := range list.elements() {
			text, ok := scalar(element)
			if !ok {
				return malformed("multiValueHeaders.%s[%d] is %s, not a string", name, i, kindOf(element))
			}
			if element[0] != 'n' {
				r.Headers = append(r.Headers, Field{name, text})
			}
		}
		rest := singles[:0]
		for _, f := range singles {
			if strings.EqualFold(f.Name, name) {
				r.Headers = append(r.Headers, Field{name, f.Value})
				continue
			}
			rest = append(rest, f)
		}
		singles = rest
	}
	r.Headers = append(r.Headers, singles...)
	return nil
}

func singleHeaders(headers []byte) ([]Field, error) {
	if headers == nil {
		return nil, nil
	}
	var out []Field
	s := scanner{text: headers}
	for name, value := range s.members() {
		text, ok := scalar(value)
		if !ok {
			return nil, malformed("headers.%s is %s, not a string", name, kindOf(value))
		}
		if value[0] != 'n' {
			out = append(out, Field{name, text})
		}
	}
	return out, nil
}

// scalar is the text of a string, number, boolean or null; false for lists and objects.
func scalar(value []byte) (string, bool) {
	switch value[0] {
	case '"':
		return unquote(value), true
	case '{', '[':
		return "", false
	}
	return string(value), true
}

func kindOf(value []byte) string {
	switch value[0] {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}

// FunctionError is what a function's failure looks like on the wire.
type FunctionError struct {
	Message string
	Type    string
}

// ParseFunctionError reads the payload of a function error. Message is what selection patterns of non-proxy integrations
// match and execution logs show; a payload without one gives empty texts.
func ParseFunctionError(payload []byte) FunctionError {
	var e FunctionError
	trimmed := bytes.TrimSpace(payload)
	if len(trimmed) == 0 || trimmed[0] != '{' || !json.Valid(trimmed) {
		return e
	}
	s := scanner{text: trimmed}
	for name, value := range s.members() {
		text, ok := scalar(value)
		if !ok || value[0] == 'n' {
			continue
		}
		switch name {
		case "errorMessage":
			e.Message = text
		case "errorType":
			e.Type = text
		}
	}
	return e
}
