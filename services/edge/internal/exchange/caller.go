package exchange

import (
	"crypto/sha256"
	"strings"

	authzv1 "github.com/limen-gateway/limen/proto/authz/v1"
)

// Caller is who signed a request, as $context.identity names it. The zero value is nobody: the method asks for no signature.
type Caller struct{ AccessKey, Account, ID, ARN string }

// Signed reports whether somebody signed.
func (c Caller) Signed() bool { return c.Account != "" }

// Owner reports whether the request was signed by the account that owns the API.
func (x *Exchange) Owner() bool { return x.Caller.Signed() && x.Caller.Account == x.Scope.Account }

// SignedRequest is the question who signed the request for its API, as it stands on the wire. It aliases the exchange.
func (x *Exchange) SignedRequest() *authzv1.VerifySignatureRequest {
	hash := sha256.Sum256(x.Request.Body)
	out := &authzv1.VerifySignatureRequest{
		Method: x.Request.WireMethod(), Path: x.Request.Path, RawQuery: x.Request.RawQuery, BodySha256: hash[:],
		Services: []string{"execute-api"}, Regions: []string{x.Scope.Region},
		Headers: make([]*authzv1.ContextValue, 0, len(x.Request.Headers)),
	}
	for _, h := range x.Request.Headers {
		out.Headers = append(out.Headers, &authzv1.ContextValue{Name: h.Name, Value: []byte(h.Value)})
	}
	return out
}

// Withheld reports whether a header is an Authorization that no backend gets: a signature, and any of a method that asks for
// one (spec/rest.md 3.7, 4.7).
func (x *Exchange) Withheld(name, value string) bool {
	return len(name) == len("authorization") && strings.EqualFold(name, "authorization") && (x.Caller.Signed() || strings.HasPrefix(value, "AWS4-"))
}

// callerContext is a value of $context.identity that only callers who sign have.
func (x *Exchange) callerContext(name string) string {
	switch name {
	case "accessKey":
		return x.Caller.AccessKey
	case "accountId":
		return x.Caller.Account
	case "caller", "user":
		return x.Caller.ID
	case "userArn":
		return x.Caller.ARN
	}
	return ""
}
