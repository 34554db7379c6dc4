package patch

import (
	"slices"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

type (
	restAPI  = *apigatewayv1.RestApi
	resource = *apigatewayv1.Resource
)

// RestAPI holds the rules of UpdateRestApi.
var RestAPI = &Rules[restAPI]{rules: []rule[restAPI]{
	{"/name", replace, text(func(a restAPI) **string { return &a.Name })},
	{"/version", replace, optionalText(func(a restAPI) **string { return &a.Version })},
	{"/description", addReplaceRemove, optionalText(func(a restAPI) **string { return &a.Description })},
	{"/apiKeySource", replace, oneOf(func(a restAPI) **string { return &a.ApiKeySource }, "ApiKeySource", "HEADER", "AUTHORIZER")},
	{"/disableExecuteApiEndpoint", replace, flag(func(a restAPI) **bool { return &a.DisableExecuteApiEndpoint })},
	{"/endpointAccessMode", replace, text(func(a restAPI) **string { return &a.EndpointAccessMode })},
	{"/securityPolicy", replace, text(func(a restAPI) **string { return &a.SecurityPolicy })},
	{"/policy", replace, optionalText(func(a restAPI) **string { return &a.Policy })},
	{"/minimumCompressionSize", replace, number(func(a restAPI) **int32 { return &a.MinimumCompressionSize }, 0, 10485760, true,
		"Invalid minimum compression size, must be between 0 and 10485760")},
	{"/binaryMediaTypes/{type}", addReplaceRemove, keyed(func(a restAPI) **apigatewayv1.StringList { return &a.BinaryMediaTypes })},
	{"/endpointConfiguration/types/{which}", []string{"add", "replace", "remove", "copy", "move", "test"}, endpointType},
	{"/endpointConfiguration/vpcEndpointIds", addRemove, element(func(a restAPI) **apigatewayv1.StringList {
		return &endpoint(a).VpcEndpointIds
	})},
	{"/endpointConfiguration/ipAddressType", replace, func(a restAPI, op Op) *fault.Error {
		if v := op.Text(); v != "ipv4" && v != "dualstack" {
			return fault.BadRequest("ipAddressType must be either ipv4 or dualstack.")
		}
		if op.Text() == "ipv4" && slices.Contains(endpoint(a).Types.GetItems(), "PRIVATE") {
			return fault.BadRequest("Only dualstack ipAddressType is supported for Private APIs.")
		}
		endpoint(a).IpAddressType = op.Value
		return nil
	}},
}, otherwise: func(_ restAPI, op Op) *fault.Error {
	if op.Path == "/endpointConfiguration/types" {
		return wrongTypesOp()
	}
	return fault.BadRequest("Invalid patch path %s", op.Path)
}}

func endpoint(a restAPI) *apigatewayv1.EndpointConfiguration {
	if a.EndpointConfiguration == nil {
		a.EndpointConfiguration = &apigatewayv1.EndpointConfiguration{}
	}
	return a.EndpointConfiguration
}

// wrongTypesOp is worded unlike any other refusal.
func wrongTypesOp() *fault.Error {
	return fault.BadRequest("Invalid patch operation specified. Must be 'add'|'remove'|'replace'")
}

// endpointChanges holds the changes of spec/rest.md 1.6.
var endpointChanges = map[string][]string{"EDGE": {"REGIONAL", "PRIVATE"}, "REGIONAL": {"EDGE", "PRIVATE"}, "PRIVATE": {"REGIONAL"}}

// endpointType takes both forms that clients send: /types/EDGE with the new type, and /types/0.
func endpointType(a restAPI, op Op) *fault.Error {
	if op.Op != "replace" {
		return wrongTypesOp()
	}
	to := op.Text()
	if endpointChanges[to] == nil {
		return fault.BadRequest("Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE")
	}
	e := endpoint(a)
	from := ""
	if items := e.Types.GetItems(); len(items) > 0 {
		from = items[0]
	}
	if from != to && !slices.Contains(endpointChanges[from], to) {
		return fault.BadRequest("Cannot update endpoint from %s to %s", from, to)
	}
	e.Types = &apigatewayv1.StringList{Items: []string{to}}
	if to == "PRIVATE" {
		ip := "dualstack"
		e.IpAddressType = &ip
	}
	return nil
}

// Resource holds the rules of UpdateResource; the operation itself checks siblings and cycles.
var Resource = &Rules[resource]{family: listed, rules: []rule[resource]{
	{"/parentId", replace, func(r resource, op Op) *fault.Error {
		if r.ParentId == nil {
			return fault.BadRequest("Root resource cannot update its parentId.")
		}
		r.ParentId = op.Value
		return nil
	}},
	{"/pathPart", replace, func(r resource, op Op) *fault.Error {
		if r.ParentId == nil {
			return fault.BadRequest("Root resource cannot update its pathPart.")
		}
		r.PathPart = op.Value
		return nil
	}},
}}
