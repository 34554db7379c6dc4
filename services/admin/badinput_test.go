package admin_test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/limen-gateway/limen/core/sigv4"
)

// stored is everything in the store, to see that nothing was written.
func (p *plane) stored() string {
	p.t.Helper()
	res, err := p.etcd.Get(p.t.Context(), "/limen/us-east-1/", clientv3.WithPrefix())
	if err != nil {
		p.t.Fatal(err)
	}
	return fmt.Sprint(res.Kvs)
}

func TestBadInputIsRefusedAndWritesNothing(t *testing.T) {
	p := newPlane(t)
	path := p.method(alice)
	tests := []struct {
		name, method, target, body string
		status                     int
		exception, message         string // message: how it begins
	}{
		{"no JSON", "POST", "/restapis", `{"name":`, 400, "SerializationException", ""},
		{"JSON behind the end", "POST", "/restapis", `{"name":"a"} x`, 400, "SerializationException", ""},
		{"a list for a structure", "POST", "/restapis", `[]`, 400, "SerializationException", ""},
		{"text for a structure", "POST", "/restapis", `"a"`, 400, "SerializationException", ""},
		{"a number for a text", "POST", "/restapis", `{"name":["a"]}`, 400, "SerializationException", ""},
		{"a text for a list", "POST", "/restapis", `{"name":"a","binaryMediaTypes":"x"}`, 400, "SerializationException", ""},
		{"a text for a map", "POST", "/restapis", `{"name":"a","tags":"x"}`, 400, "SerializationException", ""},
		{"a number too large", "POST", "/restapis", `{"name":"a","minimumCompressionSize":99999999999999999999}`, 400, "SerializationException", ""},
		{"an unknown member", "POST", "/restapis", `{"name":"a","nmae":"b"}`, 400, "BadRequestException", ""},
		{"a required member absent", "POST", "/restapis", `{}`, 400, "ValidationException", "1 validation error detected: Value null at 'createRestApiInput.name'"},
		{"no operations to patch", "PATCH", path, `{"patchOperations":[{"op":"fly","path":"/name","value":"x"}]}`, 400, "", ""},
		{"an unknown path to patch", "PATCH", path, `{"patchOperations":[{"op":"replace","path":"/name","value":"x"},{"op":"replace","path":"/nope","value":"x"}]}`, 400, "BadRequestException", "Invalid patch path"},
		{"an unknown path", "GET", "/nope", "", 404, "UnknownOperationException", "no operation has the path /nope"},
		{"an unknown verb", "PATCH", "/restapis", "", 404, "UnknownOperationException", "no operation has the verb PATCH on the path /restapis"},
		{"an escaped slash", "GET", "/restapis%2Fx", "", 404, "UnknownOperationException", ""},
		{"a path upwards", "GET", path + "/../x", "", 404, "", ""},
		{"an escaped path upwards as an id", "DELETE", "/restapis/%2e%2e%2fx", "", 404, "NotFoundException", ""},
		{"a NUL as an id", "GET", "/restapis/%00", "", 404, "NotFoundException", ""},
		{"a malformed query", "GET", "/restapis?limit=%zz", "", 400, "BadRequestException", "the query string is malformed"},
		{"a limit that is no number", "GET", "/restapis?limit=many", "", 400, "", ""},
		{"a limit that is too large", "GET", "/restapis?limit=99999999999", "", 400, "", ""},
		{"a foreign position", "GET", "/restapis?position=bogus", "", 400, "BadRequestException", "Invalid position parameter"},
		{"a body that is too large", "POST", "/restapis?mode=import", strings.Repeat(" ", 6<<20+1), 413, "RequestEntityTooLargeException", ""},
		{"an import of no document", "POST", "/restapis?mode=import", `{"openapi":`, 400, "BadRequestException", ""},
		{"a document of no version", "PUT", path + "?mode=overwrite", `{"paths":{}}`, 400, "BadRequestException", ""},
		{"nesting without end", "POST", "/restapis", strings.Repeat(`{"tags":`, 100_000), 400, "SerializationException", ""},
		{"a path part with a slash", "POST", path + "/resources/" + p.rootOf(path), `{"pathPart":"a/b"}`, 400, "BadRequestException", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := p.stored()
			r, err := p.try(t.Context(), alice, tt.method, tt.target, tt.body)
			if err != nil {
				t.Fatal(err)
			}
			name := r.header.Get("x-amzn-ErrorType")
			message, _ := r.body["message"].(string)
			if r.status != tt.status || tt.exception != "" && name != tt.exception || name == "" || message == "" || !strings.HasPrefix(message, tt.message) {
				t.Errorf("got %d %s %.300s\nwant %d %s %s", r.status, name, r.text, tt.status, tt.exception, tt.message)
			}
			if len(r.body) != 1 || r.header.Get("Content-Type") != "application/json" || r.header.Get("x-amzn-RequestId") == "" {
				t.Errorf("not AWS's form: %v %.300s", r.header, r.text)
			}
			if p.stored() != before {
				t.Error("something was written")
			}
		})
	}
}

// rootOf is the root resource of the API with a path.
func (p *plane) rootOf(path string) string {
	p.t.Helper()
	return p.must(alice, "GET", path, "")["rootResourceId"].(string)
}

// signedRequest is what a client would send, open to forgery.
type signedRequest struct {
	method, target, body string
	header               map[string]string
}

func (p *plane) sign(at time.Time, method, target, body string) signedRequest {
	p.t.Helper()
	req, err := http.NewRequest(method, p.url+target, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	s := signedRequest{method, target, body, map[string]string{}}
	signed := &sigv4.Request{Method: method, Path: req.URL.EscapedPath(), RawQuery: req.URL.RawQuery,
		Headers: []sigv4.Header{{Name: "Host", Value: req.URL.Host}}, BodySHA256: sha256.Sum256([]byte(body))}
	for _, h := range sigv4.Sign(signed, sigv4.Credentials{AccessKey: alice.AccessKeyID, Secret: alice.SecretAccessKey},
		sigv4.Scope{Region: "us-east-1", Service: "apigateway"}, at) {
		s.header[h.Name] = h.Value
	}
	return s
}

func (p *plane) send(s signedRequest) reply {
	p.t.Helper()
	req, err := http.NewRequest(s.method, p.url+s.target, strings.NewReader(s.body))
	if err != nil {
		p.t.Fatal(err)
	}
	for name, value := range s.header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	r := reply{res.StatusCode, res.Header, nil, string(text)}
	_ = json.Unmarshal(text, &r.body)
	return r
}

// TestForgedRequestsAreRefused: one other character anywhere in what is signed, or in the signature, and the call is refused.
func TestForgedRequestsAreRefused(t *testing.T) {
	p := newPlane(t)
	const body = `{"name":"forged","description":"a b"}`
	whole := p.sign(time.Now(), "POST", "/restapis?failonwarnings=true&x=1", body)
	before := p.stored()
	refused := 0
	refuse := func(what string, s signedRequest) {
		t.Helper()
		r := p.send(s)
		message, _ := r.body["message"].(string)
		if r.status != http.StatusForbidden || r.header.Get("x-amzn-ErrorType") == "" || message == "" {
			t.Errorf("%s: %d %s %.200s", what, r.status, r.header.Get("x-amzn-ErrorType"), r.text)
		}
		refused++
	}
	other := func(text string, i int) string {
		c := byte('0')
		if text[i] == c {
			c = '1'
		}
		return text[:i] + string(c) + text[i+1:]
	}
	for i := range body {
		s := whole
		s.body = other(body, i)
		refuse(fmt.Sprintf("body, byte %d", i), s)
	}
	for name, value := range whole.header {
		for i := range value {
			s := whole
			s.header = map[string]string{}
			for n, v := range whole.header {
				s.header[n] = v
			}
			if s.header[name] = other(value, i); value[i] == ' ' || value[i] == ',' {
				continue // between the parts of Authorization
			}
			refuse(fmt.Sprintf("%s, byte %d", name, i), s)
		}
	}
	s := whole
	s.target = "/restapis?failonwarnings=true&x=2"
	refuse("query", s)
	s = whole
	s.method = "PUT"
	refuse("method", s)
	s = whole
	s.header = nil
	refuse("no signature", s)
	for _, skew := range []time.Duration{-16 * time.Minute, 16 * time.Minute, -24 * time.Hour} {
		refuse("signed at another time", p.sign(time.Now().Add(skew), "POST", "/restapis", body))
	}
	if p.stored() != before {
		t.Error("a forged request wrote something")
	}
	if r := p.send(p.sign(time.Now(), "POST", "/restapis", body)); r.status != http.StatusCreated {
		t.Errorf("the true one is refused: %d %s", r.status, r.text)
	}
	t.Logf("%d forgeries refused", refused)
}
