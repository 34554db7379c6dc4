package patch

import (
	"slices"
	"strings"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

type authorizer = *apigatewayv1.Authorizer

// Bounds of authorizerResultTtlInSeconds. spec/rest.md 3.1.
const (
	MinAuthorizerTTL = 0
	MaxAuthorizerTTL = 3600
)

// InvalidTTL refuses a TTL outside of its bounds.
const InvalidTTL = "Authorizer result TTL must be between 0 and 3600 seconds"

// Authorizer holds the rules of UpdateAuthorizer; what its members must be for its type is checked by the operation.
var Authorizer = &Rules[authorizer]{rules: []rule[authorizer]{
	{"/name", replace, text(func(a authorizer) **string { return &a.Name })},
	{"/type", replace, oneOf(func(a authorizer) **string { return &a.Type }, "authorizer type", "TOKEN", "REQUEST", "COGNITO_USER_POOLS")},
	{"/authType", replace, optionalText(func(a authorizer) **string { return &a.AuthType })},
	{"/authorizerUri", replace, optionalText(func(a authorizer) **string { return &a.AuthorizerUri })},
	{"/authorizerCredentials", replace, optionalText(func(a authorizer) **string { return &a.AuthorizerCredentials })},
	{"/authorizerResultTtlInSeconds", replace, number(func(a authorizer) **int32 { return &a.AuthorizerResultTtlInSeconds }, MinAuthorizerTTL, MaxAuthorizerTTL, false, InvalidTTL)},
	{"/identityValidationExpression", replace, optionalText(func(a authorizer) **string { return &a.IdentityValidationExpression })},
	{"/identitySource", addReplaceRemove, identitySource},
	{"/providerARNs", addRemove, element(func(a authorizer) **apigatewayv1.StringList { return &a.ProviderArNs })},
}}

// identitySource is a list held in one string. Remove without a value takes all away.
func identitySource(a authorizer, op Op) *fault.Error {
	var sources []string
	switch given := SplitList(op.Text()); op.Op {
	case "replace":
		sources = given
	case "add":
		sources = SplitList(a.GetIdentitySource())
		for _, s := range given {
			if !slices.Contains(sources, s) {
				sources = append(sources, s)
			}
		}
	case "remove":
		if len(given) > 0 {
			sources = slices.DeleteFunc(SplitList(a.GetIdentitySource()), func(s string) bool { return slices.Contains(given, s) })
		}
	}
	a.IdentitySource = nil
	if len(sources) > 0 {
		joined := strings.Join(sources, ", ")
		if op.Op == "replace" {
			joined = op.Text() // as the client wrote it: Terraform compares it
		}
		a.IdentitySource = &joined
	}
	return nil
}

// SplitList takes a comma-separated list apart, without blanks and empty elements.
func SplitList(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
