package edge

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

// asJSON are templates for application/json.
func asJSON(template string) map[string]string {
	return map[string]string{"application/json": template}
}

// httpTo is an HTTP integration with request templates.
func httpTo(uri string, templates, parameters map[string]string) *apigatewayv1.Integration {
	return &apigatewayv1.Integration{Type: proto.String("HTTP"), HttpMethod: proto.String("POST"), Uri: &uri,
		RequestTemplates: str(templates), RequestParameters: str(parameters)}
}

func getFrom(uri string, templates map[string]string) *apigatewayv1.Integration {
	in := httpTo(uri, templates, nil)
	in.HttpMethod = proto.String("GET")
	return in
}

// TestTemplates_transformRequestsAndAnswers is spec/rest.md 4.5, 4.9 and 6 on the wire: what the backend gets, and what the
// client.
func TestTemplates_transformRequestsAndAnswers(t *testing.T) {
	addr, seen := rawBackend(t, func(r *seenRequest) string {
		status, body := "200 OK", `{"got":[1,2],"from":"backend"}`
		if strings.Contains(r.line, "fail") {
			status, body = "404 Not Found", `{"reason":"none"}`
		}
		return fmt.Sprintf("HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", status, len(body), body)
	})
	uri := "http://" + addr + "/{id}"
	byID := map[string]string{"integration.request.path.id": "method.request.path.id", "integration.request.header.X-Mapped": "'mapped'", "integration.request.querystring.q": "'mapped'"}
	overriding := `#set($context.requestOverride.header.X-Mapped = "over")#set($context.requestOverride.header.Accept = "text/xml")#set($context.requestOverride.header["Content-Type"] = "text/xml")` +
		`#set($context.requestOverride.header.List = ["a", "b"])#set($context.requestOverride.header.Empty = "")#set($context.requestOverride.header.Via = "x")#set($context.requestOverride.header.Line = $input.path('$.line'))` +
		`#set($context.requestOverride.querystring.q = ["1", "2 3"])#set($context.requestOverride.path.id = "o/p")<a/>`
	w := start(t, Deps{})
	publish(w.edge, 1, map[string]string{"color": "blue"}, map[string]*snapshotv1.Deployment{"prod": deployment(nil,
		method{"/json/{id}", "POST", withResponses(httpTo(uri, map[string]string{"application/json": `{"id":"$input.params('id')","n":$input.json('$.n'),"c":"$stageVariables.color"}`, "text/plain": "text: $input.body"}, byID),
			response("200", "", nil, map[string]string{"application/json": `{"first":$input.path('$.got')[0],"asked":"$input.params('q')"}`, "text/plain": "$input.json('$.got')"}),
			response("444", `4\d\d`, nil, asJSON(`{"why":$input.json('$.reason')}`)))},
		method{"/over/{id}", "POST", withResponses(httpTo(uri, asJSON(overriding), byID),
			response("200", "", map[string]string{"method.response.header.X-A": "'mapped'"},
				asJSON(`#set($context.responseOverride.header.X-A = "over")#set($context.responseOverride.header.Content-Type = "text/x")#set($context.responseOverride.header.Date = "d")#set($context.responseOverride.status = 201)$context.requestOverride.header.List`)))},
		method{"/get", "POST", withResponses(getFrom("http://"+addr+"/x", asJSON("ignored")), response("200", "", nil, asJSON("$input.json('$.from')")))},
		method{"/answer", "POST", withResponses(httpTo("http://"+addr+"/x", nil, nil), response("200", "", nil, asJSON("$input.body")))},
	)})
	post := func(path, headers, body string) answer {
		return w.send(fmt.Sprintf("POST /prod%s HTTP/1.1\r\nHost: %s\r\n%s\r\nContent-Length: %d\r\n\r\n%s", path, apiHost, orHost(headers), len(body), body))
	}
	for _, tt := range []struct{ name, path, headers, body, line, sent, status, answer, kind string }{
		{"by content type", "/json/7?q=x%20y", "Content-Type: Application/JSON; charset=utf-8", `{"n":[1]}`, "POST /7?q=mapped HTTP/1.1", `{"id":"7","n":[1],"c":"blue"}`, "200", `{"first":1,"asked":"x y"}`, "application/json"},
		{"another content type", "/json/7", "Content-Type: text/plain", `{"n`, "POST /7?q=mapped HTTP/1.1", `text: {"n`, "200", `{"first":1,"asked":""}`, "application/json"},
		{"no template for it", "/json/7", "Content-Type: text/odd", `odd`, "POST /7?q=mapped HTTP/1.1", `odd`, "200", `{"first":1,"asked":""}`, "application/json"},
		{"by accept", "/json/7", "Accept: text/plain;q=1, a/b", `{}`, "POST /7?q=mapped HTTP/1.1", `{"id":"7","n":"","c":"blue"}`, "200", `[1,2]`, "text/plain"},
		{"by the pattern", "/json/fail", "", ``, "POST /fail?q=mapped HTTP/1.1", `{"id":"fail","n":"","c":"blue"}`, "444", `{"why":"none"}`, "application/json"},
		{"overrides", "/over/7", "", `{"line":"a\r\nb: c"}`, "POST /o/p?q=1&q=2%203 HTTP/1.1", `<a/>`, "201", `[a, b]`, "text/x"},
		{"a verb without a body", "/get", "", `{}`, "GET /x HTTP/1.1", ``, "200", `"backend"`, "application/json"},
		{"an answer's template alone", "/answer", "", `as it is`, "POST /x HTTP/1.1", `as it is`, "200", `{"got":[1,2],"from":"backend"}`, "application/json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, r := post(tt.path, tt.headers, tt.body), <-seen
			if r.line != tt.line || r.body != tt.sent {
				t.Errorf("the backend got %s %s", r.line, r.body)
			}
			if fmt.Sprint(a.status) != tt.status || a.body != tt.answer || a.header("Content-Type") != tt.kind {
				t.Errorf("%+v", a)
			}
			if tt.name != "overrides" {
				return
			}
			if a.header("X-A") != "over" || a.header("x-amzn-Remapped-Date") != "d" {
				t.Errorf("headers of the answer: %+v", a)
			}
			for _, h := range []string{"X-Mapped: over", "Accept: text/xml", "Content-Type: text/xml", "Empty: ", "Line: a  b: c"} {
				if !slices.Contains(r.headers, h) {
					t.Errorf("the backend did not get %q: %q", h, r.headers)
				}
			}
			if all := strings.Join(r.headers, "\n"); strings.Count(all, "X-Mapped") != 1 || strings.Count(all, "Accept:") != 1 || strings.Contains(all, "Via") {
				t.Error(all)
			}
		})
	}
}

// TestParameters_fromInsideBodies is spec/rest.md 4.4 and 4.9.
func TestParameters_fromInsideBodies(t *testing.T) {
	addr, seen := rawBackend(t, func(*seenRequest) string { return "HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"got\":[1]}" })
	w := start(t, Deps{})
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(nil,
		method{"/inside", "POST", withResponses(httpTo("http://"+addr+"/x", nil, map[string]string{"integration.request.header.X-Id": "method.request.body.$.order.id", "integration.request.querystring.all": "method.request.body.$.order"}),
			response("200", "", map[string]string{"method.response.header.X-First": "integration.response.body.$.got[0]", "method.response.header.X-None": "integration.response.body.none"}, nil))},
	)})
	a, r := w.post("/prod/inside", `{"order":{"id":"o 1"}}`), <-seen
	if r.line != "POST /x?all=%7B%22id%22%3A%22o%201%22%7D HTTP/1.1" || !slices.Contains(r.headers, "X-Id: o 1") {
		t.Errorf("the backend got %+v", r)
	}
	if a.status != 200 || a.header("X-First") != "1" || a.header("X-None") != "" {
		t.Errorf("%+v", a)
	}
	a, r = w.post("/prod/inside", "text"), <-seen
	if a.status != 200 || r.line != "POST /x HTTP/1.1" {
		t.Errorf("%+v %+v", a, r)
	}
	a = w.post("/prod/inside", `{"order":`)
	if a.status != 400 || a.body != `{"message": "Invalid JSON in request body"}` || !strings.HasPrefix(w.explain(a), "Invalid JSON in request body: ") {
		t.Errorf("%+v %s", a, w.explain(a))
	}
}

// TestTemplates_mock: the request template makes the status, and what it sets is there for the response template.
func TestTemplates_mock(t *testing.T) {
	w := start(t, Deps{})
	ok := response("200", "2..", nil, asJSON(`{"was":"$context.requestOverride.path.body","id":"$context.requestId"}`))
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(nil,
		method{"/status", "GET", withResponses(mock(`{"statusCode": $input.params('s')}`), ok, response("404", "404", nil, asJSON("gone")))},
		method{"/kept", "GET", withResponses(mock("#set($context.requestOverride.path.body = $input.params('s'))\n{\"statusCode\": 200}\n"), ok)},
		method{"/early", "GET", withResponses(mock(`#set($context.responseOverride.status = 444)#set($context.responseOverride.header.foo = "bar"){"statusCode": 200}`), response("200", `2\d{2}`, nil, nil))},
		method{"/cut", "GET", withResponses(mock("\n#foreach($i in [0..1000])#end{\"statusCode\": 200}"), ok)},
		method{"/odd", "GET", withResponses(mock(`#set($context.responseOverride.status = "odd"){"statusCode": 200}`), ok)},
	)})
	for _, tt := range []struct{ path, status, body, foo string }{
		{"/status?s=404", "404", "gone", ""},
		{"/kept?s=x", "200", `{"was":"x","id":"ID"}`, ""},
		{"/early", "444", "", "bar"},
		{"/odd", "200", `{"was":"","id":"ID"}`, ""},
	} {
		a := w.get("/prod" + tt.path)
		if body := strings.ReplaceAll(a.body, a.header("x-amzn-RequestId"), "ID"); fmt.Sprint(a.status) != tt.status || tt.body != "" && body != tt.body || a.header("foo") != tt.foo {
			t.Errorf("%s: %+v", tt.path, a)
		}
	}
	if a := w.get("/prod/cut"); a.status != 200 || !strings.Contains(w.explainAll(a), "integration request: the #foreach at line 2 skipped what it had beyond 1000 elements") {
		t.Error(w.explainAll(a))
	}
	if a := w.get("/prod/early"); !strings.Contains(w.explainAll(a), "integration response: a template set the status 444") {
		t.Error(w.explainAll(a))
	}
}

// TestTemplates_failuresAreExplained: the client gets 500, and the explanation names the template, its line and the reason.
func TestTemplates_failuresAreExplained(t *testing.T) {
	addr, seen := rawBackend(t, func(*seenRequest) string { return ok })
	w := start(t, Deps{})
	json := response("200", "", nil, asJSON("{}"))
	binary := func(d *snapshotv1.Deployment) {
		d.RestApi.BinaryMediaTypes = &apigatewayv1.StringList{Items: []string{"image/png"}}
	}
	converted := mock(`{"statusCode": 200}`)
	converted.ContentHandling = proto.String("CONVERT_TO_BINARY")
	text := httpTo("http://"+addr, asJSON(`$input.body`), nil)
	text.ContentHandling = proto.String("CONVERT_TO_TEXT")
	text.RequestTemplates.Entries["image/png"] = "$input.body"
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{
		"prod": deployment(binary,
			method{"/request", "POST", withResponses(mock("\n $input.path('$.s').substring(9)"), json)},
			method{"/response", "POST", withResponses(mock(`{"statusCode": 200}`), response("200", "", nil, map[string]string{"text/x": "$input.path('$[')"}))},
			method{"/twice", "POST", withResponses(mock(`#set($context.responseOverride.status = 200)#set($context.responseOverride.status = 201){"statusCode": 200}`), json)},
			method{"/forbidden", "POST", withResponses(httpTo("http://"+addr, asJSON(`#set($context.requestOverride.header.content-LENGTH = "7")x`), nil), json)},
			method{"/binary", "POST", withResponses(mock(`{"statusCode": 200}`), json)},
			method{"/converted", "POST", withResponses(converted, json)},
			method{"/text", "POST", withResponses(text, json)},
		),
		"all": deployment(func(d *snapshotv1.Deployment) {
			d.RestApi.BinaryMediaTypes = &apigatewayv1.StringList{Items: []string{"*/*"}}
		},
			method{"/cors", "OPTIONS", withResponses(mock(`{"statusCode": 200}`), json)}),
	})
	for _, tt := range []struct{ request, headers, body, explain string }{
		{"POST /prod/request", "", `{"s":"secret"}`, "The request template for application/json failed: line 2, column 21: index out of range."},
		{"POST /prod/response", "", "", "The response template for text/x failed: line 1, column 8: invalid path at 1"},
		{"POST /prod/twice", "", "", "The request template for application/json failed: responseOverride.status is written twice."},
		{"POST /prod/forbidden", "", "", "The integration maps the header content-LENGTH, which may not be mapped for type HTTP."},
		{"POST /prod/converted", "", "aGk=", "The request template for application/json failed: the body is binary and is not converted to text."},
		{"POST /prod/binary", "Accept: image/png", "", "The response template for application/json failed: the body is binary and is not converted to text."},
		{"OPTIONS /all/cors", "", "", "The request template for application/json failed: the body is binary and is not converted to text."},
	} {
		t.Run(tt.request, func(t *testing.T) {
			a := w.send(fmt.Sprintf("%s HTTP/1.1\r\nHost: %s\r\n%s\r\nContent-Length: %d\r\n\r\n%s", tt.request, apiHost, orHost(tt.headers), len(tt.body), tt.body))
			if a.status != 500 || a.body != `{"message": "Internal server error"}` {
				t.Errorf("%+v", a)
			}
			if got := w.explain(a); !strings.HasPrefix(got, tt.explain) || strings.Contains(got, "secret") {
				t.Errorf("explained as %s", got)
			}
		})
	}
	a := w.send("POST /prod/text HTTP/1.1\r\nHost: " + apiHost + "\r\nContent-Type: image/png\r\nContent-Length: 2\r\n\r\n\xff\x00")
	if r := <-seen; a.status != 200 || r.body != "/wA=" {
		t.Errorf("%+v, the backend got %q", a, r.body)
	}
}

// TestSocketTemplates: the message selects the request template, its answer the response's (spec/websocket.md 15 and 16).
func TestSocketTemplates(t *testing.T) {
	selected := wsMock("")
	selected.TemplateSelectionExpression = proto.String("$request.body.kind")
	selected.RequestTemplates = v2map(map[string]string{"a": `{"statusCode": 20$input.path('$.n')}`, "$default": `{"statusCode": 500}`, "bad": "\n$input.path('$.n').nope()$input.json('$[')"})
	byStatus := &apigatewayv2v1.IntegrationResponse{IntegrationResponseKey: proto.String("$default"), TemplateSelectionExpression: proto.String("s${integration.response.statuscode}-${request.body.kind}"),
		ResponseTemplates: v2map(map[string]string{"s201-a": "first", "s202-a": `{"to":"$context.connectionId","who":"$context.authorizer.principalId","key":"$context.routeKey","v":"$stageVariables.v"}`, "$default": "other"})}
	w, _, _ := startSocket(t, Deps{}, wsRoute("$default", true, selected, byStatus),
		wsRoute("$connect", false, wsMock(`{"statusCode": $input.params('q')00}`), wsResponse("$default", "never sent")))
	session := socketSession(t)
	for message, want := range map[string]string{
		`{"kind":"a","n":1}`:    "first",
		`{"kind":"a","n":2}`:    `{"to":"AAECAwQFBgcICQo=","who":"me","key":"$default","v":"1"}`,
		`{"kind":"b"}`:          "other",
		`{"kind":"bad"}`:        `{"message": "Internal server error", "connectionId":"AAECAwQFBgcICQo=", "requestId":"REQUESTID"}`,
		`not JSON, no template`: "other",
	} {
		res, err := w.edge.Invoke(t.Context(), &edgev1.InvokeRequest{ConnectionId: connectionID, ApiId: apiID, Stage: "prod", Session: session,
			Event: &edgev1.InvokeRequest_Message{Message: &edgev1.Message{Text: message}}})
		if err != nil || !sameFrame(string(res.GetReply()), want) {
			t.Errorf("%s: %q %v, want %s", message, res.GetReply(), err, want)
		}
	}
	// A handshake has parameters: ?q=1 makes the status 100, which is no answer to one.
	if res, _ := shake(t, w.addr, strings.Replace(handshakeHead, "q=1", "q=4", 1)); res.StatusCode != 400 {
		t.Errorf("status %d", res.StatusCode)
	}
}
