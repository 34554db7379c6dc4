package authz

import (
	"crypto/sha256"
	"strings"
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
	at := func(signedAt time.Time, region string, c sigv4.Credentials, path string) *authzv1.VerifySignatureRequest {
		hash := sha256.Sum256([]byte("hi"))
		req := &sigv4.Request{Method: "POST", Path: path, Headers: []sigv4.Header{{Name: "Host", Value: "h"}}, BodySHA256: hash}
		out := &authzv1.VerifySignatureRequest{Method: "POST", Path: path, BodySha256: hash[:], Services: []string{"execute-api"}, Regions: []string{"us-east-1"}}
		for _, h := range append(req.Headers, sigv4.Sign(req, c, sigv4.Scope{Region: region, Service: "execute-api"}, signedAt)...) {
			out.Headers = append(out.Headers, &authzv1.ContextValue{Name: h.Name, Value: []byte(h.Value)})
		}
		return out
	}
	signed := func(c sigv4.Credentials, path string) *authzv1.VerifySignatureRequest {
		return at(now, "us-east-1", c, path)
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
		reason        string
	}{
		{"raw", signed(own, "/prod/@connections/abc%3D"), "123456789012", "", ""},
		{"encoded", signed(own, "/prod/%40connections/abc%3D"), "123456789012", "", ""},
		{"as old as may be", at(now.Add(-5*time.Minute), "us-east-1", own, "/"), "123456789012", "", ""},
		{"too old", at(now.Add(-5*time.Minute-time.Second), "us-east-1", own, "/"), "", "InvalidSignatureException", "Signature expired: "},
		{"from the future", at(now.Add(5*time.Minute+time.Second), "us-east-1", own, "/"), "", "InvalidSignatureException", "Signature not yet current: "},
		{"of another region", at(now, "eu-west-1", own, "/"), "", "InvalidSignatureException", "Credential should be scoped to a valid region, not 'eu-west-1'. "},
		{"another secret", signed(sigv4.Credentials{AccessKey: "AKIDEXAMPLE", Secret: "x"}, "/"), "", "InvalidSignatureException", "it does not match: "},
		{"an unknown key", signed(sigv4.Credentials{AccessKey: "AKIDOTHER", Secret: "x"}, "/"), "", "UnrecognizedClientException", "the access key AKIDOTHER is none"},
		{"a session", signed(sigv4.Credentials{AccessKey: "AKIDEXAMPLE", Secret: "secret", SessionToken: "x"}, "/"), "", "UnrecognizedClientException", "it comes with a session token"},
		{"another body", changed, "", "InvalidSignatureException", "it does not match: "},
		{"unsigned", unsigned, "", "MissingAuthenticationTokenException", "Missing Authentication Token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.VerifySignature(t.Context(), tt.request)
			if err != nil || got.GetAccount() != tt.account || got.GetErrorType() != tt.kind || !strings.HasPrefix(string(got.GetReason()), tt.reason) {
				t.Errorf("%v, %v", got, err)
			}
			if tt.account != "" && (got.GetUserId() != tt.account || got.GetAccessKey() != "AKIDEXAMPLE" || got.GetArn() != "arn:aws:iam::123456789012:root") {
				t.Errorf("%v", got)
			}
		})
	}
	const canonical = "The Canonical String for this request should have been"
	for _, hide := range []bool{false, true} {
		s.hideCanonical = hide
		if got, err := s.VerifySignature(t.Context(), changed); err != nil || strings.Contains(string(got.GetErrorMessage()), canonical) == hide {
			t.Errorf("hidden %v: %v, %v", hide, got, err)
		}
	}
	if _, err := s.VerifySignature(t.Context(), &authzv1.VerifySignatureRequest{}); err == nil {
		t.Error("a question without services is answered")
	}
}
