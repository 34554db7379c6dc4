package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func full() *Request {
	return &Request{
		Resource: "/pets/{id}", Path: "/pets/a%2Fb/", HTTPMethod: "POST",
		Headers: []Field{{"Accept", "*/*"}, {"tEsT", "1"}, {"X-Many", "a"}, {"Host", "abcdef1234.execute-api.eu-west-1.amazonaws.com"}, {"X-Many", "b"}},
		Query:   AppendQuery(nil, "q=1&plus=test+alias@gmail.com&q=2;r=%2B&empty"),
		PathParameters: []Field{
			{"id", "a%2Fb"},
		},
		StageVariables: []Field{{"baz", "qux"}},
		Context: Context{
			ResourceID: "123456", ResourcePath: "/pets/{id}", OperationName: "AddPet", HTTPMethod: "POST",
			ExtendedRequestID: "JKJaXmPLvHcESHA=", RequestTime: time.UnixMilli(1583798639428), Path: "/prod/pets/a%2Fb/",
			AccountID: "123456789012", Stage: "prod", DomainPrefix: "abcdef1234", RequestID: "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
			Identity: Identity{
				SourceIP: "192.0.2.1", UserAgent: "curl/8.0", APIKey: "key", APIKeyID: "keyid", VPCID: "vpc-1", VPCEID: "vpce-1",
				ClientCert: &ClientCert{"-----BEGIN CERTIFICATE-----\n", "CN=a", "CN=b", "a1", "Aug  5 00:28:21 2020 GMT", "Aug  5 00:28:21 2021 GMT"},
			},
			DomainName: "abcdef1234.execute-api.eu-west-1.amazonaws.com", DeploymentID: "abc123", APIID: "abcdef1234",
			Authorizer: &Authorizer{PrincipalID: "user", IntegrationLatency: 12, Context: []Field{
				{"key", "old"}, {"principalId", "spoofed"}, {"key", "value"},
			}},
			CanaryEnabled: true, Canary: true, BasePathMatched: "v1",
		},
		Body: []byte("{\"a\":\"\u00e9\t\x01\xff\"}"),
	}
}

func least() *Request {
	return &Request{
		Resource: "/", Path: "/", HTTPMethod: "GET",
		Context: Context{
			ResourceID: "r", ResourcePath: "/", HTTPMethod: "GET", ExtendedRequestID: "x=", RequestTime: time.Unix(0, 0), Path: "/prod/",
			AccountID: "123456789012", Stage: "prod", DomainPrefix: "a", RequestID: "id", DomainName: "a.example", DeploymentID: "d", APIID: "a",
			Authorizer: &Authorizer{Claims: []Field{{"sub", "u"}, {"scope", "a b"}}},
		},
		Binary: true,
	}
}

func binary() *Request {
	r := least()
	r.Body = []byte{0, 0xff, 0xfe}
	r.Context.Authorizer = nil
	return r
}

// TestAppendGolden compares whole events, byte for byte; the files are indented only to be read.
func TestAppendGolden(t *testing.T) {
	for name, r := range map[string]*Request{"full": full(), "least": least(), "binary": binary()} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", name+".json")
			got := Append(nil, r)
			if os.Getenv("UPDATE") != "" {
				var pretty bytes.Buffer
				if err := json.Indent(&pretty, got, "", "  "); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, append(pretty.Bytes(), '\n'), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var want bytes.Buffer
			if err := json.Compact(&want, text); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.String(), string(got)); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

// TestAppendUnmarshals: the function's side reads the event by the official types.
func TestAppendUnmarshals(t *testing.T) {
	r := full()
	var got events.APIGatewayProxyRequest
	decoder := json.NewDecoder(bytes.NewReader(Append(nil, r)))
	if err := decoder.Decode(&got); err != nil {
		t.Fatal(err)
	}
	want := events.APIGatewayProxyRequest{
		Resource: r.Resource, Path: r.Path, HTTPMethod: "POST",
		Headers:                         map[string]string{"Accept": "*/*", "tEsT": "1", "X-Many": "b", "Host": r.Context.DomainName},
		MultiValueHeaders:               map[string][]string{"Accept": {"*/*"}, "tEsT": {"1"}, "X-Many": {"a", "b"}, "Host": {r.Context.DomainName}},
		QueryStringParameters:           map[string]string{"q": "2", "plus": "test alias@gmail.com", "r": "+", "empty": ""},
		MultiValueQueryStringParameters: map[string][]string{"q": {"1", "2"}, "plus": {"test alias@gmail.com"}, "r": {"+"}, "empty": {""}},
		PathParameters:                  map[string]string{"id": "a%2Fb"},
		StageVariables:                  map[string]string{"baz": "qux"},
		RequestContext: events.APIGatewayProxyRequestContext{
			AccountID: "123456789012", ResourceID: "123456", OperationName: "AddPet", Stage: "prod", DomainName: r.Context.DomainName,
			DomainPrefix: "abcdef1234", RequestID: r.Context.RequestID, ExtendedRequestID: "JKJaXmPLvHcESHA=", Protocol: "HTTP/1.1",
			Identity: events.APIGatewayRequestIdentity{
				APIKey: "key", APIKeyID: "keyid", SourceIP: "192.0.2.1", UserAgent: "curl/8.0",
				ClientCert: &events.APIGatewayCustomAuthorizerRequestTypeRequestIdentityClientCert{
					ClientCertPem: "-----BEGIN CERTIFICATE-----\n", SubjectDN: "CN=a", IssuerDN: "CN=b", SerialNumber: "a1",
					Validity: events.APIGatewayCustomAuthorizerRequestTypeRequestIdentityClientCertValidity{
						NotBefore: "Aug  5 00:28:21 2020 GMT", NotAfter: "Aug  5 00:28:21 2021 GMT",
					},
				},
			},
			ResourcePath: "/pets/{id}", Path: "/prod/pets/a%2Fb/", HTTPMethod: "POST", RequestTime: "10/Mar/2020:00:03:59 +0000",
			RequestTimeEpoch: 1583798639428, APIID: "abcdef1234",
			Authorizer: map[string]any{"principalId": "user", "integrationLatency": 12.0, "key": "value"},
		},
		Body: "{\"a\":\"\u00e9\t\x01\uFFFD\"}",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
}

// TestAppendMaps: however many fields there are, both ways of writing maps agree with a plain model.
func TestAppendMaps(t *testing.T) {
	name := rapid.StringMatching(`[abAB]{1,2}`)
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Field {
			return Field{name.Draw(t, "name"), rapid.String().Draw(t, "value")}
		}), 1, 2*fewFields).Draw(t, "fields")
		last, all := map[string]string{}, map[string][]string{}
		for _, f := range fields {
			last[f.Name] = f.Value
			all[f.Name] = append(all[f.Name], f.Value)
		}
		var got struct {
			S map[string]string
			M map[string][]string
		}
		text := append(appendMaps([]byte{'{'}, "s", "m", fields), '}')
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if diff := cmp.Diff(last, got.S) + cmp.Diff(all, got.M); diff != "" {
			t.Fatal(diff)
		}
		if few := appendObject(nil, fields, multi); string(few) != string(appendLarge(nil, fields, multi)) {
			t.Fatal("the two ways differ")
		}
		if few := appendObject(nil, fields, single); string(few) != string(appendLarge(nil, fields, single)) {
			t.Fatal("the two ways differ")
		}
	})
}

func TestAppendQuery(t *testing.T) {
	tests := []struct {
		raw  string
		want []Field
	}{
		{"", nil},
		{"a=1&a=2", []Field{{"a", "1"}, {"a", "2"}}},
		{"plus=test+alias@gmail.com", []Field{{"plus", "test alias@gmail.com"}}},
		{"p=%2B%c3%A9", []Field{{"p", "+é"}}},
		{"a=1;b=2", []Field{{"a", "1"}, {"b", "2"}}},
		{"a&b=", []Field{{"a", ""}, {"b", ""}}},
		{"&&a=b=c&", []Field{{"a", "b=c"}}},
		{"a=%zz%4", []Field{{"a", "%zz%4"}}},
		{"=v", []Field{{"", "v"}}},
	}
	for _, tt := range tests {
		t.Run(tt.raw, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, AppendQuery(nil, tt.raw)); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

// FuzzAppendString: every text comes back from encoding/json as it was, invalid UTF-8 replaced.
func FuzzAppendString(f *testing.F) {
	f.Add("plain \" \\ \b\f\n\r\t\x00\x1f\x7f é \u2028 <&>")
	f.Add("\xff\xc3\xe6\xbc")
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		text := appendString(nil, s)
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if want := strings.Join(strings.Split(string([]rune(s)), ""), ""); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		if again := appendString(nil, []byte(s)); string(again) != string(text) {
			t.Fatalf("bytes give %q, text gives %q", again, text)
		}
	})
}

func TestDecoded(t *testing.T) {
	want := []byte{0, 1, 0xff}
	r := Result{Body: []byte(base64.StdEncoding.EncodeToString(want)), IsBase64Encoded: true}
	if got, err := r.Decoded(); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got %v, %v", got, err)
	}
	r.Body = []byte("!")
	if _, err := r.Decoded(); err == nil {
		t.Fatal("decoded nonsense")
	}
	r.IsBase64Encoded = false
	if got, err := r.Decoded(); err != nil || string(got) != "!" {
		t.Fatalf("got %s, %v", got, err)
	}
}

func BenchmarkAppend(b *testing.B) {
	r := full()
	buffer := Append(nil, r)
	b.ReportAllocs()
	b.SetBytes(int64(len(buffer)))
	for b.Loop() {
		buffer = Append(buffer[:0], r)
	}
}

// TestAppendAllocates nothing, given room.
func TestAppendAllocates(t *testing.T) {
	r := full()
	buffer := Append(nil, r)
	if n := testing.AllocsPerRun(100, func() { buffer = Append(buffer[:0], r) }); n > 0 {
		t.Fatalf("%v allocations", n)
	}
}
