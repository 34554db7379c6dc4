package policy

import (
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/limen-gateway/limen/platform/casetest"
)

func TestParseErrors(t *testing.T) {
	for _, c := range casetest.Read[struct{ Text, Kind, Error string }](t, filepath.Join("testdata", "errors.json")) {
		kind := Identity
		if c.Kind == "resource" {
			kind = Resource
		}
		_, err := Parse(c.Text, kind)
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Error(), c.Error) {
			t.Errorf("%s:\n got %v\nwant %s", c.Text, err, c.Error)
		}
	}
	for text, want := range map[string]string{
		"{\"Id\":\"a\xff\"}":                              "policy at 8: document is not UTF-8",
		`{"Id":"` + strings.Repeat("a", maxLength) + `"}`: "policy at 262144: document is too long",
		strings.Repeat("[", 100_000):                      "policy at 9: document is nested too deeply",
	} {
		if _, err := Parse(text, Identity); err == nil || err.Error() != want {
			t.Errorf("%.20q: %v", text, err)
		}
	}
}

func TestDocument(t *testing.T) {
	d, err := Parse(`{"Version":"2012-10-17","Id":"mine","Statement":{"Sid":"","Effect":"Deny","NotPrincipal":{"AWS":["1"],"Service":"s","Federated":"f","CanonicalUser":"c"},"NotAction":[],"Condition":{"Bool":{"k":[true,1,"x"]}}}}`, Resource)
	if err != nil {
		t.Fatal(err)
	}
	s := d.Statements[0]
	if d.ID != "mine" || s.Effect.String() != "Deny" || s.NotAction == nil || s.Resource != nil || strings.Join(s.Conditions[0].Values, " ") != "true 1 x" || s.Position != 48 {
		t.Errorf("%+v", s)
	}
}

var pets = API{Region: "us-east-1", Account: "123456789012", ID: "abcde12345"}

func TestExpand(t *testing.T) {
	text := `{ "Statement" : [ {"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource" : [ "execute-api:/*" , "arn:x", "execute-api:\/prod\/GET\/<a>"]},
	{"Effect":"Deny","Principal":"*","Action":"execute-api:Invoke","NotResource":"execute-api:/test/*"} ] }`
	want := `{ "Statement" : [ {"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource" : [ "arn:aws:execute-api:us-east-1:123456789012:abcde12345/*" , "arn:x", "arn:aws:execute-api:us-east-1:123456789012:abcde12345/prod/GET/<a>"]},
	{"Effect":"Deny","Principal":"*","Action":"execute-api:Invoke","NotResource":"arn:aws:execute-api:us-east-1:123456789012:abcde12345/test/*"} ] }`
	d, err := Parse(text, Resource)
	if err != nil {
		t.Fatal(err)
	}
	if got := d.Expand(pets); got != want {
		t.Errorf("got %s", got)
	}
	china := pets
	china.Partition = "aws-cn"
	if got := d.Expand(china); !strings.Contains(got, `"arn:aws-cn:execute-api:`) {
		t.Errorf("got %s", got)
	}
}

func compile(t testing.TB, text string) *Policy {
	t.Helper()
	d, err := Parse(text, Resource)
	if err != nil {
		t.Fatal(err)
	}
	if d, err = Parse(d.Expand(pets), Resource); err != nil {
		t.Fatal(err)
	}
	return d.Compile("the resource policy")
}

const endpointPolicy = `{"Version":"2012-10-17","Statement":[
	{"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/*"},
	{"Sid":"OnlyOurs","Effect":"Deny","Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/*","Condition":{"StringNotEquals":{"aws:SourceVpce":"vpce-1"}}},
	{"Effect":"Deny","Principal":"*","Action":"execute-api:Invoke","Resource":"execute-api:/*/GET/users/${aws:username}","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.168.0.0/16"]}}}]}`

func invoke() *Request {
	r := &Request{Action: "execute-api:Invoke", Resource: "arn:aws:execute-api:us-east-1:123456789012:abcde12345/prod/GET/users/ann"}
	r.Context.Set("aws:SourceVpce", "vpce-1")
	r.Context.Set("aws:SourceIp", "192.168.3.4")
	r.Context.Set("aws:UserName", "bob")
	return r
}

func TestExplain(t *testing.T) {
	p, r := compile(t, endpointPolicy), invoke()
	if d := Decide(r, p); !d.Allowed() {
		t.Error(d)
	}
	r.Context.Set("aws:sourcevpce", "vpce-2")
	var lines []string
	for _, f := range Explain(r, p) {
		lines = append(lines, f.String())
	}
	want := `statement 0 of the resource policy applies: Allow
statement 1 (OnlyOurs) of the resource policy applies: Deny
statement 2 of the resource policy, whose Resource does not match`
	if got := strings.Join(lines, "\n"); got != want {
		t.Errorf("got\n%s", got)
	}
	if d := Decide(r, p); d.Allowed() || d.Statement.Sid != "OnlyOurs" {
		t.Error(d)
	}
	if names := PrincipalElement.String() + Matched.String(); names != "Principaleverything" {
		t.Error(names)
	}
}

func TestContext(t *testing.T) {
	var c Context
	c.Set("aws:Key", "a", "b")
	c.Set("AWS:KEY", "c")
	if got := c.Values("Aws:Key"); len(got) != 1 || got[0] != "c" {
		t.Error(got)
	}
	c.Reset()
	if got := c.Values("aws:key"); got != nil {
		t.Error(got)
	}
}

func TestConcurrentUse(t *testing.T) {
	p := compile(t, endpointPolicy)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if d := Decide(invoke(), p); !d.Allowed() {
				t.Error(d)
			}
		})
	}
	group.Wait()
}

// TestAllocations: a decision costs no memory.
func TestAllocations(t *testing.T) {
	p, r := compile(t, endpointPolicy), invoke()
	if got := testing.AllocsPerRun(100, func() { Decide(r, p) }); got != 0 {
		t.Errorf("%v allocations", got)
	}
}

// TestBounds: no pattern makes a decision long; one that backtracked would not come back.
func TestBounds(t *testing.T) {
	pattern := strings.Repeat("*a?", 2500) + "b"
	p := compile(t, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource":"`+pattern+`","Condition":{"StringLike":{"k":"`+pattern+`"}}}}`)
	r := &Request{Action: "execute-api:Invoke", Resource: strings.Repeat("a", 10_000)}
	if d := Decide(r, p); d.Allowed() {
		t.Error(d)
	}
}

// TestKnownGaps: the list is empty, and the format of an entry is that of a case.
func TestKnownGaps(t *testing.T) {
	for _, c := range knownGaps {
		if d := c.decide(t); d.Outcome.String() == c.Expect.Decision {
			t.Errorf("%s: the gap is closed", c.What)
		}
	}
}

// knownGaps are cases that are decided differently from the service, each with its reason in What.
var knownGaps []policyCase

func FuzzDecide(f *testing.F) {
	f.Add(endpointPolicy, "execute-api:Invoke", "arn:x", "aws:SourceIp", "10.0.0.1")
	f.Add(`{"Statement":{"Effect":"Allow","Action":"*","Resource":"a*${k,'x'}?","Condition":{"ForAllValues:DateLessThanIfExists":{"k":[1,"2024"]},"ArnLike":{"k":"arn:*:${k}:::x"}}}}`, "a:b", "abc", "k", "2020")
	f.Add(`{"Statement":[{"Effect":"Deny","NotAction":"s3:?","NotResource":"${x}","Condition":{"Null":{"k":"true"},"NumericEquals":{"k":"1e9"},"BinaryEquals":{"k":"QQ=="}}}]}`, "a:b", "abc", "k", "1")
	f.Fuzz(func(t *testing.T, text, action, resource, key, value string) {
		for _, kind := range []Kind{Identity, Resource} {
			d, err := Parse(text, kind)
			if err != nil {
				var e *Error
				if !errors.As(err, &e) || e.Position < 0 || e.Position > len(text) {
					t.Fatalf("%q: %v", text, err)
				}
				continue
			}
			again, err := Parse(d.Expand(pets), kind)
			if err != nil || len(again.Statements) != len(d.Statements) {
				t.Fatalf("%q expands to %q: %v", text, d.Expand(pets), err)
			}
			r := &Request{Action: action, Resource: resource, Principal: Principal{ARN: value}}
			r.Context.Set(key, value, action)
			p := d.Compile("")
			decision := Decide(r, p)
			_ = decision.String()
			if twice := Decide(r, p, p); twice.Outcome != decision.Outcome {
				t.Fatalf("%q: %s, and twice %s", text, decision, twice)
			}
			Explain(r, p)
		}
	})
}

func BenchmarkDecide(b *testing.B) {
	p, r := compile(b, endpointPolicy), invoke()
	b.ReportAllocs()
	for b.Loop() {
		if !Decide(r, p).Allowed() {
			b.Fatal("denied")
		}
	}
}

func BenchmarkParseAndCompile(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(endpointPolicy)))
	for b.Loop() {
		d, err := Parse(endpointPolicy, Resource)
		if err != nil {
			b.Fatal(err)
		}
		d.Compile("")
	}
}

// TestBadInput: values of conditions that nobody sends by accident are false, and cost nothing.
func TestBadInput(t *testing.T) {
	long := strings.Repeat("9", 1_000_000)
	for _, c := range []struct{ operator, policy, request string }{
		{"NumericEquals", "1e999999999", "1e999999998"},
		{"NumericLessThan", "1", "1e999999999"},
		{"NumericEquals", "1", long},
		{"DateEquals", "2020", long},
		{"IpAddress", "10.0.0.0/8", long},
		{"BinaryEquals", "QQ==", long},
		{"ArnLike", "arn:*:*:*:*:*", strings.Repeat(":", 1_000_000)},
		{"StringLike", "*\xffb*", "a\xfe"},
		{"Bool", "true", "\xff"},
	} {
		p := compile(t, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*","Condition":{"`+c.operator+`":{"k":"`+strings.ToValidUTF8(c.policy, "?")+`"}}}}`)
		r := &Request{Action: "execute-api:Invoke", Resource: "arn:x"}
		r.Context.Set("k", c.request)
		if d := Decide(r, p); d.Allowed() {
			t.Errorf("%s: %.20q is allowed", c.operator, c.request)
		}
	}
}
