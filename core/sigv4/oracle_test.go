package sigv4

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// TestOracle: what AWS's own Go signer signs, we accept; and one changed character later we refuse.
func TestOracle(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	signer := v4.NewSigner()
	for i := range 3000 {
		req, body := randomRequest(t, random)
		// The signer keeps derived keys by access key, so each secret needs a name of its own.
		c := aws.Credentials{AccessKeyID: fmt.Sprint("AKID", i), SecretAccessKey: fmt.Sprint("secret", i)}
		if i%3 == 0 {
			c.SessionToken = "a+b/" + text(random, 20) + "=="
		}
		sum := sha256.Sum256(body)
		var r *Request
		if i%2 == 0 {
			if err := signer.SignHTTP(context.Background(), c, req, hex.EncodeToString(sum[:]), "execute-api", "eu-west-1", noon); err != nil {
				t.Fatal(err)
			}
			r = fromHTTP(req, sum)
		} else {
			uri, header, err := signer.PresignHTTP(context.Background(), c, req, hex.EncodeToString(sum[:]), "execute-api", "eu-west-1", noon)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = header
			if req.URL, err = url.Parse(uri); err != nil {
				t.Fatal(err)
			}
			r = fromHTTP(req, sum)
		}
		s, err := Parse(r)
		if err != nil {
			t.Fatalf("%s %s: %v", r.Path, r.RawQuery, err)
		}
		if err := s.Verify(r, c.SecretAccessKey, rules); err != nil {
			t.Fatalf("%s %s: %v", r.Path, r.RawQuery, err)
		}
		r.Path += "x"
		if err := s.Verify(r, c.SecretAccessKey, rules); err == nil {
			t.Fatalf("%s %s: accepted after a change", r.Path, r.RawQuery)
		}
	}
}

func fromHTTP(req *http.Request, sum [32]byte) *Request {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	r := &Request{Method: req.Method, Path: req.URL.EscapedPath(), RawQuery: req.URL.RawQuery, BodySHA256: sum, Headers: []Header{{Name: "Host", Value: host}}}
	if req.ContentLength > 0 {
		r.Headers = append(r.Headers, Header{Name: "Content-Length", Value: fmt.Sprint(req.ContentLength)})
	}
	for name, values := range req.Header {
		if name == "Host" || name == "Content-Length" {
			continue
		}
		for _, v := range values {
			r.Headers = append(r.Headers, Header{Name: name, Value: v})
		}
	}
	return r
}

const letters = "abcXYZ019-._~ +/%=&?@:,;!*'()$[]é漢"

func text(random *rand.Rand, n int) string {
	runes := []rune(letters)
	var b strings.Builder
	for range n {
		b.WriteRune(runes[random.IntN(len(runes))])
	}
	return b.String()
}

func randomRequest(t *testing.T, random *rand.Rand) (*http.Request, []byte) {
	t.Helper()
	path := "/"
	for range random.IntN(4) {
		path += url.PathEscape(text(random, 1+random.IntN(6))) + "/"
	}
	path += url.PathEscape(text(random, random.IntN(5)))
	query := url.Values{}
	for range random.IntN(4) {
		query.Add(text(random, 1+random.IntN(3)), text(random, random.IntN(6)))
	}
	body := []byte(text(random, random.IntN(30)))
	method := []string{"GET", "POST", "PUT", "DELETE"}[random.IntN(4)]
	req, err := http.NewRequest(method, "https://abc.execute-api.eu-west-1.amazonaws.com"+path, strings.NewReader(string(body)))
	if err != nil {
		t.Fatal(err)
	}
	req.URL.RawQuery = query.Encode()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Add("X-Many", " a   b ")
	req.Header.Add("X-Many", "c")
	return req, body
}

// FuzzVerify: nothing panics, nothing unsigned is accepted, and what we sign ourselves is.
func FuzzVerify(f *testing.F) {
	f.Add("/prod/a%2Fb", "a=b&c", "Authorization", "AWS4-HMAC-SHA256 Credential=A/20260301/eu-west-1/execute-api/aws4_request, SignedHeaders=host, Signature=00")
	f.Add("//../", "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0", "X-Amz-Date", "20260301T120000Z")
	f.Add("", "%&=;+", "Date", "Sun, 01 Mar 2026 12:00:00 GMT")
	f.Fuzz(func(t *testing.T, path, query, name, value string) {
		r := get(path, query, name, value, "x-amz-date", "20260301T120000Z")
		if s, err := Parse(r); err == nil && s.Verify(r, "not the secret", rules) == nil {
			t.Fatal("accepted a signature nobody made")
		}
		if strings.Contains(query, "X-Amz-") || !plain(name) {
			return
		}
		r = signed(get(path, query, name, value), alice, home, noon)
		s, err := Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(r, alice.Secret, rules); err != nil {
			t.Fatal(err)
		}
		r = get(path, query)
		r.RawQuery = Presign(r, alice, home, noon, time.Minute)
		if s, err = Parse(r); err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(r, alice.Secret, rules); err != nil {
			t.Fatal(err)
		}
	})
}

// plain reports whether name is a header that can be signed and has no meaning of its own here.
func plain(name string) bool {
	lower := strings.ToLower(name)
	for i := range len(lower) {
		if c := lower[i]; c >= 0x80 || c <= ' ' || strings.IndexByte(";=,", c) >= 0 {
			return false
		}
	}
	return lower != "authorization" && lower != "host" && !strings.HasPrefix(lower, "x-amz-")
}
