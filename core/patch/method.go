package patch

import (
	"slices"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

type (
	method              = *apigatewayv1.Method
	methodResponse      = *apigatewayv1.MethodResponse
	integration         = *apigatewayv1.Integration
	integrationResponse = *apigatewayv1.IntegrationResponse
)

// Method holds the rules of UpdateMethod.
var Method = &Rules[method]{rules: []rule[method]{
	{"/authorizationType", replace, text(func(m method) **string { return &m.AuthorizationType })},
	{"/authorizerId", replace, optionalText(func(m method) **string { return &m.AuthorizerId })},
	{"/apiKeyRequired", replace, flag(func(m method) **bool { return &m.ApiKeyRequired })},
	{"/operationName", replace, optionalText(func(m method) **string { return &m.OperationName })},
	{"/requestValidatorId", replace, optionalText(func(m method) **string { return &m.RequestValidatorId })},
	{"/authorizationScopes", addRemove, element(func(m method) **apigatewayv1.StringList { return &m.AuthorizationScopes })},
	{"/requestParameters/{key}", addReplaceRemove, boolEntry(func(m method) **apigatewayv1.BoolMap { return &m.RequestParameters }, noParameter)},
	{"/requestModels/{type}", addReplaceRemove, entry(func(m method) **apigatewayv1.StringMap { return &m.RequestModels }, noContentType)},
	// Terraform sends it for a method whose resource was made anew; the method is addressed by its resource anyway.
	{"/resourceId", replace, func(method, Op) *fault.Error { return nil }},
}}

// MethodResponse holds the rules of UpdateMethodResponse.
var MethodResponse = &Rules[methodResponse]{rules: []rule[methodResponse]{
	{"/responseParameters/{key}", addReplaceRemove, boolEntry(func(r methodResponse) **apigatewayv1.BoolMap { return &r.ResponseParameters }, noParameter)},
	{"/responseModels/{type}", addReplaceRemove, entry(func(r methodResponse) **apigatewayv1.StringMap { return &r.ResponseModels }, noContentType)},
}}

// Integration holds the rules of UpdateIntegration; its type is never patchable.
var Integration = &Rules[integration]{rules: []rule[integration]{
	{"/cacheKeyParameters/{name}", addReplaceRemove, cacheKey},
	{"/requestParameters/{key}", addReplaceRemove, integrationParameter},
	{"/requestTemplates/{type}", addReplaceRemove, entry(func(i integration) **apigatewayv1.StringMap { return &i.RequestTemplates }, noContentType)},
	{"/uri", replace, notForMock(text(func(i integration) **string { return &i.Uri }))},
	{"/httpMethod", replace, notForMock(text(func(i integration) **string { return &i.HttpMethod }))},
	{"/cacheNamespace", replace, text(func(i integration) **string { return &i.CacheNamespace })},
	{"/connectionId", replace, optionalText(func(i integration) **string { return &i.ConnectionId })},
	{"/connectionType", replace, oneOf(func(i integration) **string { return &i.ConnectionType }, "ConnectionType", "INTERNET", "VPC_LINK")},
	{"/contentHandling", replace, optionalText(func(i integration) **string { return &i.ContentHandling })},
	{"/credentials", replace, optionalText(func(i integration) **string { return &i.Credentials })},
	{"/integrationTarget", replace, optionalText(func(i integration) **string { return &i.IntegrationTarget })},
	{"/passthroughBehavior", replace, oneOf(func(i integration) **string { return &i.PassthroughBehavior }, "PassthroughBehavior", "WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER")},
	{"/responseTransferMode", replace, oneOf(func(i integration) **string { return &i.ResponseTransferMode }, "ResponseTransferMode", "BUFFERED", "STREAM")},
	{"/timeoutInMillis", replace, number(func(i integration) **int32 { return &i.TimeoutInMillis }, 50, 29000, false, "Timeout should be between 50 ms and 29000 ms")},
	{"/tlsConfig/insecureSkipVerification", replace, func(i integration, op Op) *fault.Error {
		v := truth(op)
		i.TlsConfig = &apigatewayv1.TlsConfig{InsecureSkipVerification: &v}
		return nil
	}},
}}

func notForMock(apply func(integration, Op) *fault.Error) func(integration, Op) *fault.Error {
	return func(i integration, op Op) *fault.Error {
		if i.GetType() == "MOCK" {
			return fault.BadRequest("Invalid patch path %s", op.Path)
		}
		return apply(i, op)
	}
}

// cacheKey keeps the list present when it is empty: clients read [] from a fresh integration.
func cacheKey(i integration, op Op) *fault.Error {
	items := slices.Clone(i.CacheKeyParameters.GetItems())
	at := slices.Index(items, op.Last())
	if op.Op == "remove" && at >= 0 {
		items = slices.Delete(items, at, at+1)
	}
	if op.Op != "remove" && at < 0 {
		items = append(items, op.Last())
	}
	i.CacheKeyParameters = &apigatewayv1.StringList{Items: items}
	return nil
}

// integrationParameter: removing a request parameter also drops its cache key.
func integrationParameter(i integration, op Op) *fault.Error {
	apply := entry(func(i integration) **apigatewayv1.StringMap { return &i.RequestParameters }, noParameter)
	if err := apply(i, op); err != nil || op.Op != "remove" {
		return err
	}
	return cacheKey(i, op)
}

// IntegrationResponse holds the rules of UpdateIntegrationResponse.
var IntegrationResponse = &Rules[integrationResponse]{rules: []rule[integrationResponse]{
	{"/contentHandling", replace, optionalText(func(r integrationResponse) **string { return &r.ContentHandling })},
	{"/selectionPattern", replace, text(func(r integrationResponse) **string { return &r.SelectionPattern })},
	{"/responseParameters/{key}", addReplaceRemove, entry(func(r integrationResponse) **apigatewayv1.StringMap { return &r.ResponseParameters }, noParameter)},
	{"/responseTemplates/{type}", addReplaceRemove, entry(func(r integrationResponse) **apigatewayv1.StringMap { return &r.ResponseTemplates }, noContentType)},
}}
