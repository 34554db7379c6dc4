package patch

import (
	"slices"
	"strings"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

type apiKey = *apigatewayv1.ApiKey

// APIKey holds the rules of UpdateApiKey. Whether a stage exists is checked by the operation. The labels of old clients
// have no place in the noun and are refused rather than dropped.
var APIKey = &Rules[apiKey]{family: listed, rules: []rule[apiKey]{
	{"/description", replace, optionalText(func(k apiKey) **string { return &k.Description })},
	{"/enabled", replace, flag(func(k apiKey) **bool { return &k.Enabled })},
	{"/name", replace, optionalText(func(k apiKey) **string { return &k.Name })},
	{"/customerId", replace, optionalText(func(k apiKey) **string { return &k.CustomerId })},
	{"/stages", addRemove, keyStage},
}}

// keyStage keeps the list present when it is empty: clients read [] from a fresh key.
func keyStage(k apiKey, op Op) *fault.Error {
	if api, stage, ok := strings.Cut(op.Text(), "/"); !ok || api == "" || stage == "" {
		return fault.BadRequest("Invalid stage identifier specified")
	}
	items := slices.Clone(k.StageKeys.GetItems())
	at := slices.Index(items, op.Text())
	switch {
	case op.Op == "add" && at < 0:
		items = append(items, op.Text())
	case op.Op == "remove" && at < 0:
		return fault.NotFound("Invalid stage identifier specified")
	case op.Op == "remove":
		items = slices.Delete(items, at, at+1)
	}
	k.StageKeys = &apigatewayv1.StringList{Items: items}
	return nil
}
