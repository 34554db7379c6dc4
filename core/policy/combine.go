package policy

// Rule says how the decision of a caller's side and that of a resource policy come together (spec/rest.md 2.6).
type Rule uint8

const (
	// EitherAllows is table A: IAM with a caller of the API's account, and Lambda authorizers.
	EitherAllows Rule = iota
	// BothAllow is table B: IAM with a caller of another account, and Cognito user pools, where the valid token is the allow.
	BothAllow
	// ResourceAlone is for methods without authorization.
	ResourceAlone
	// IdentityAlone is for APIs without a resource policy.
	IdentityAlone
)

// Combine brings both sides together. A deny on either side wins; the result names the statement that decided.
func Combine(rule Rule, identity, resource Decision) Decision {
	switch {
	case rule == ResourceAlone:
		return resource
	case rule == IdentityAlone:
		return identity
	case identity.Outcome == ExplicitDeny:
		return identity
	case resource.Outcome == ExplicitDeny:
		return resource
	case rule == EitherAllows && identity.Outcome == Allow:
		return identity
	case rule == EitherAllows && resource.Outcome == Allow:
		return resource
	case rule == BothAllow && identity.Outcome == Allow:
		return resource // an allow too, or silent and the reason
	}
	// Silence: on both sides, or on the caller's, which under table B no resource policy makes good.
	identity.Outcome = ImplicitDeny
	return identity
}
