package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/limen-gateway/limen/core/snapshot"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// missingOrder is the order in which missing parameters are reported (spec/rest.md 2.2, trap 11).
var missingOrder = []string{"header", "path", "querystring"}

// compileValidator makes what a method's validator asks for; nil when it asks for nothing. What a method declares means
// nothing without a validator (trap 10).
func compileValidator(m *apigatewayv1.Method, validation *snapshot.Validation) (*exchange.Validator, error) {
	r, err := validation.Validator(m)
	if err != nil || r == nil {
		return nil, err
	}
	out := &exchange.Validator{}
	if r.GetValidateRequestParameters() {
		if out.Required, err = compileRequired(m.GetRequestParameters().GetEntries()); err != nil {
			return nil, err
		}
	}
	if r.GetValidateRequestBody() {
		if out.Models, err = compileModels(m.GetRequestModels().GetEntries(), validation); err != nil {
			return nil, err
		}
	}
	if len(out.Required)+len(out.Models) == 0 {
		return nil, nil
	}
	return out, nil
}

// compileRequired lists the required parameters: by place, and inside a place by name, which a map has no other order for.
func compileRequired(parameters map[string]bool) ([]exchange.RequiredParameter, error) {
	byPlace := map[string][]exchange.RequiredParameter{}
	for _, key := range slices.Sorted(maps.Keys(parameters)) {
		where, name, _ := strings.Cut(strings.TrimPrefix(key, "method.request."), ".")
		place, ok := places[where]
		if !ok || name == "" {
			return nil, fmt.Errorf("request parameter %q is not a header, a query parameter or a path parameter", key)
		}
		if parameters[key] {
			byPlace[where] = append(byPlace[where], exchange.RequiredParameter{Place: place, Name: name})
		}
	}
	var out []exchange.RequiredParameter
	for _, where := range missingOrder {
		out = append(out, byPlace[where]...)
	}
	return out, nil
}

func compileModels(models map[string]string, validation *snapshot.Validation) ([]exchange.RequestModel, error) {
	var out []exchange.RequestModel
	for _, contentType := range slices.Sorted(maps.Keys(models)) {
		name := models[contentType]
		compiled, err := validation.Model(contentType, name)
		if err != nil {
			return nil, err
		}
		out = append(out, exchange.RequestModel{ContentType: contentType, Name: name, Schema: compiled})
	}
	return out, nil
}
