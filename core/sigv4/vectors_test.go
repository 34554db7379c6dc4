package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// vector is a case in the format of conformance/README.md.
type vector struct {
	Name  string
	Input struct {
		Credentials      struct{ AccessKeyID, SecretAccessKey, SessionToken string }
		Region, Service  string
		Timestamp, Now   time.Time
		NormalizePath    bool
		SignBody         bool
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

// TestVectors runs the cases of this package, or with LIMEN_CONFORMANCE those of that folder.
func TestVectors(t *testing.T) {
	path := filepath.Join("testdata", "cases.json")
	if dir := os.Getenv("LIMEN_CONFORMANCE"); dir != "" {
		path = filepath.Join(dir, "sigv4", "cases.json")
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []vector }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) == 0 {
		t.Fatal("no cases")
	}
	for _, v := range file.Cases {
		t.Run(v.Name, func(t *testing.T) {
			if v.Expect.Verify != "" {
				v.judge(t)
				return
			}
			v.verify(t)
			if v.Input.NormalizePath {
				v.sign(t)
			}
		})
	}
	t.Logf("sigv4: %d cases", len(file.Cases))
}

func (v *vector) rules(now time.Time) Rules {
	return Rules{Now: now, Services: []string{v.Input.Service}, Regions: []string{v.Input.Region}}
}

// judge: a signed request is accepted or refused.
func (v *vector) judge(t *testing.T) {
	r := v.Input.SignedRequest.request()
	s, err := Parse(r)
	if err == nil {
		err = s.Verify(r, v.Input.Credentials.SecretAccessKey, v.rules(v.Input.Now))
	}
	if (err == nil) != (v.Expect.Verify == "accept") {
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
	if s.AccessKey != c.AccessKeyID || s.SessionToken != c.SessionToken {
		t.Fatalf("access key %q, token %q", s.AccessKey, s.SessionToken)
	}
	key := NewKey(c.SecretAccessKey, s.Day, s.Region, s.Service)
	canonical, toSign, sum := s.compute(r, key, form{rawPath: !v.Input.NormalizePath})
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
