package pipeline

import (
	"context"
	"net/http"

	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	authzv1 "github.com/limen-gateway/limen/proto/authz/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// signed lets callers pass who prove by their signature that they are the account of the API, step 0.8. Root keys may do
// everything there; what is another account's would need the API's resource policy too (spec/rest.md 2.6, table B), and an
// API with one is refused before. When authz does not answer, nobody passes.
func signed(_ Method, v *Services) exchange.Phase {
	return func(ctx context.Context, x *exchange.Exchange) error {
		res, err := v.Authz.VerifySignature(ctx, x.SignedRequest())
		if err != nil {
			x.Record.Add(executionlog.PhaseAuthorize, executionlog.AuthorizerBroken, "AWS_IAM", "authz did not answer: "+err.Error())
			return gatewayresponse.New(gatewayresponse.AuthorizerFailure, err)
		}
		if res.ErrorType != "" {
			x.Record.Add(executionlog.PhaseAuthorize, executionlog.SignatureRefused, string(res.Reason))
			return signatureRefused(res)
		}
		x.Record.Add(executionlog.PhaseAuthorize, executionlog.SignatureProved, res.Arn, res.AccessKey)
		x.Caller = exchange.Caller{AccessKey: res.AccessKey, Account: res.Account, ID: res.UserId, ARN: res.Arn}
		if !x.Owner() {
			x.Record.Add(executionlog.PhaseAuthorize, executionlog.CallerDenied, res.Arn)
			return denied("User: " + res.Arn + " is not authorized to perform: execute-api:Invoke on resource: " + x.MaskedARN())
		}
		return nil
	}
}

// signatureTypes are the types of refusals that have one of their own; the others are DEFAULT_4XX (spec/rest.md 3.7).
var signatureTypes = map[string]gatewayresponse.Type{
	gatewayresponse.MissingAuthenticationToken.ErrorType(): gatewayresponse.MissingAuthenticationToken,
	gatewayresponse.InvalidSignature.ErrorType():           gatewayresponse.InvalidSignature,
	gatewayresponse.ExpiredToken.ErrorType():               gatewayresponse.ExpiredToken,
}

func signatureRefused(res *authzv1.VerifySignatureResponse) error {
	out := &gatewayresponse.Error{Type: signatureTypes[res.ErrorType], Status: http.StatusForbidden, ErrorType: res.ErrorType, Message: string(res.ErrorMessage), Brief: string(res.Reason)}
	if out.Type == "" {
		out.Type = gatewayresponse.Default4XX
	}
	return out
}
