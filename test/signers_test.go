package test

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/limen-gateway/limen/test/harness"
)

// signer is an independent implementation of signature version 4. It sends one request that limen accepts to a URL.
type signer struct {
	name    string
	program string // what it needs on the machine
	send    func(t *testing.T, l *harness.Limen, url string)
}

var signers = []signer{
	{"AWS CLI", "aws", func(t *testing.T, l *harness.Limen, url string) {
		command(t, l, nil, "aws", "--endpoint-url", url, "apigateway", "create-rest-api", "--name", "by the CLI")
	}},
	{"botocore", "python3", func(t *testing.T, l *harness.Limen, url string) {
		python(t, l, "c.create_rest_api(name='by botocore')", url)
	}},
	{"botocore, presigned", "python3", func(t *testing.T, l *harness.Limen, url string) {
		python(t, l, "urllib.request.urlopen(c.generate_presigned_url('get_rest_apis', Params={'limit': 25})).read()", url)
	}},
	{"AWS SDK for Go", "go", func(t *testing.T, l *harness.Limen, url string) {
		expectSigned(t, goSigned(t, signing{service: "apigateway", region: l.Region, key: l.Keys[0]}, "POST", url+"/restapis", `{"name":"by Go"}`))
	}},
	{"AWS SDK for Go, presigned", "go", func(t *testing.T, l *harness.Limen, url string) {
		expectSigned(t, goSigned(t, signing{service: "apigateway", region: l.Region, key: l.Keys[0], presigned: true}, "GET", url+"/restapis", ""))
	}},
	{"curl", "curl", func(t *testing.T, l *harness.Limen, url string) {
		command(t, l, nil, "curl", "-sf", "--aws-sigv4", "aws:amz:"+l.Region+":apigateway", "--user", l.Keys[0].AccessKeyID+":"+l.Keys[0].SecretAccessKey,
			"-H", "Content-Type: application/json", "-d", `{"name":"by curl"}`, url+"/restapis")
	}},
}

func command(t *testing.T, l *harness.Limen, stdin io.Reader, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Stdin = stdin
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+l.Keys[0].AccessKeyID, "AWS_SECRET_ACCESS_KEY="+l.Keys[0].SecretAccessKey,
		"AWS_DEFAULT_REGION="+l.Region, "AWS_PAGER=", "AWS_MAX_ATTEMPTS=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func python(t *testing.T, l *harness.Limen, call, url string) {
	t.Helper()
	if exec.Command("python3", "-c", "import botocore.session").Run() != nil {
		t.Skip("botocore is not on this machine")
	}
	command(t, l, strings.NewReader("import urllib.request, botocore.session\n"+
		"c = botocore.session.get_session().create_client('apigateway', endpoint_url='"+url+"')\n"+call+"\n"), "python3", "-")
}

// signing is how the SDK signs a request. The zero values are what a service takes.
type signing struct {
	service, region string
	key             harness.Key
	session         string
	age             time.Duration
	payload         string // instead of the hash of the body
	presigned       bool
}

// goSigned is a request that the AWS SDK for Go has signed.
func goSigned(t *testing.T, s signing, method, url, body string) *http.Request {
	t.Helper()
	credentials := aws.Credentials{AccessKeyID: s.key.AccessKeyID, SecretAccessKey: s.key.SecretAccessKey, SessionToken: s.session}
	sum := sha256.Sum256([]byte(body))
	payload := cmp.Or(s.payload, hex.EncodeToString(sum[:]))
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-s.age)
	if !s.presigned {
		if s.payload != "" {
			req.Header.Set("X-Amz-Content-Sha256", s.payload)
		}
		if err := v4.NewSigner().SignHTTP(context.Background(), credentials, req, payload, s.service, s.region, at); err != nil {
			t.Fatal(err)
		}
		return req
	}
	signed, header, err := v4.NewSigner().PresignHTTP(context.Background(), credentials, req, payload, s.service, s.region, at)
	if err != nil {
		t.Fatal(err)
	}
	if req, err = http.NewRequest(method, signed, strings.NewReader(body)); err != nil {
		t.Fatal(err)
	}
	header.Del("Host")
	req.Header = header
	return req
}

// answered sends a request and returns status, exception name and body.
func answered(t *testing.T, req *http.Request) (status int, kind, body string) {
	t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, res.Header.Get("x-amzn-ErrorType"), string(text)
}

func expectSigned(t *testing.T, req *http.Request) {
	t.Helper()
	if status, _, text := answered(t, req); status >= 300 {
		t.Fatalf("%d %s", status, text)
	}
}

// TestSigners: what four independent signers sign is accepted, and with one byte of it changed it is refused.
func TestSigners(t *testing.T) {
	trySigners(t, harness.Start(t, harness.Options{}), signers, "")
}

// trySigners lets each signer send one request to a path, and changes every byte of what it sent.
func trySigners(t *testing.T, l *harness.Limen, signers []signer, path string) {
	address := strings.TrimPrefix(l.URL, "http://")
	for _, s := range signers {
		t.Run(s.name, func(t *testing.T) {
			if _, err := exec.LookPath(s.program); err != nil {
				t.Skipf("%s is not on this machine", s.program)
			}
			tap := newTap(t, address)
			s.send(t, l, "http://"+tap.address+path)
			request := tap.request(t)
			if status, answer := replay(t, address, request.bytes()); status >= 300 {
				t.Fatalf("the request as it was recorded: %d %s", status, answer)
			}
			n := 0
			for _, changed := range request.changed() {
				n++
				status, answer := replay(t, address, changed.request.bytes())
				if !refused(status, answer) {
					t.Errorf("with %s: %d %s", changed.what, status, answer)
				}
			}
			t.Logf("%d changed bytes, each refused", n)
		})
	}
}

// refused: the answers of spec/rest.md 3.7, and that to a path which names no API or stage any more.
func refused(status int, answer string) bool {
	for _, kind := range []string{"ForbiddenException", "InvalidSignatureException", "IncompleteSignatureException", "UnrecognizedClientException", "MissingAuthenticationTokenException"} {
		if status == http.StatusForbidden && strings.Contains(answer, kind) {
			return true
		}
	}
	return false
}

// tap stands between a signer and limen and records the first request.
type tap struct {
	address  string
	recorded chan *recorded
}

// recorded is a request as it was on the wire. Signed names the headers that the signature covers, in lower case.
type recorded struct {
	line   string
	fields []string
	signed []string
	body   []byte
}

func newTap(t *testing.T, upstream string) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{l.Addr().String(), make(chan *recorded, 1)}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := record(t, r)
		status, answer := replay(t, upstream, rec.bytes())
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, body, _ := strings.Cut(answer, "\r\n\r\n")
		_, _ = io.WriteString(w, body)
		select {
		case p.recorded <- rec:
		default:
		}
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return p
}

func (p *tap) request(t *testing.T) *recorded {
	t.Helper()
	select {
	case r := <-p.recorded:
		return r
	default:
		t.Fatal("nothing was sent")
		return nil
	}
}

func record(t *testing.T, r *http.Request) *recorded {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	out := &recorded{line: r.Method + " " + r.RequestURI + " HTTP/1.1", body: body}
	out.fields = append(out.fields, "Host: "+r.Host)
	for name, values := range r.Header {
		for _, v := range values {
			out.fields = append(out.fields, name+": "+v)
		}
	}
	if _, given := r.Header["Content-Length"]; !given {
		out.fields = append(out.fields, fmt.Sprintf("Content-Length: %d", len(body)))
	}
	slices.Sort(out.fields)
	list := r.URL.Query().Get("X-Amz-SignedHeaders")
	if _, after, ok := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders="); ok {
		list, _, _ = strings.Cut(after, ",")
		out.signed = append(out.signed, "authorization")
	}
	out.signed = append(out.signed, strings.Split(list, ";")...)
	return out
}

func (r *recorded) bytes() []byte {
	var b bytes.Buffer
	b.WriteString(r.line + "\r\n" + strings.Join(r.fields, "\r\n") + "\r\nConnection: close\r\n\r\n")
	b.Write(r.body)
	return b.Bytes()
}

// changed is a request with one byte that is another one.
type changed struct {
	what    string
	request *recorded
}

// changed makes one request for each letter and digit of the target, the signed values, the signature and the body. The
// length of the body stays: a server could only wait for the rest.
func (r *recorded) changed() []changed {
	var out []changed
	each := func(what, text string, from int, put func(*recorded, string)) {
		for i := from; i < len(text); i++ {
			if c := other(text[i]); c != text[i] {
				one := *r
				one.fields = slices.Clone(r.fields)
				put(&one, text[:i]+string(c)+text[i+1:])
				out = append(out, changed{fmt.Sprintf("byte %d of the %s", i, what), &one})
			}
		}
	}
	start := strings.IndexByte(r.line, ' ') + 1
	target := strings.TrimSuffix(r.line, " HTTP/1.1")
	each("target "+target, target, start, func(c *recorded, s string) { c.line = s + " HTTP/1.1" })
	for i, field := range r.fields {
		name, _, _ := strings.Cut(field, ":")
		if slices.Contains(r.signed, strings.ToLower(name)) && !strings.EqualFold(name, "Content-Length") {
			each("header "+field, field, len(name)+2, func(c *recorded, s string) { c.fields[i] = s })
		}
	}
	each("body", string(r.body), 0, func(c *recorded, s string) { c.body = []byte(s) })
	return out
}

// other is another letter or digit, of an escape another one of its digits; what is neither stays.
func other(c byte) byte {
	switch {
	case c == 'z', c == 'Z', c == 'f', c == 'F':
		return c - 1
	case c == '9':
		return '8'
	case c >= 'a' && c < 'z', c >= 'A' && c < 'Z', c >= '0' && c < '9':
		return c + 1
	}
	return c
}

// replay sends bytes on a new connection and reads the answer to its end.
func replay(t *testing.T, address string, request []byte) (status int, answer string) {
	t.Helper()
	nc, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = nc.Close() }()
	_ = nc.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := nc.Write(request); err != nil {
		t.Fatal(err)
	}
	var raw bytes.Buffer
	res, err := http.ReadResponse(bufio.NewReader(io.TeeReader(nc, &raw)), nil)
	if err != nil {
		t.Fatalf("%v: %s", err, raw.Bytes())
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	head, _, _ := strings.Cut(raw.String(), "\r\n\r\n")
	return res.StatusCode, head + "\r\n\r\n" + string(body)
}
