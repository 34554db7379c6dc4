package sigv4

import (
	"crypto/sha256"
	"strings"
	"testing"
	"time"
)

var (
	noon  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	alice = Credentials{AccessKey: "AKIDALICE", Secret: "alice-secret"}
	rules = Rules{Now: noon, Services: []string{"execute-api"}, Regions: []string{"eu-west-1"}}
	home  = Scope{Region: "eu-west-1", Service: "execute-api"}
	empty = sha256.Sum256(nil)
)

func get(path, query string, headers ...string) *Request {
	r := &Request{Method: "GET", Path: path, RawQuery: query, BodySHA256: empty, Headers: []Header{{Name: "Host", Value: "api.example"}}}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Headers = append(r.Headers, Header{Name: headers[i], Value: headers[i+1]})
	}
	return r
}

func signed(r *Request, c Credentials, scope Scope, at time.Time) *Request {
	r.Headers = append(r.Headers, Sign(r, c, scope, at)...)
	return r
}

func TestParse(t *testing.T) {
	const (
		credential = "Credential=AKID/20260301/eu-west-1/execute-api/aws4_request"
		rest       = "SignedHeaders=host, Signature=00"
		date       = "20260301T120000Z"
	)
	tests := []struct {
		name    string
		request *Request
		kind    string
		message string
	}{
		{"nothing", get("/", ""), MissingToken, "Missing Authentication Token"},
		{"empty header", get("/", "", "Authorization", " "), MissingToken, "Missing Authentication Token"},
		{"bearer", get("/", "", "Authorization", "Bearer abc"), Incomplete, "'abc' not a valid key=value pair (missing equal-sign) in Authorization header: 'Bearer abc'."},
		{"one pair broken", get("/", "", "Authorization", "AWS4-HMAC-SHA256 Signature=b,    Credential,    SignedHeaders"), Incomplete, "'Credential' not a valid key=value pair (missing equal-sign) in Authorization header: 'AWS4-HMAC-SHA256 Signature=b,    Credential,    SignedHeaders'."},
		{"algorithm alone", get("/", "", "Authorization", "AWS4-HMAC-SHA256"), Incomplete, "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256"},
		{"basic", get("/", "", "Authorization", "Basic dTpw=="), Incomplete, "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=Basic dTpw=="},
		{"only the date is missing", get("/", "", "Authorization", Algorithm+" "+credential+", "+rest), Incomplete, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. Authorization=AWS4-HMAC-SHA256"},
		{"only the signature is missing", get("/", "", "Authorization", Algorithm+" "+credential+", SignedHeaders=host", "X-Amz-Date", date), Incomplete, "Authorization header requires 'Signature' parameter. Authorization=AWS4-HMAC-SHA256"},
		{"bad date", get("/", "", "Authorization", Algorithm+" "+credential+", "+rest, "X-Amz-Date", "201"), Incomplete, "Date must be in ISO-8601 'basic format'. Got '201'. See http://en.wikipedia.org/wiki/ISO_8601"},
		{"host unsigned", get("/", "", "Authorization", Algorithm+" "+credential+", SignedHeaders=, Signature=00", "X-Amz-Date", date), Invalid, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."},
		{"algorithm", get("/", "", "Authorization", "AWS4-HMAC-SHA1 "+credential+", "+rest, "X-Amz-Date", date), Incomplete, "Unsupported AWS 'algorithm': 'AWS4-HMAC-SHA1'."},
		{"credential", get("/", "", "Authorization", Algorithm+" Credential=a/b/c/d, "+rest, "X-Amz-Date", date), Incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got 'a/b/c/d'"},
		{"both forms", get("/", "X-Amz-Algorithm="+Algorithm, "Authorization", Algorithm), Invalid, "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."},
		{"query alone", get("/", "X-Amz-Algorithm="+Algorithm), Incomplete, "AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include 'X-Amz-Signature'. AWS query-string parameters must include 'X-Amz-SignedHeaders'. AWS query-string parameters must include 'X-Amz-Date'. Re-examine the query-string parameters."},
		{"expires", get("/", "X-Amz-Algorithm=x&X-Amz-Credential=x&X-Amz-Date=x&X-Amz-SignedHeaders=x&X-Amz-Signature=x&X-Amz-Expires=604801"), Incomplete, "X-Amz-Expires must be a number of seconds between 1 and 604800, got '604801'"},
		{"other X-Amz parameters", get("/", "X-Amz-Other=1"), MissingToken, "Missing Authentication Token"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse(tt.request)
			if err == nil || err.Type != tt.kind || err.Message != tt.message {
				t.Fatalf("got %v\nwant %s: %s", err, tt.kind, tt.message)
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	r := get("/", "", "authorization", "AWS4-HMAC-SHA256 Credential=AKID/20260301/eu-west-1/execute-api/aws4_request/,SignedHeaders=X-B;host;x-b,Signature=00,Extra=1",
		"Date", "Sun, 01 Mar 2026 12:00:00 GMT", "x-amz-security-token", "tok")
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if s.AccessKey != "AKID" || s.Terminator != "aws4_request" || !s.Time.Equal(noon) || s.SessionToken != "tok" || strings.Join(s.SignedHeaders, ";") != "host;x-b" {
		t.Fatalf("got %+v", s)
	}
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name    string
		scope   Scope
		at      time.Time
		change  func(*Signature)
		message string
	}{
		{"good", home, noon, nil, ""},
		{"five minutes old", home, noon.Add(-5 * time.Minute), nil, ""},
		{"five minutes ahead", home, noon.Add(5 * time.Minute), nil, ""},
		{"too old", home, noon.Add(-301 * time.Second), nil, "Signature expired: 20260301T115459Z is now earlier than 20260301T115500Z (20260301T120000Z - 5 min.)"},
		{"too new", home, noon.Add(301 * time.Second), nil, "Signature not yet current: 20260301T120501Z is still later than 20260301T120500Z (20260301T120000Z + 5 min.)"},
		{"region", Scope{"c", "execute-api"}, noon, nil, "Credential should be scoped to a valid region, not 'c'. "},
		{"service", Scope{"eu-west-1", "s3"}, noon, nil, "Credential should be scoped to correct service: 'execute-api'. "},
		{"terminator", home, noon, func(s *Signature) { s.Terminator = "e" }, "Credential should be scoped with a valid terminator: 'aws4_request', not 'e'. "},
		{"day", home, noon, func(s *Signature) { s.Day = "b" }, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: 'b' != '20260301', from '20260301T120000Z'."},
		{"all", Scope{"c", "d"}, noon, func(s *Signature) { s.Terminator, s.Day = "e", "b" }, "Credential should be scoped to a valid region, not 'c'. Credential should be scoped to correct service: 'execute-api'. Credential should be scoped with a valid terminator: 'aws4_request', not 'e'. Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: 'b' != '20260301', from '20260301T120000Z'."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Parse(signed(get("/", ""), alice, tt.scope, tt.at))
			if err != nil {
				t.Fatal(err)
			}
			if tt.change != nil {
				tt.change(s)
			}
			got := ""
			if err := s.Check(rules); err != nil {
				got = err.Message
				if err.Type != Invalid {
					t.Errorf("type %s", err.Type)
				}
			}
			if got != tt.message {
				t.Fatalf("got  %q\nwant %q", got, tt.message)
			}
		})
	}
}

func TestCheckWithoutServices(t *testing.T) {
	s, err := Parse(signed(get("/", ""), alice, home, noon))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(Rules{Now: noon}); err == nil || err.Message != "Credential should be scoped to correct service: ''. " {
		t.Fatalf("got %v", err)
	}
}

func TestVerifyMismatch(t *testing.T) {
	r := signed(get("/prod/a%2Fb", "z=1&a=x+y"), alice, home, noon)
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	r.Path = "/prod/other%2F"
	const head = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
	const want = head + "\n\nThe Canonical String for this request should have been\n'GET\n/prod/other%252F\na=x%20y&z=1\nhost:api.example\nx-amz-date:20260301T120000Z\n\nhost;x-amz-date\ne3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'\n\nThe String-to-Sign should have been\n'AWS4-HMAC-SHA256\n20260301T120000Z\n20260301/eu-west-1/execute-api/aws4_request\n"
	got := s.Verify(r, alice.Secret, rules)
	// The digest is checked by the vectors; here the wording counts.
	if got == nil || got.Type != Invalid || !strings.HasPrefix(got.Message, want) || !strings.HasSuffix(got.Message, "'\n") || len(got.Message) != len(want)+64+2 {
		t.Fatalf("got %v", got)
	}
	hidden := rules
	hidden.HideCanonical = true
	if got := s.Verify(r, alice.Secret, hidden); got == nil || got.Message != head {
		t.Fatalf("got %v", got)
	}
}

// TestBrief: what may be kept names the part that is wrong and repeats nothing that may be secret.
func TestBrief(t *testing.T) {
	bodyOf := func(sha string) *Request {
		r := signed(get("/", "", "X-Secret", "s3cret", "X-Amz-Content-Sha256", sha), alice, home, noon)
		r.BodySHA256[0]++
		return r
	}
	wrongSecret := signed(get("/", "", "X-Secret", "s3cret", "X-Amz-Content-Sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
		Credentials{AccessKey: alice.AccessKey, Secret: "another"}, home, noon)
	tests := []struct {
		name string
		r    *Request
		want string
	}{
		{"a token of another kind", get("/", "", "Authorization", "Bearer s3cret"), "key=value pair"},
		{"one with an equal sign", get("/", "", "Authorization", "Basic s3cret="), "or a 'Date' header."},
		{"another secret", wrongSecret, "the body is the one that was signed, so the secret, the method, the path, the query or a signed header (host;x-amz-content-sha256;x-amz-date;x-secret) differs."},
		{"another body", bodyOf("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"), "the body is not the one that was signed"},
		{"a body that is not signed", bodyOf("UNSIGNED-PAYLOAD"), "X-Amz-Content-Sha256 is UNSIGNED-PAYLOAD, and the hash of the body must be signed."},
		{"nothing told", signed(get("/", "", "X-Secret", "s3cret"), Credentials{AccessKey: alice.AccessKey, Secret: "another"}, home, noon), "or the body differs."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Parse(tt.r)
			if err == nil {
				err = s.Verify(tt.r, alice.Secret, rules)
			}
			if err == nil || !strings.Contains(err.Message, "s3cret") {
				t.Fatalf("the sender learns %v", err)
			}
			if got := err.Brief(); !strings.Contains(got, tt.want) || strings.Contains(got, "s3cret") || strings.Contains(got, "\n") {
				t.Errorf("brief: %s, want %s", got, tt.want)
			}
		})
	}
	if got := UnknownKey().Brief(); got != UnknownKey().Message {
		t.Error(got)
	}
}

// TestVerifyRefuses: a change of anything that is covered is noticed.
func TestVerifyRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Request)
	}{
		{"method", func(r *Request) { r.Method = "POST" }},
		{"path", func(r *Request) { r.Path += "x" }},
		{"path encoding", func(r *Request) { r.Path = strings.Replace(r.Path, "%2F", "/", 1) }},
		{"query value", func(r *Request) { r.RawQuery += "1" }},
		{"query added", func(r *Request) { r.RawQuery += "&c=1" }},
		{"query name and value swapped over the equal sign", func(r *Request) { r.RawQuery = strings.Replace(r.RawQuery, "a=b", "a%3Db", 1) }},
		{"host", func(r *Request) { r.Headers[0].Value = "other.example" }},
		{"signed header added", func(r *Request) { r.Headers = append(r.Headers, Header{Name: "x-mine", Value: "2"}) }},
		{"signed header gone", func(r *Request) { r.Headers[1].Name = "x-other" }},
		{"body", func(r *Request) { r.BodySHA256[0]++ }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := signed(get("/prod/a%2Fb", "a=b", "X-Mine", "1"), alice, home, noon)
			s, err := Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Verify(r, alice.Secret, rules); err != nil {
				t.Fatalf("refused unchanged: %v", err)
			}
			tt.change(r)
			if err := s.Verify(r, alice.Secret, rules); err == nil {
				t.Fatal("accepted")
			}
		})
	}
}

func TestVerifyKey(t *testing.T) {
	r := signed(get("/", ""), alice, home, noon)
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	key := NewKey(alice.Secret, s.Day, s.Region, s.Service)
	if err := s.VerifyKey(r, key, rules); err != nil {
		t.Fatal(err)
	}
	late := rules
	late.Now = noon.Add(time.Hour)
	if err := s.VerifyKey(r, key, late); err == nil {
		t.Fatal("accepted an hour later")
	}
	if err := s.Verify(r, alice.Secret, late); err == nil {
		t.Fatal("accepted an hour later")
	}
}

func TestPresigned(t *testing.T) {
	withToken := Credentials{alice.AccessKey, alice.Secret, "tok/en="}
	tests := []struct {
		name    string
		expires time.Duration
		later   time.Duration
		message string
	}{
		{"at once", time.Hour, 0, ""},
		{"last second", time.Hour, time.Hour, ""},
		{"expired", time.Hour, time.Hour + time.Second, "Signature expired: 20260301T120000Z is now earlier than 20260301T120001Z (20260301T130001Z - 60 min.)"},
		{"expired after seconds", 90 * time.Second, 91 * time.Second, "Signature expired: 20260301T120000Z is now earlier than 20260301T120001Z (20260301T120131Z - 90 sec.)"},
		{"before its time", time.Hour, -301 * time.Second, "Signature not yet current: 20260301T120000Z is still later than 20260301T115959Z (20260301T115459Z + 5 min.)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := get("/prod/x", "b=2&a=1")
			r.RawQuery = Presign(r, withToken, home, noon, tt.expires)
			s, err := Parse(r)
			if err != nil {
				t.Fatal(err)
			}
			if !s.Presigned || s.SessionToken != "tok/en=" || s.Expires != tt.expires {
				t.Fatalf("got %+v", s)
			}
			at := rules
			at.Now = noon.Add(tt.later)
			got := ""
			if err := s.Verify(r, alice.Secret, at); err != nil {
				got = err.Message
			}
			if got != tt.message {
				t.Fatalf("got  %q\nwant %q", got, tt.message)
			}
		})
	}
}

// TestPresignedTokenAfterwards: some signers add the token only after signing.
func TestPresignedTokenAfterwards(t *testing.T) {
	r := get("/prod//x", "")
	r.RawQuery = Presign(r, alice, home, noon, time.Hour) + "&X-Amz-Security-Token=tok"
	s, err := Parse(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(r, alice.Secret, rules); err != nil || s.SessionToken != "tok" {
		t.Fatalf("token %q, %v", s.SessionToken, err)
	}
}

func TestCanonicalParts(t *testing.T) {
	for in, want := range map[string]string{
		"": "/", "/": "/", "/a/b": "/a/b", "/a//b": "/a/b", "//": "/", "/./": "/", "/a/../..": "/", "/a/b/..": "/a", "/a/./b/": "/a/b/",
		"/@connections/x%3D": "/%40connections/x%253D", "/a/.b": "/a/.b", "/a b": "/a%20b", "a": "/a", "/-._~": "/-._~",
	} {
		if got := string(appendNormalPath(nil, in)); got != want {
			t.Errorf("path %q gives %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{
		"": "", "b&a": "a=&b=", "a=2&a=1&a": "a=&a=1&a=2", "a=%7e&b=%2f": "a=~&b=%2F", "a=b=c": "a=b%3Dc", "&&a=1&": "a=1", "a=%zz&b=%4": "a=%25zz&b=%254",
		"a=1;b=2": "a=1%3Bb%3D2", "a+b=%20": "a%20b=%20", "a-b=1&a=2": "a=2&a-b=1",
	} {
		if got := string(appendQuery(nil, in, false, form{})); got != want {
			t.Errorf("query %q gives %q, want %q", in, got, want)
		}
	}
	for in, want := range map[string]string{"": "", "  a \t b\r\n  c ": "a b c", "   ": "", "a,  b": "a, b"} {
		if got := string(appendCollapsed(nil, in)); got != want {
			t.Errorf("value %q gives %q, want %q", in, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	for got, want := range map[string]string{
		UnknownKey().Error():   "UnrecognizedClientException: The security token included in the request is invalid.",
		ExpiredToken().Error(): "ExpiredTokenException: The security token included in the request is expired",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	r := signed(get("/prod/pets/7", "b=2&a=1", "User-Agent", "bench", "Accept", "*/*"), alice, home, noon)
	s, err := Parse(r)
	if err != nil {
		b.Fatal(err)
	}
	key := NewKey(alice.Secret, s.Day, s.Region, s.Service)
	b.Run("secret", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s, err := Parse(r)
			if err != nil || s.Verify(r, alice.Secret, rules) != nil {
				b.Fatal("refused")
			}
		}
	})
	b.Run("key", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			s, err := Parse(r)
			if err != nil || s.VerifyKey(r, key, rules) != nil {
				b.Fatal("refused")
			}
		}
	})
}

// TestBadInput: whatever comes, it is refused with a text that fits a header line's job.
func TestBadInput(t *testing.T) {
	much := strings.Repeat("a=b&%ff&", 1_250_000)
	for _, r := range []*Request{
		get("/", "X-Amz-Algorithm="+Algorithm+"&"+much),
		get("/", "", "Authorization", Algorithm+" "+strings.Repeat("Credential=a/b/c/d/e,", 500_000)),
		get("/", "", "Authorization", Algorithm+" Credential=AKID/20260301/eu-west-1/execute-api/aws4_request, SignedHeaders=host;"+strings.Repeat("x;", 1_000_000)+"y, Signature=00", "X-Amz-Date", "20260301T120000Z"),
		get("/", "", "Authorization", Algorithm+" Credential=\xff\xfe/20260301/eu-west-1/execute-api/aws4_request, SignedHeaders=host, Signature=\xff", "X-Amz-Date", "20260301T120000Z"),
		get("/", "", "Authorization", Algorithm+" Credential=AKID/20260301/eu-west-1/execute-api/aws4_request, SignedHeaders=host, Signature=00", "X-Amz-Date", strings.Repeat("9", 1_000_000)),
		get(strings.Repeat("/%2F..", 1_000_000), "", "Authorization", Algorithm+" Credential=AKID/20260301/eu-west-1/execute-api/aws4_request, SignedHeaders=host, Signature=00", "X-Amz-Date", "20260301T120000Z"),
	} {
		s, err := Parse(r)
		if err == nil {
			err = s.Verify(r, alice.Secret, rules)
		}
		if err == nil || err.Message == "" {
			t.Errorf("%.40s %v: got %v", r.Path, len(r.Headers), err)
		}
	}
}
