package event

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// AppendToken appends the event of a TOKEN authorizer (spec/rest.md 3.2).
func AppendToken(dst []byte, token, methodARN string) []byte {
	dst = append(dst, `{"type":"TOKEN"`...)
	dst = appendMember(append(dst, ','), "authorizationToken", token)
	dst = appendMember(append(dst, ','), "methodArn", methodARN)
	return append(dst, '}')
}

// AppendAuthorizer appends the event of a REQUEST authorizer: the proxy event without its body, with {} where that has null
// (spec/rest.md 3.3).
func AppendAuthorizer(dst []byte, r *Request, methodARN string) []byte {
	dst = append(dst, `{"type":"REQUEST"`...)
	dst = appendMember(append(dst, ','), "methodArn", methodARN)
	dst = appendMember(append(dst, ','), "resource", r.Resource)
	dst = appendMember(append(dst, ','), "path", r.Path)
	dst = appendMember(append(dst, ','), "httpMethod", r.HTTPMethod)
	dst = appendObject(append(dst, `,"headers":`...), r.Headers, single)
	dst = appendObject(append(dst, `,"multiValueHeaders":`...), r.Headers, multi)
	dst = appendObject(append(dst, `,"queryStringParameters":`...), r.Query, single)
	dst = appendObject(append(dst, `,"multiValueQueryStringParameters":`...), r.Query, multi)
	dst = appendObject(append(dst, `,"pathParameters":`...), r.PathParameters, single)
	dst = appendObject(append(dst, `,"stageVariables":`...), r.StageVariables, single)
	dst = appendContext(append(dst, `,"requestContext":`...), &r.Context)
	return append(dst, '}')
}

// AuthorizerResult is what a Lambda authorizer answered.
type AuthorizerResult struct {
	PrincipalID string
	// Policy is the text of the policy document.
	Policy string
	// Context holds the values as strings, in the order of the answer.
	Context []Field
	// UsageKey is the API key of an API whose apiKeySource is AUTHORIZER.
	UsageKey string
}

// authorizerMembers are all that an answer may hold; any other makes it a configuration error (spec/rest.md 3.4).
var authorizerMembers = []string{"principalId", "policyDocument", "context", "usageIdentifierKey"}

// ParseAuthorizerResult reads an authorizer's answer. Its error says what AWS does not take, in words for the author of
// the function.
func ParseAuthorizerResult(payload []byte) (AuthorizerResult, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(payload, &members); err != nil || members == nil {
		return AuthorizerResult{}, fmt.Errorf("the answer is not a JSON object")
	}
	for name := range members {
		if !slices.Contains(authorizerMembers, name) {
			return AuthorizerResult{}, fmt.Errorf("unrecognized field %q, not marked as ignorable", name)
		}
	}
	var out AuthorizerResult
	var err error
	if out.PrincipalID, err = optionalText(members, "principalId"); err != nil {
		return out, err
	}
	if out.UsageKey, err = optionalText(members, "usageIdentifierKey"); err != nil {
		return out, err
	}
	policy := bytes.TrimSpace(members["policyDocument"])
	if len(policy) == 0 || policy[0] != '{' {
		return out, fmt.Errorf("policyDocument is missing or no object")
	}
	out.Policy = string(policy)
	out.Context, err = contextOf(members["context"])
	return out, err
}

func optionalText(members map[string]json.RawMessage, name string) (string, error) {
	raw := members[name]
	if len(raw) == 0 || string(raw) == "null" {
		return "", nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", fmt.Errorf("%s is not a string", name)
	}
	return s, nil
}

// contextOf keeps the order of the answer; numbers keep their text.
func contextOf(raw json.RawMessage) ([]Field, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("context is not an object")
	}
	var out []Field
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("context: %w", err)
		}
		value, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("context: %w", err)
		}
		text, ok := scalarText(value)
		if !ok {
			return nil, fmt.Errorf("context.%v is not a string, number or boolean", name)
		}
		out = append(out, Field{strings.Clone(name.(string)), text})
	}
	return out, nil
}

func scalarText(v json.Token) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case json.Number:
		return v.String(), true
	case bool:
		if v {
			return "true", true
		}
		return "false", true
	}
	return "", false
}
