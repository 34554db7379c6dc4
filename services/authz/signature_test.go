package authz

import (
	"crypto/sha256"
	"testing"
	"time"

	"github.com/limen-gateway/limen/core/sigv4"
	"github.com/limen-gateway/limen/platform/rootkeys"
	authzv1 "github.com/limen-gateway/limen/proto/authz/v1"
)

func TestVerifySignature(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s, err := New(Config{}, Deps{Now: func() time.Time { return now }, RootKeys: []rootkeys.Key{{Account: "123456789012", AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: "secret"}}})
	if err != nil {
		t.Fatal(err)
	}
	signed := func(c sigv4.Credentials, path string) *authzv1.VerifySignatureRequest {
		hash := sha256.Sum256([]byte("hi"))
		req := &sigv4.Request{Method: "POST", Path: path, Headers: []sigv4.Header{{Name: "Host", Value: "h"}}, BodySHA256: hash}
		out := &authzv1.VerifySignatureRequest{Method: "POST", Path: path, BodySha256: hash[:], Services: []string{"execute-api"}}
		for _, h := range append(req.Headers, sigv4.Sign(req, c, sigv4.Scope{Region: "us-east-1", Service: "execute-api"}, now)...) {
			out.Headers = append(out.Headers, &authzv1.ContextValue{Name: h.Name, Value: h.Value})
		}
		return out
	}
	own := sigv4.Credentials{AccessKey: "AKIDEXAMPLE", Secret: "secret"}
	changed := signed(own, "/prod/@connections/abc%3D")
	changed.BodySha256[0]++
	unsigned := signed(own, "/")
	unsigned.Headers = unsigned.Headers[:1]
	for _, tt := range []struct {
		name          string
		request       *authzv1.VerifySignatureRequest
		account, kind string
	}{
		{"raw", signed(own, "/prod/@connections/abc%3D"), "123456789012", ""},
		{"encoded", signed(own, "/prod/%40connections/abc%3D"), "123456789012", ""},
		{"another secret", signed(sigv4.Credentials{AccessKey: "AKIDEXAMPLE", Secret: "x"}, "/"), "", "InvalidSignatureException"},
		{"an unknown key", signed(sigv4.Credentials{AccessKey: "AKIDOTHER", Secret: "x"}, "/"), "", "UnrecognizedClientException"},
		{"a session", signed(sigv4.Credentials{AccessKey: "AKIDEXAMPLE", Secret: "secret", SessionToken: "x"}, "/"), "", "UnrecognizedClientException"},
		{"another body", changed, "", "InvalidSignatureException"},
		{"unsigned", unsigned, "", "MissingAuthenticationTokenException"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.VerifySignature(t.Context(), tt.request)
			if err != nil || got.GetAccount() != tt.account || got.GetErrorType() != tt.kind {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
	if _, err := s.VerifySignature(t.Context(), &authzv1.VerifySignatureRequest{}); err == nil {
		t.Error("a question without services is answered")
	}
}
