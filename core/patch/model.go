package patch

import apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"

type (
	model     = *apigatewayv1.Model
	validator = *apigatewayv1.RequestValidator
)

// Model holds the rules of UpdateModel; the schema is checked by the operation.
var Model = &Rules[model]{family: listed, rules: []rule[model]{
	{"/description", replace, optionalText(func(m model) **string { return &m.Description })},
	{"/schema", replace, text(func(m model) **string { return &m.Schema })},
}}

// RequestValidator holds the rules of UpdateRequestValidator.
var RequestValidator = &Rules[validator]{family: listed, rules: []rule[validator]{
	{"/name", replace, text(func(v validator) **string { return &v.Name })},
	{"/validateRequestParameters", replace, flag(func(v validator) **bool { return &v.ValidateRequestParameters })},
	{"/validateRequestBody", replace, flag(func(v validator) **bool { return &v.ValidateRequestBody })},
}}
