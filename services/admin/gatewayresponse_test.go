package admin_test

import (
	"strings"
	"testing"
)

func TestGatewayResponse(t *testing.T) {
	p := newPlane(t)
	path := p.method(alice)
	all := path + "/gatewayresponses"
	const builtin = `"responseParameters":{},"responseTemplates":{"application/json":"{\"message\":$context.error.messageString}"}`
	get := func(kind, want string) {
		t.Helper()
		p.call(alice, "GET", all+"/"+kind, "").same(t, 200, `{"responseType":"`+kind+`",`+want+`}`)
	}
	get("THROTTLED", `"statusCode":"429","defaultResponse":true,`+builtin)
	get("DEFAULT_4XX", `"defaultResponse":true,`+builtin)
	p.call(alice, "DELETE", all+"/THROTTLED", "").want(t, 404, "NotFoundException", "Gateway response type not defined on api")

	p.call(alice, "PUT", all+"/DEFAULT_4XX", `{"statusCode":"499","responseParameters":{"gatewayresponse.header.A":"'a'"}}`).same(t, 201,
		`{"responseType":"DEFAULT_4XX","statusCode":"499","defaultResponse":false,`+strings.Replace(builtin, "{}", `{"gatewayresponse.header.A":"'a'"}`, 1)+`}`)
	p.call(alice, "PUT", all+"/UNAUTHORIZED", `{"responseTemplates":{"application/xml":"<e/>"}}`)
	get("THROTTLED", `"statusCode":"499","defaultResponse":true,`+strings.Replace(builtin, "{}", `{"gatewayresponse.header.A":"'a'"}`, 1))
	get("UNAUTHORIZED", `"statusCode":"401","defaultResponse":false,"responseParameters":{},"responseTemplates":{"application/xml":"<e/>"}`)
	get("INTEGRATION_FAILURE", `"statusCode":"504","defaultResponse":true,`+builtin)

	// A missing status lets each type have its own again.
	p.call(alice, "PATCH", all+"/DEFAULT_4XX", `{"patchOperations":[{"op":"replace","path":"/statusCode"}]}`)
	get("THROTTLED", `"statusCode":"429","defaultResponse":true,`+strings.Replace(builtin, "{}", `{"gatewayresponse.header.A":"'a'"}`, 1))

	items := p.must(alice, "GET", all+"?limit=2", "")["item"].([]any)
	if len(items) != 21 || items[0].(map[string]any)["responseType"] != "ACCESS_DENIED" {
		t.Errorf("%d items", len(items))
	}
	p.patch(all+"/WAF_FILTERED", "replace", "/responseTemplates/application~1json", "{}").same(t, 200,
		`{"responseType":"WAF_FILTERED","statusCode":"403","defaultResponse":false,"responseParameters":{},"responseTemplates":{"application/json":"{}"}}`)

	const mapping = "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: %]"
	for _, tt := range []struct {
		name            string
		r               reply
		status          int
		exception, text string
	}{
		{"parameter", p.call(alice, "PUT", all+"/THROTTLED", `{"responseParameters":{"header.A":"'a'"}}`), 400, "BadRequestException", strings.Replace(mapping, "%", "header.A", 1)},
		{"expression", p.call(alice, "PUT", all+"/THROTTLED", `{"responseParameters":{"gatewayresponse.header.A":"a"}}`), 400, "BadRequestException", strings.Replace(mapping, "%", "a", 1)},
		{"null", p.call(alice, "PUT", all+"/THROTTLED", `{"responseTemplates":{"application/json":null}}`), 400, "BadRequestException", "Invalid null or empty value in responseTemplates"},
		{"add status", p.patch(all+"/THROTTLED", "add", "/statusCode", "444"), 400, "BadRequestException", "Invalid patch path /statusCode"},
		{"unknown parameter", p.patch(all+"/THROTTLED", "replace", "/responseParameters/gatewayresponse.header.B", "'b'"), 404, "NotFoundException", "Invalid parameter name specified"},
		{"empty template", p.patch(all+"/THROTTLED", "add", "/responseTemplates/text~1plain", ""), 400, "BadRequestException", "Invalid null or empty value in responseTemplates"},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.r.want(t, tt.status, tt.exception, tt.text) })
	}
	if r := p.call(alice, "PUT", all+"/NOPE", `{}`); r.status != 400 || r.header.Get("x-amzn-ErrorType") != "ValidationException" {
		t.Errorf("unknown type: %d %s", r.status, r.text)
	}
	get("THROTTLED", `"statusCode":"429","defaultResponse":true,`+strings.Replace(builtin, "{}", `{"gatewayresponse.header.A":"'a'"}`, 1))
	if r := p.call(alice, "DELETE", all+"/UNAUTHORIZED", ""); r.status != 202 {
		t.Errorf("deleted: %d", r.status)
	}
}
