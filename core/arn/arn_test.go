package arn

import (
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, in string
		want     ARN
		err      error
	}{
		{"plain", "arn:aws:iam::123456789012:user/anna", ARN{"aws", "iam", "", "123456789012", "user/anna"}, nil},
		{"resource keeps its colons", "arn:aws:lambda:eu-west-1:123456789012:function:f:live", ARN{"aws", "lambda", "eu-west-1", "123456789012", "function:f:live"}, nil},
		{"other word", "urn:aws:iam:::x", ARN{}, errPrefix},
		{"too short", "arn:aws:iam::123456789012", ARN{}, errSections},
		{"empty resource", "arn:aws:iam:::", ARN{}, errEmpty},
		{"empty service", "arn:aws::::x", ARN{}, errEmpty},
		{"empty partition", "arn::iam:::x", ARN{}, errEmpty},
		{"empty", "", ARN{}, errPrefix},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.in)
			if got != tt.want || err != tt.err {
				t.Fatalf("got %+v, %v; want %+v, %v", got, err, tt.want, tt.err)
			}
			if err == nil && got.String() != tt.in {
				t.Fatalf("String gives %q", got)
			}
		})
	}
}

var home = Function{Region: "eu-west-1", Account: "123456789012"}

func TestParseFunctionName(t *testing.T) {
	const full = "arn:aws:lambda:eu-west-1:123456789012:function:f"
	tests := []struct {
		name, in, want string
		err            error
	}{
		{"name", "f", full, nil},
		{"name and alias", "f:live", full + ":live", nil},
		{"name and version", "f:3", full + ":3", nil},
		{"name and latest", "f:$LATEST", full + ":$LATEST", nil},
		{"function and name", "function:f", full, nil},
		{"partial", "111122223333:function:f:live", "arn:aws:lambda:eu-west-1:111122223333:function:f:live", nil},
		{"full", full, full, nil},
		{"full and alias", full + ":live", full + ":live", nil},
		{"China", "arn:aws-cn:lambda:cn-north-1:123456789012:function:f", "arn:aws-cn:lambda:cn-north-1:123456789012:function:f", nil},
		{"partial with a bad account", "11:function:f", "", errAccount},
		{"full with a bad account", "arn:aws:lambda:eu-west-1:1234567890ab:function:f", "", errAccount},
		{"another service", "arn:aws:s3:eu-west-1:123456789012:function:f", "", errNotFunction},
		{"a layer", "arn:aws:lambda:eu-west-1:123456789012:layer:f", "", errNotFunction},
		{"no region", "arn:aws:lambda::123456789012:function:f", "", errNotFunction},
		{"not an ARN after all", "arn:aws", "", errSections},
		{"empty", "", "", errFunctionName},
		{"empty qualifier", "f:", "", errQualifier},
		{"two qualifiers", "f:a:b", "", errQualifier},
		{"path out", "../f", "", errFunctionName},
		{"stage variable left in", "${stageVariables.f}", "", errFunctionName},
		{"long name", "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "", errFunctionName},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseFunctionName(tt.in, home)
			if err != tt.err || err == nil && got.String() != tt.want {
				t.Fatalf("got %v, %v; want %v, %v", got, err, tt.want, tt.err)
			}
		})
	}
}

func TestParseInvocation(t *testing.T) {
	const function = "arn:aws:lambda:us-east-1:123456789012:function:f:live"
	f := Function{"aws", "us-east-1", "123456789012", "f", "live"}
	tests := []struct {
		name, in string
		want     Invocation
		ok       bool
	}{
		{"buffered", "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/" + function + "/invocations", Invocation{"us-east-1", f, false}, true},
		{"streaming", "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/" + function + "/response-streaming-invocations", Invocation{"us-east-1", f, true}, true},
		{"streaming date, buffered tail", "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/" + function + "/invocations", Invocation{}, false},
		{"unknown date", "arn:aws:apigateway:us-east-1:lambda:path/2014-11-13/functions/" + function + "/invocations", Invocation{}, false},
		{"an action", "arn:aws:apigateway:us-east-1:lambda:action/Invoke", Invocation{}, false},
		{"another service", "arn:aws:apigateway:us-east-1:s3:path/2015-03-31/functions/" + function + "/invocations", Invocation{}, false},
		{"a subdomain", "arn:aws:apigateway:us-east-1:x.lambda:path/2015-03-31/functions/" + function + "/invocations", Invocation{}, false},
		{"bad function", "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations", Invocation{}, false},
		{"bare function", function, Invocation{}, false},
		{"a URL", "https://example.com/", Invocation{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseInvocation(tt.in)
			if got != tt.want || (err == nil) != tt.ok {
				t.Fatalf("got %+v, %v", got, err)
			}
			if tt.ok && got.String() != tt.in {
				t.Fatalf("String gives %q", got)
			}
		})
	}
}

func TestParseIntegration(t *testing.T) {
	tests := []struct {
		name, in string
		want     Integration
		ok       bool
	}{
		{"action", "arn:aws:apigateway:us-east-1:dynamodb:action/PutItem", Integration{"aws", "us-east-1", "", "dynamodb", true, "PutItem"}, true},
		{"action with parameters", "arn:aws:apigateway:us-east-1:sqs:action/SendMessage&Version=1", Integration{"aws", "us-east-1", "", "sqs", true, "SendMessage&Version=1"}, true},
		{"path", "arn:aws:apigateway:us-east-1:s3:path/{bucket}/{key}", Integration{"aws", "us-east-1", "", "s3", false, "{bucket}/{key}"}, true},
		{"subdomain", "arn:aws:apigateway:us-east-1:my.bucket.s3:path/key", Integration{"aws", "us-east-1", "my.bucket", "s3", false, "key"}, true},
		{"root path", "arn:aws:apigateway:us-east-1:s3:path/", Integration{"aws", "us-east-1", "", "s3", false, ""}, true},
		{"no kind", "arn:aws:apigateway:us-east-1:s3:key", Integration{}, false},
		{"other kind", "arn:aws:apigateway:us-east-1:s3:host/key", Integration{}, false},
		{"no service", "arn:aws:apigateway:us-east-1::path/key", Integration{}, false},
		{"dot alone", "arn:aws:apigateway:us-east-1:.s3:path/key", Integration{}, false},
		{"no region", "arn:aws:apigateway::s3:path/key", Integration{}, false},
		{"no ARN", "s3", Integration{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseIntegration(tt.in)
			if got != tt.want || (err == nil) != tt.ok {
				t.Fatalf("got %+v, %v", got, err)
			}
			if tt.ok && got.String() != tt.in {
				t.Fatalf("String gives %q", got)
			}
		})
	}
}

func TestParseExecute(t *testing.T) {
	const head = "arn:aws:execute-api:us-east-1:123456789012:"
	tests := []struct {
		name, in string
		want     Execute
		ok       bool
	}{
		{"path", head + "api/prod/GET/pets/7", Execute{"aws", "us-east-1", "123456789012", "api", "prod", "GET", "pets/7", false}, true},
		{"root keeps its slash", head + "api/prod/GET/", Execute{"aws", "us-east-1", "123456789012", "api", "prod", "GET", "", false}, true},
		{"route key", head + "api/prod/$connect", Execute{"aws", "us-east-1", "123456789012", "api", "prod", "$connect", "", true}, true},
		{"authorizer", head + "api/authorizers/abc", Execute{"aws", "us-east-1", "123456789012", "api", "authorizers", "abc", "", true}, true},
		{"stage only", head + "api/prod", Execute{}, false},
		{"api only", head + "api", Execute{}, false},
		{"empty verb", head + "api/prod//x", Execute{}, false},
		{"another service", "arn:aws:lambda:us-east-1:123456789012:api/prod/GET/", Execute{}, false},
		{"no ARN", "api/prod/GET/", Execute{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseExecute(tt.in)
			if got != tt.want || (err == nil) != tt.ok {
				t.Fatalf("got %+v, %v", got, err)
			}
			if tt.ok && got.String() != tt.in {
				t.Fatalf("String gives %q", got)
			}
		})
	}
}

func TestExecuteForms(t *testing.T) {
	e := Execute{Region: "us-east-1", Account: "123456789012", API: "api", Stage: "prod", Verb: "GET", Path: "a"}
	for got, want := range map[string]string{
		e.Masked(): "arn:aws:execute-api:us-east-1:********9012:api/prod/GET/a",
		AuthorizerSource("us-gov-west-1", "123456789012", "api", "abc").String(): "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:api/authorizers/abc",
		MaskAccount("12"): "12",
		Function{Region: "cn-north-1", Account: "123456789012", Name: "f"}.String(): "arn:aws-cn:lambda:cn-north-1:123456789012:function:f",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestControl(t *testing.T) {
	tests := []struct {
		name, in string
		segments []string
		ok       bool
	}{
		{"stage", "arn:aws:apigateway:us-east-1::/restapis/abc/stages/prod", []string{"restapis", "abc", "stages", "prod"}, true},
		{"private domain", "arn:aws:apigateway:us-east-1:123456789012:/domainnames/a.example+x1", []string{"domainnames", "a.example+x1"}, true},
		{"no slash", "arn:aws:apigateway:us-east-1::restapis", nil, false},
		{"an integration", "arn:aws:apigateway:us-east-1:s3:path/x", nil, false},
		{"a service as account", "arn:aws:apigateway:us-east-1:s3:/x", nil, false},
		{"another service", "arn:aws:s3:::/x", nil, false},
		{"no ARN", "/x", nil, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseControl(tt.in)
			if (err == nil) != tt.ok {
				t.Fatalf("got %+v, %v", got, err)
			}
			if !tt.ok {
				return
			}
			again := NewControl(got.Region, got.Segments()...)
			again.Account = got.Account
			if got.String() != tt.in || again.String() != tt.in || len(got.Segments()) != len(tt.segments) {
				t.Fatalf("got %v, %v", got, again)
			}
		})
	}
}

// FuzzParse: whatever a parser takes, its String gives back, and every special form is also an ARN.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"arn:aws:lambda:eu-west-1:123456789012:function:f:live",
		"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:123456789012:function:f/invocations",
		"arn:aws:apigateway:us-east-1:x.s3:path/key", "arn:aws:execute-api:us-east-1:123456789012:api/prod/GET/",
		"arn:aws:apigateway:us-east-1::/restapis/abc", "arn:::::", "f:live", "111122223333:function:f",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, plain := Parse(s)
		same := func(got string, err error) {
			if err == nil && (got != s || plain != nil) {
				t.Fatalf("%q came back as %q", s, got)
			}
		}
		a, err := Parse(s)
		same(a.String(), err)
		fn, err := ParseFunction(s)
		same(fn.String(), err)
		i, err := ParseIntegration(s)
		same(i.String(), err)
		e, err := ParseExecute(s)
		same(e.String(), err)
		c, err := ParseControl(s)
		same(c.String(), err)
		if short, err := ParseFunctionName(s, home); err == nil {
			if again, err := ParseFunction(short.String()); err != nil || again.Name != short.Name {
				t.Fatalf("%q gives %q, which does not parse: %v", s, short, err)
			}
		}
		if inv, err := ParseInvocation(s); err == nil {
			if again, err := ParseInvocation(inv.String()); err != nil || again != inv {
				t.Fatalf("%q gives %q: %v", s, inv, err)
			}
		}
	})
}
