package pipeline

import (
	"context"
	"slices"
	"strings"

	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/core/mapping"
	"github.com/limen-gateway/limen/core/schema"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// validate checks a request against what its method declares, step 0.11: parameters first, then the body
// (spec/rest.md 2.2). It does so whatever the integration is.
func validate(m Method, _ *Services) exchange.Phase {
	v := m.Validator
	return func(_ context.Context, x *exchange.Exchange) error {
		if err := validateParameters(x, v.Required); err != nil {
			return err
		}
		return validateBody(x, v)
	}
}

// validateParameters reports all missing parameters at once.
func validateParameters(x *exchange.Exchange, required []exchange.RequiredParameter) error {
	values := exchange.Values{X: x}
	var missing []string
	for _, p := range required {
		if isMissing(values, p) {
			missing = append(missing, p.Name)
		}
	}
	if missing == nil {
		return nil
	}
	list := strings.Join(missing, ", ")
	x.Record.Add(executionlog.PhaseValidate, executionlog.ParametersMissing, list)
	return gatewayresponse.Newf(gatewayresponse.BadRequestParameters, nil, "Missing required request parameters: [%s]", list)
}

// isMissing looks a parameter up as mappings do: in the spelling of the wire, the last value of several. A path parameter
// that the resource does not have has no value and is always missing (observed).
func isMissing(values exchange.Values, p exchange.RequiredParameter) bool {
	var value string
	switch p.Place {
	case exchange.PlaceHeader:
		value = values.Header(p.Name)
	case exchange.PlacePath:
		value = values.Path(p.Name)
	case exchange.PlaceQuery:
		value = values.Query(p.Name)
	}
	return strings.TrimSpace(value) == ""
}

// validateBody checks the body against the model of its content type; without one everything passes.
func validateBody(x *exchange.Exchange, v *exchange.Validator) error {
	if len(v.Models) == 0 {
		return nil
	}
	contentType := x.HeaderFold("content-type")
	model := v.Model(contentType)
	if model == nil {
		x.Record.Add(executionlog.PhaseValidate, executionlog.BodyUnchecked, mapping.MediaType(contentType, "application/json"))
		return nil
	}
	failures := model.Schema.Check(exchange.View(x.Request.Body))
	if failures == nil {
		x.Record.Add(executionlog.PhaseValidate, executionlog.BodyValid, model.Name)
		return nil
	}
	x.Record.Add(executionlog.PhaseValidate, executionlog.BodyInvalid, model.Name, mapping.MediaType(contentType, "application/json"), reasons(failures))
	err := gatewayresponse.New(gatewayresponse.BadRequestBody, nil)
	err.Validation = failures.String()
	return err
}

// telling are the keywords whose messages name only the schema's own words, the names of members and numbers of things.
var telling = []string{
	"additionalItems", "additionalProperties", "allOf", "anyOf", "dependencies", "maxItems", "maxProperties", "minItems",
	"minProperties", "oneOf", "required", "type",
}

// reasons are the failures for the record, with their places. A record holds no bodies: where the service's text quotes the
// value, which may be a secret, only the keyword is named.
func reasons(failures schema.Failures) string {
	parts := make([]string, len(failures))
	for i, f := range failures {
		switch {
		case f.Keyword == "":
			parts[i] = f.Detail
		case slices.Contains(telling, f.Keyword):
			parts[i] = f.Message
		default:
			parts[i] = "value does not satisfy " + f.Keyword
		}
		if f.Pointer != "" {
			parts[i] += " at " + f.Pointer
		}
	}
	return strings.Join(parts, "; ")
}
