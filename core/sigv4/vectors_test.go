package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/limen-gateway/limen/platform/casetest"
)

// vector is a case in the format of conformance/README.md.
type vector struct {
	casetest.About
	Input struct {
		Credentials      struct{ AccessKeyID, SecretAccessKey, SessionToken string }
		Region, Service  string
		Timestamp, Now   time.Time
		NormalizePath    bool
		SignBody         bool
		OmitSessionToken bool
		ExpiresInSeconds int
		Request          *message
		SignedRequest    *message
	}
	Expect struct {
		CanonicalRequest, StringToSign, Signature string
		SignedRequest                             *message
		Verify, Reason                            string
	}
}

type message struct {
	Method, Target string
	Headers        [][2]string
	Body           string
}

func (m *message) request() *Request {
	r := &Request{Method: m.Method, BodySHA256: sha256.Sum256([]byte(m.Body))}
	r.Path, r.RawQuery, _ = strings.Cut(m.Target, "?")
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, Header{Name: h[0], Value: h[1]})
	}
	return r
}

// TestVectors runs the cases of this package.
func TestVectors(t *testing.T) {
	for _, v := range casetest.Read[vector](t, filepath.Join("testdata", "cases.json")) {
		t.Run(v.Name, v.judge)
	}
}

func TestConformance(t *testing.T) {
	casetest.Judge(t, "sigv4", func(t *testing.T, v vector) { v.judge(t) })
}

func (v vector) judge(t *testing.T) {
	if v.Expect.Verify != "" {
		v.decide(t)
		return
	}
	v.verify(t)
	if v.Input.NormalizePath && !v.Input.OmitSessionToken { // what Sign makes
		v.sign(t)
	}
}

func (v *vector) rules(now time.Time) Rules {
	return Rules{Now: now, Services: []string{v.Input.Service}, Regions: []string{v.Input.Region}}
}

// decide: a signed request is accepted or refused.
func (v *vector) decide(t *testing.T) {
	r := v.Input.SignedRequest.request()
	s, err := Parse(r)
	if err == nil {
		err = s.Verify(r, v.Input.Credentials.SecretAccessKey, v.rules(v.Input.Now))
	}
	if got := map[bool]string{true: "accept", false: "reject"}[err == nil]; got != v.Expect.Verify {
		t.Fatalf("wants %s (%s), got %v", v.Expect.Verify, v.Expect.Reason, err)
	}
}

// verify: every intermediate value of the signed request is the expected one, and it is accepted.
func (v *vector) verify(t *testing.T) {
	r := v.Expect.SignedRequest.request()
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	c := v.Input.Credentials
	tokenLess := v.Input.OmitSessionToken && s.SessionToken == "" // it is added to what was signed, or not
	if s.AccessKey != c.AccessKeyID || s.SessionToken != c.SessionToken && !tokenLess {
		t.Fatalf("access key %q, token %q", s.AccessKey, s.SessionToken)
	}
	key := NewKey(c.SecretAccessKey, s.Day, s.Region, s.Service)
	canonical, toSign, sum := s.compute(r, key, form{rawPath: !v.Input.NormalizePath, noToken: v.Input.OmitSessionToken})
	if want := v.Expect.CanonicalRequest; want != "" && string(canonical) != want {
		t.Errorf("canonical request\n%s\nwant\n%s", canonical, want)
	}
	if want := v.Expect.StringToSign; want != "" && string(toSign) != want {
		t.Errorf("string to sign\n%s\nwant\n%s", toSign, want)
	}
	if string(sum[:]) != v.Expect.Signature {
		t.Errorf("signature %s, want %s", sum, v.Expect.Signature)
	}
	if err := s.Verify(r, c.SecretAccessKey, v.rules(v.Input.Timestamp)); err != nil {
		t.Errorf("refused: %v", err)
	}
	if err := s.Verify(r, c.SecretAccessKey+"x", v.rules(v.Input.Timestamp)); err == nil {
		t.Error("accepted with another secret")
	}
}

// sign: we make the same signature.
func (v *vector) sign(t *testing.T) {
	r := v.Input.Request.request()
	c := Credentials{v.Input.Credentials.AccessKeyID, v.Input.Credentials.SecretAccessKey, v.Input.Credentials.SessionToken}
	scope := Scope{v.Input.Region, v.Input.Service}
	if v.Input.ExpiresInSeconds > 0 {
		query := Presign(r, c, scope, v.Input.Timestamp, time.Duration(v.Input.ExpiresInSeconds)*time.Second)
		if !strings.HasSuffix(query, "&X-Amz-Signature="+v.Expect.Signature) {
			t.Errorf("presigned query %s, want signature %s", query, v.Expect.Signature)
		}
		return
	}
	var headers []Header
	for _, h := range r.Headers {
		if !equalFold(h.Name, "x-amz-security-token") {
			headers = append(headers, h)
		}
	}
	r.Headers = headers
	if v.Input.SignBody {
		r.Headers = append(r.Headers, Header{Name: "X-Amz-Content-Sha256", Value: hex.EncodeToString(r.BodySHA256[:])})
	}
	added := Sign(r, c, scope, v.Input.Timestamp)
	if got := added[len(added)-1].Value; !strings.HasSuffix(got, "Signature="+v.Expect.Signature) {
		t.Errorf("authorization %s, want signature %s", got, v.Expect.Signature)
	}
}
