package apigatewayv2

import (
	"maps"
	"regexp"
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
)

// lengths are the longest texts of members, which the public reference gives and the model does not.
var lengths = map[protoreflect.Name]int{
	"name": 128, "description": 1024, "version": 64, "operation_name": 64, "route_key": 128, "target": 128,
	"route_selection_expression": 128, "api_key_selection_expression": 128, "model_selection_expression": 128,
	"template_selection_expression": 128, "route_response_selection_expression": 128,
	"integration_method": 64, "integration_uri": 2048, "connection_id": 1024, "credentials_arn": 2048,
	"integration_response_key": 128, "route_response_key": 128,
	"content_type": 256, "schema": 32768, "authorizer_uri": 2048, "authorizer_credentials_arn": 2048,
	"destination_arn": 2048, "format": 3072,
}

// tidy clears the texts of a noun that are "", which is how a request clears a member (spec/control-plane.md 7.1), and
// finds the first that is too long.
func tidy(noun proto.Message) error {
	m := noun.ProtoReflect()
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if f.Kind() != protoreflect.StringKind || f.IsList() || f.IsMap() || !m.Has(f) {
			continue
		}
		text := m.Get(f).String()
		if text == "" {
			m.Clear(f)
		}
		if limit, ok := lengths[f.Name()]; ok && utf8.RuneCountInString(text) > limit {
			return fault.BadRequest("Invalid %s: it has more than %d characters", f.JSONName(), limit)
		}
	}
	return nil
}

// merged is a map with the entries of a request put over it; an entry that is "" is taken away (spec/control-plane.md
// 7.1). Absent when nothing is left.
func merged(old, given *apigatewayv2v1.StringMap) *apigatewayv2v1.StringMap {
	if given == nil {
		return old
	}
	out := &apigatewayv2v1.StringMap{Entries: map[string]string{}}
	for _, m := range []*apigatewayv2v1.StringMap{old, given} {
		for k, v := range m.GetEntries() {
			out.Entries[k] = v
			if v == "" {
				delete(out.Entries, k)
			}
		}
	}
	if len(out.Entries) == 0 {
		return nil
	}
	return out
}

// websocketOnly refuses members that belong to HTTP APIs, by name: nothing is accepted and ignored.
func websocketOnly(given map[string]bool) error {
	for _, member := range slices.Sorted(maps.Keys(given)) {
		if given[member] {
			return fault.BadRequest("%s is not supported for APIs with a protocol type of WEBSOCKET", member)
		}
	}
	return nil
}

func invalidMapping(expression string) error {
	return fault.BadRequest("Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %s]", expression)
}

// checkMapping checks destinations and sources of a parameter mapping.
func checkMapping(m *apigatewayv2v1.StringMap, destination, source *regexp.Regexp) error {
	for _, key := range slices.Sorted(maps.Keys(m.GetEntries())) {
		if !destination.MatchString(key) {
			return invalidMapping(key)
		}
		if v := m.Entries[key]; !source.MatchString(v) {
			return invalidMapping(v)
		}
	}
	return nil
}

// checkNames checks the keys of a map of parameters.
func checkNames(m *apigatewayv2v1.ParameterConstraintsMap, form *regexp.Regexp) error {
	for _, key := range slices.Sorted(maps.Keys(m.GetEntries())) {
		if !form.MatchString(key) {
			return invalidMapping(key)
		}
	}
	return nil
}

// maxTemplate is the size of a mapping template. spec/websocket.md 20.
const maxTemplate = 300 << 10

func checkTemplates(m *apigatewayv2v1.StringMap) error {
	for _, key := range slices.Sorted(maps.Keys(m.GetEntries())) {
		if n := len(m.Entries[key]); n > maxTemplate {
			return fault.BadRequest("The template for %s has %d bytes, at most %d are allowed", key, n, maxTemplate)
		}
	}
	return nil
}
