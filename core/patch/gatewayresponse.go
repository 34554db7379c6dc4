package patch

import (
	"regexp"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

type gatewayResponse = *apigatewayv1.GatewayResponse

// GatewayResponse holds the rules of UpdateGatewayResponse. The operation hands in a noun with its built-in template
// written out, so that it can be replaced.
var GatewayResponse = &Rules[gatewayResponse]{rules: []rule[gatewayResponse]{
	{"/statusCode", addReplaceRemove, responseStatus},
	{"/responseParameters/{key}", addReplaceRemove, nonEmpty("responseParameters",
		entry(func(g gatewayResponse) **apigatewayv1.StringMap { return &g.ResponseParameters }, noParameter))},
	{"/responseTemplates/{type}", addReplaceRemove, nonEmpty("responseTemplates",
		entry(func(g gatewayResponse) **apigatewayv1.StringMap { return &g.ResponseTemplates }, noContentType))},
}}

var statusCode = regexp.MustCompile(`^[1-5]\d\d$`)

// responseStatus: add and remove are worded as if the path were unknown. A missing value restores the default.
func responseStatus(g gatewayResponse, op Op) *fault.Error {
	switch {
	case op.Op != "replace":
		return fault.BadRequest("Invalid patch path %s", op.Path)
	case op.Text() == "":
		g.StatusCode = nil
	case !statusCode.MatchString(op.Text()):
		return fault.BadRequest(`Invalid statusCode specified: it must match [1-5]\d\d`)
	default:
		g.StatusCode = op.Value
	}
	return nil
}

func nonEmpty(member string, apply func(gatewayResponse, Op) *fault.Error) func(gatewayResponse, Op) *fault.Error {
	return func(g gatewayResponse, op Op) *fault.Error {
		if op.Op != "remove" && op.Text() == "" {
			return fault.BadRequest("Invalid null or empty value in %s", member)
		}
		return apply(g, op)
	}
}
