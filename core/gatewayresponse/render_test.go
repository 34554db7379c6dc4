package gatewayresponse

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type values map[string]string

func (v values) Variable(name string) (string, bool) { s, ok := v[name]; return s, ok }

func TestRender_defaults(t *testing.T) {
	tests := []struct {
		name      string
		err       *Error
		status    int
		errorType string
		body      string
	}{
		{"unknown route", New(MissingAuthenticationToken, nil), 403, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`},
		{"unknown stage", Forbidden(nil), 403, "ForbiddenException", `{"message":"Forbidden"}`},
		{"api key", New(InvalidAPIKey, nil), 403, "ForbiddenException", `{"message":"Forbidden"}`},
		{"configuration", New(APIConfigurationError, nil), 500, "InternalServerErrorException", `{"message": "Internal server error"}`},
		{"time-out", New(IntegrationTimeout, nil), 504, "InternalServerErrorException", `{"message": "Endpoint request timed out"}`},
		{"network", New(IntegrationFailure, nil), 504, "InternalServerErrorException", `{"message": "Network error communicating with endpoint"}`},
		{"function failed", BadGateway(nil), 502, "InternalServerErrorException", `{"message": "Internal server error"}`},
		{"unavailable", Unavailable(nil), 503, "ServiceUnavailableException", `{"message": "Service Unavailable"}`},
		{"any other error", Internal(errors.New("disk")), 500, "InternalServerErrorException", `{"message": "Internal server error"}`},
		{"media type", New(UnsupportedMediaType, nil), 415, "BadRequestException", `{"message": "Unsupported Media Type"}`},
		{"too large", New(RequestTooLarge, nil), 413, "RequestTooLargeException", `{"message":"HTTP content length exceeded 10485760 bytes"}`},
		{"authorizer", New(AuthorizerConfigurationError, nil), 500, "AuthorizerConfigurationException", `{"message":null}`},
		{"policy", &Error{Type: AccessDenied, Message: `User: anonymous "x"`, CapitalMessage: true}, 403, "AccessDeniedException", `{"Message":"User: anonymous \"x\""}`},
		{"own message", Newf(BadRequestParameters, nil, "Missing required request parameters: [%s]", "a"), 400, "BadRequestException", `{"message": "Missing required request parameters: [a]"}`},
		{"4xx without type", New(Default4XX, nil), 400, "BadRequestException", `{"message":"Bad Request"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := (*Set)(nil).Render(tt.err, "", nil, nil)
			want := Rendered{Status: tt.status, ErrorType: tt.errorType, ContentType: "application/json", Body: []byte(tt.body)}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestRender_lengthsOfTheSpec(t *testing.T) {
	for length, e := range map[int]*Error{42: New(MissingAuthenticationToken, nil), 23: Forbidden(nil), 36: New(APIConfigurationError, nil), 41: New(IntegrationTimeout, nil)} {
		if got := len((*Set)(nil).Render(e, "", nil, nil).Body); got != length {
			t.Errorf("%s: %d bytes, want %d", e.Type, got, length)
		}
	}
}

func compileOrFail(t *testing.T, rs ...Response) *Set {
	t.Helper()
	s, err := Compile(rs)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRender_customised(t *testing.T) {
	request := values{"context.requestId": "r-1", "stageVariables.page": "https://x/", "method.request.header.Origin": "https://o", "context.identity.sourceIp": "192.0.2.1"}
	mat := New(MissingAuthenticationToken, nil)
	tests := []struct {
		name   string
		set    []Response
		err    *Error
		accept string
		want   Rendered
	}{
		{
			"status, header and template", []Response{{
				MissingAuthenticationToken, 404,
				map[string]string{"gatewayresponse.header.Access-Control-Allow-Origin": "method.request.header.Origin", "gatewayresponse.header.A": "'x'", "gatewayresponse.header.B": "context.nothing"},
				map[string]string{"application/json": `{"id":"$context.requestId","m":$context.error.messageString,"t":"$context.error.responseType","s":$context.status,"x":"$context.unknown","raw":"${context.error.message}."}`},
			}}, mat, "",
			Rendered{404, "MissingAuthenticationTokenException", "application/json", []Header{{"A", "x"}, {"Access-Control-Allow-Origin", "https://o"}},
				[]byte(`{"id":"r-1","m":"Missing Authentication Token","t":"MISSING_AUTHENTICATION_TOKEN","s":404,"x":"","raw":"Missing Authentication Token."}`)},
		},
		{
			"template by Accept", []Response{{Default4XX, 0, nil, map[string]string{"application/json": "json", "text/html": "<p>$stageVariables.page</p> method.request.header.Origin method.input.params.Origin"}}},
			mat, "text/html;q=1, application/json",
			Rendered{403, "MissingAuthenticationTokenException", "text/html", nil, []byte("<p>https://x/</p> https://o https://o")},
		},
		{
			"a type set explicitly inherits nothing", []Response{{Default4XX, 418, nil, map[string]string{"application/json": "d"}}, {MissingAuthenticationToken, 404, nil, nil}},
			mat, "", Rendered{404, "MissingAuthenticationTokenException", "application/json", nil, []byte(`{"message":"Missing Authentication Token"}`)},
		},
		{
			"default status reaches unset types", []Response{{Default5XX, 599, nil, nil}},
			New(IntegrationTimeout, nil), "", Rendered{599, "InternalServerErrorException", "application/json", nil, []byte(`{"message": "Endpoint request timed out"}`)},
		},
		{
			"too large is not customisable", []Response{{RequestTooLarge, 400, nil, nil}, {Default4XX, 400, nil, nil}},
			New(RequestTooLarge, nil), "", Rendered{413, "RequestTooLargeException", "application/json", nil, []byte(`{"message":"HTTP content length exceeded 10485760 bytes"}`)},
		},
		{
			"no directives and no functions", []Response{{Default4XX, 0, nil, map[string]string{"application/json": `#if($x)$util.escape($context.requestId)#end ${broken $`}}},
			mat, "", Rendered{403, "MissingAuthenticationTokenException", "application/json", nil, []byte(`#if($x)$util.escape(r-1)#end ${broken $`)},
		},
		{
			"validation detail", []Response{{BadRequestBody, 0, nil, map[string]string{"a/b": `$context.error.validationErrorString`}}},
			&Error{Type: BadRequestBody, Validation: "[x]"}, "", Rendered{400, "BadRequestException", "a/b", nil, []byte(`[x]`)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := compileOrFail(t, tt.set...).Render(tt.err, tt.accept, request, make([]byte, 0, 8))
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
	if got := compileOrFail(t, Response{Type: Default4XX, Templates: map[string]string{"application/json": "$context.requestId|"}}).Render(mat, "", nil, nil); string(got.Body) != "|" {
		t.Errorf("without values: %q", got.Body)
	}
}

func TestCompile_refuses(t *testing.T) {
	for _, r := range []Response{
		{Type: "NOPE"},
		{Type: Throttled, Parameters: map[string]string{"header.X": "'a'"}},
		{Type: Throttled, Parameters: map[string]string{"gatewayresponse.header.X": "a"}},
	} {
		if _, err := Compile([]Response{r}); err == nil {
			t.Errorf("%+v was accepted", r)
		}
	}
}

func TestTypes(t *testing.T) {
	all := Types()
	if len(all) != 21 || len(table) != 21 || !slices.IsSorted(all) {
		t.Errorf("%d types, %d in the table, sorted %v", len(all), len(table), slices.IsSorted(all))
	}
	for _, x := range all {
		if !x.Valid() || x.ErrorType() == "" {
			t.Errorf("%s is incomplete", x)
		}
	}
}

func TestError(t *testing.T) {
	cause := errors.New("c")
	err := fmt.Errorf("x: %w", New(Throttled, cause))
	if !errors.Is(err, cause) || err.Error() != "x: THROTTLED: Too Many Requests: c" {
		t.Error(err)
	}
	if got := Forbidden(nil).Error(); got != "ACCESS_DENIED: Forbidden" {
		t.Error(got)
	}
}

func TestAppendJSONString(t *testing.T) {
	if got := string(AppendJSONString(nil, "a\"\\\n\r\t\x01é<\xff")); got != `"a\"\\\n\r\t\u0001é<`+"\uFFFD"+`"` {
		t.Error(got)
	}
}

func FuzzTemplate(f *testing.F) {
	f.Add("$context.requestId${context.a}method.request.header.x")
	f.Fuzz(func(t *testing.T, text string) {
		var joined string
		for _, p := range parseTemplate(text) {
			joined += p.literal
			if p.name != "" && !isVariable(p.name) {
				t.Fatalf("%q is not a variable", p.name)
			}
		}
		if len(joined) > len(text) {
			t.Fatal("a template grew")
		}
	})
}
