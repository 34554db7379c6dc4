package authz

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/core/sigv4"
	authzv1 "github.com/limen-gateway/limen/proto/authz/v1"
)

// VerifySignature proves who signed a request: the root key of an account. There are no session tokens, so one is refused.
func (s *Service) VerifySignature(_ context.Context, r *authzv1.VerifySignatureRequest) (*authzv1.VerifySignatureResponse, error) {
	if len(r.GetServices()) == 0 || len(r.GetBodySha256()) != 32 {
		return nil, status.Error(codes.InvalidArgument, "services and the hash of the body are needed")
	}
	req := &sigv4.Request{Method: r.GetMethod(), Path: r.GetPath(), RawQuery: r.GetRawQuery(), BodySHA256: [32]byte(r.GetBodySha256())}
	for _, h := range r.GetHeaders() {
		req.Headers = append(req.Headers, sigv4.Header{Name: h.GetName(), Value: string(h.GetValue())})
	}
	sig, refused := sigv4.Parse(req)
	if refused != nil {
		return refusal(refused, refused.Brief()), nil
	}
	rules := sigv4.Rules{Now: s.now(), Services: r.GetServices(), Regions: r.GetRegions(), HideCanonical: s.hideCanonical}
	if refused := sig.Check(rules); refused != nil {
		return refusal(refused, refused.Brief()), nil
	}
	key, ok := s.keys[sig.AccessKey]
	switch {
	case !ok:
		return refusal(sigv4.UnknownKey(), "the access key "+sig.AccessKey+" is none of this installation."), nil
	case sig.SessionToken != "":
		return refusal(sigv4.UnknownKey(), "it comes with a session token (X-Amz-Security-Token), and this installation gives none."), nil
	}
	if refused := sig.Verify(req, key.SecretAccessKey, rules); refused != nil {
		return refusal(refused, refused.Brief()), nil
	}
	return &authzv1.VerifySignatureResponse{
		Account: key.Account, Arn: "arn:aws:iam::" + key.Account + ":root", Region: sig.Region, UserId: key.Account, AccessKey: sig.AccessKey,
	}, nil
}

func refusal(e *sigv4.Error, reason string) *authzv1.VerifySignatureResponse {
	return &authzv1.VerifySignatureResponse{ErrorType: e.Type, ErrorMessage: []byte(e.Message), Reason: []byte(reason)}
}
