package edge

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	platform "github.com/limen-gateway/limen/platform/connections"
	"github.com/limen-gateway/limen/platform/functions"
	"github.com/limen-gateway/limen/platform/proxyprotocol"
	"github.com/limen-gateway/limen/platform/snapshots"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	authzv1 "github.com/limen-gateway/limen/proto/authz/v1"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
)

// fakeNode gives ids and keeps what it is handed.
type fakeNode struct{ taken chan taken }

type taken struct {
	h    *wsconnv1.Handoff
	key  string
	conn net.Conn
}

const connectionID = "AAECAwQFBgcICQo="

func (n *fakeNode) Mint() (string, bool) { return connectionID, true }

func (n *fakeNode) Take(h *wsconnv1.Handoff, key string, c net.Conn) { n.taken <- taken{h, key, c} }

func v2map(m map[string]string) *apigatewayv2v1.StringMap {
	return &apigatewayv2v1.StringMap{Entries: m}
}

// wsRoute makes a route, its integration and whether it answers.
func wsRoute(key string, twoWay bool, in *apigatewayv2v1.Integration, responses ...*apigatewayv2v1.IntegrationResponse) func(*snapshotv1.Deployment) {
	return func(d *snapshotv1.Deployment) {
		r := &snapshotv1.Route{Route: &apigatewayv2v1.Route{RouteKey: &key, RouteId: proto.String("r" + key), AuthorizationType: proto.String("NONE")}}
		if twoWay {
			r.Route.RouteResponseSelectionExpression = proto.String("$default")
			r.Responses = []*apigatewayv2v1.RouteResponse{{RouteResponseKey: proto.String("$default")}}
		}
		if in != nil {
			id := fmt.Sprint("i", len(d.Integrations))
			in.IntegrationId = &id
			r.Route.Target = proto.String("integrations/" + id)
			d.Integrations = append(d.Integrations, &snapshotv1.Integration{Integration: in, Responses: responses})
		}
		d.Routes = append(d.Routes, r)
	}
}

func wsLambda(name string) *apigatewayv2v1.Integration {
	return &apigatewayv2v1.Integration{IntegrationType: proto.String("AWS_PROXY"), IntegrationMethod: proto.String("POST"), TimeoutInMillis: proto.Int32(2000),
		IntegrationUri: proto.String("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:" + account + ":function:" + name + "/invocations")}
}

func wsMock(template string) *apigatewayv2v1.Integration {
	return &apigatewayv2v1.Integration{IntegrationType: proto.String("MOCK"), TemplateSelectionExpression: proto.String("200"),
		RequestTemplates: v2map(map[string]string{"200": template})}
}

func wsResponse(key, template string) *apigatewayv2v1.IntegrationResponse {
	return &apigatewayv2v1.IntegrationResponse{IntegrationResponseKey: &key, ResponseTemplates: v2map(map[string]string{"$default": template})}
}

func publishSocket(s *Service, parts ...func(*snapshotv1.Deployment)) {
	publishSocketStage(s, &apigatewayv2v1.Stage{}, parts...)
}

// publishSocketStage publishes a stage prod with settings.
func publishSocketStage(s *Service, stage *apigatewayv2v1.Stage, parts ...func(*snapshotv1.Deployment)) {
	stage.StageName, stage.DeploymentId, stage.StageVariables = proto.String("prod"), proto.String("dep1"), v2map(map[string]string{"v": "1"})
	d := &snapshotv1.Deployment{Account: account, Region: "us-east-1", ApiId: apiID, Api: &apigatewayv2v1.Api{
		ApiId: proto.String(apiID), ProtocolType: proto.String("WEBSOCKET"), RouteSelectionExpression: proto.String("$request.body.action")}}
	for _, p := range parts {
		p(d)
	}
	b, _ := proto.Marshal(d)
	sum := sha256.Sum256(b)
	hash := hex.EncodeToString(sum[:])
	s.Apply(snapshots.Update{Number: 7, Full: true, Content: func(h string) ([]byte, bool) { return b, h == hash },
		Changed: []*configv1.Resource{{Key: account + "/us-east-1/" + apiID + "/prod", Body: &configv1.Resource_Stage{Stage: &snapshotv1.Stage{
			Account: account, Region: "us-east-1", ApiId: apiID, DeploymentHash: hash, ApiStage: stage}}}}})
}

const handshakeHead = "GET /prod?q=1 HTTP/1.1\r\nHost: " + apiHost + "\r\nX-Case: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nUser-Agent: test/1\r\n\r\n"

// shake sends raw bytes and reads an HTTP answer.
func shake(t *testing.T, addr, raw string) (*http.Response, string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, raw); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return res, string(body)
}

var requestIDs = regexp.MustCompile(`"requestId":"[\w-]{15}="`)

// sameFrame compares two texts; a request id in the first is REQUESTID in the second.
func sameFrame(got, want string) bool {
	return requestIDs.ReplaceAllString(got, `"requestId":"REQUESTID"`) == want
}

// wsFunctions is a function that answers by its name.
func wsFunctions(events chan<- string) invoker {
	return func(arn string, payload []byte) (functions.Result, error) {
		events <- string(payload)
		answer := func(s string) (functions.Result, error) {
			return functions.Result{Status: 200, Payload: []byte(s)}, nil
		}
		switch arn[strings.LastIndexByte(arn, ':')+1:] {
		case "ok":
			return answer(`{"statusCode":204,"headers":{"Sec-WebSocket-Protocol":"chat"}}`)
		case "teapot":
			return answer(`{"statusCode":418,"body":"secret"}`)
		case "fails":
			return functions.Result{Status: 200, FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"no"}`)}, nil
		case "nothing":
			return answer(`null`)
		case "nostatus":
			return answer(`{"body":"x"}`)
		case "body":
			return answer(`{"statusCode":500,"body":"hello"}`)
		case "blocks":
			return functions.Result{}, errBlocks
		case "panics":
			panic("a defect")
		}
		return functions.Result{}, &functions.Error{Kind: functions.Missing, Message: "no such function"}
	}
}

func startSocket(t *testing.T, deps Deps, parts ...func(*snapshotv1.Deployment)) (*world, *fakeNode, chan string) {
	events, node := make(chan string, 100), &fakeNode{make(chan taken, 10)}
	if deps.Node == nil {
		deps.Node = node
	}
	deps.Functions = wsFunctions(events)
	w := start(t, deps)
	publishSocket(w.edge, parts...)
	return w, node, events
}

// TestAUserAgentNeedNotBeUTF8: the session carries it as it stands.
func TestAUserAgentNeedNotBeUTF8(t *testing.T) {
	w, node, _ := startSocket(t, Deps{}, wsRoute("$connect", false, wsLambda("ok")))
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, strings.Replace(handshakeHead, "test/1", "M\xfcller", 1)); err != nil {
		t.Fatal(err)
	}
	got := <-node.taken
	defer got.conn.Close()
	if agent := string(got.h.UserAgent); agent != "M\xfcller" {
		t.Errorf("handed over: %q", agent)
	}
}

func TestHandshakeIsHandedOver(t *testing.T) {
	w, node, events := startSocket(t, Deps{}, wsRoute("$connect", false, wsLambda("ok")))
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, handshakeHead+"first frame"); err != nil {
		t.Fatal(err)
	}
	got := <-node.taken
	defer got.conn.Close()
	if got.key != "dGhlIHNhbXBsZSBub25jZQ==" || got.h.ConnectionId != connectionID || got.h.Account != account || got.h.Stage != "prod" || got.h.Subprotocol != "chat" || string(got.h.UserAgent) != "test/1" || got.h.SourceIp != "127.0.0.1" {
		t.Errorf("handoff: %v", got.h)
	}
	first := make([]byte, 11)
	if _, err := io.ReadFull(got.conn, first); err != nil || string(first) != "first frame" {
		t.Errorf("what came in the handshake's segment: %q, %v", first, err)
	}
	if _, err := io.WriteString(got.conn, "from the node"); err != nil {
		t.Error(err)
	}
	if _, err := io.ReadFull(c, first); err != nil || string(first) != "from the no" {
		t.Errorf("%q, %v", first, err)
	}
	var e struct {
		Headers        map[string]string
		Query          map[string]string `json:"queryStringParameters"`
		StageVariables map[string]string
		RequestContext struct{ RouteKey, EventType, ConnectionID, RequestID, ExtendedRequestID, DomainName string }
	}
	text := <-events
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	if e.Headers["X-Case"] != "a" || e.Headers["Sec-WebSocket-Key"] == "" || e.Headers["Upgrade"] != "" || e.Query["q"] != "1" || e.StageVariables["v"] != "1" ||
		e.RequestContext.RequestID != e.RequestContext.ExtendedRequestID || e.RequestContext.ConnectionID != connectionID || e.RequestContext.DomainName != apiHost {
		t.Errorf("event: %s", text)
	}
	explained, _ := w.edge.Explain(t.Context(), &edgev1.ExplainRequest{RequestId: e.RequestContext.RequestID})
	if !explained.GetFound() || !strings.Contains(explained.GetText(), "status 101") {
		t.Errorf("explanation: %s", explained.GetText())
	}
}

func TestHandshakeRefused(t *testing.T) {
	const ids = `, "connectionId":"AAECAwQFBgcICQo=", "requestId":"REQUESTID"}`
	replace := func(old, new string) string { return strings.Replace(handshakeHead, old, new, 1) }
	for _, tt := range []struct {
		name, connect, head string
		status              int
		body, explained     string
	}{
		{"another status", "teapot", handshakeHead, 418, ``, `The integration of \$connect refused the connection with status 418\.`},
		{"a function that fails", "fails", handshakeHead, 502, `{"message": "Internal server error"` + ids, `The function .* failed.*`},
		{"null", "nothing", handshakeHead, 502, `{"message": "Internal server error"` + ids, `Malformed function result.*`},
		{"no status", "nostatus", handshakeHead, 502, `{"message": "Internal server error"` + ids, `Malformed function result.*`},
		{"no function", "missing", handshakeHead, 500, `{"message": "Internal server error"` + ids, `Function missing.*`},
		{"a function that takes too long", "blocks", handshakeHead, 504, `{"message": "Endpoint request timed out"` + ids, `Backend time-out.*`},
		{"no upgrade", "ok", replace("Upgrade: websocket\r\n", ""), 426, `{"message":"Upgrade Required"}`, `No WebSocket handshake: .*`},
		{"another version", "ok", replace("Version: 13", "Version: 8"), 400, `{"message":"Bad Request"}`, `No WebSocket handshake: Sec-WebSocket-Version.*`},
		{"a short key", "ok", replace("dGhlIHNhbXBsZSBub25jZQ==", "dGhl"), 400, `{"message":"Bad Request"}`, `No WebSocket handshake: Sec-WebSocket-Key.*`},
		{"a path behind the stage", "ok", replace("/prod", "/prod/x"), 403, `{"message":"Forbidden"}`, `Wrong path.*`},
		{"no stage", "ok", replace("/prod", "/"), 403, `{"message":"Forbidden"}`, `The path names no stage.*`},
		{"another stage", "ok", replace("/prod", "/test"), 403, `{"message":"Forbidden"}`, `Unknown stage.*`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			in := wsLambda(tt.connect)
			if tt.connect == "blocks" {
				in.TimeoutInMillis = proto.Int32(50)
			}
			w, _, _ := startSocket(t, Deps{}, wsRoute("$connect", false, in))
			res, body := shake(t, w.addr, tt.head)
			if res.StatusCode != tt.status || !sameFrame(body, tt.body) {
				t.Errorf("%d %s, want %d %s", res.StatusCode, body, tt.status, tt.body)
			}
			explained, _ := w.edge.Explain(t.Context(), &edgev1.ExplainRequest{RequestId: res.Header.Get("x-amzn-RequestId")})
			first, _, _ := strings.Cut(explained.GetText(), "\n")
			if !regexp.MustCompile("^" + tt.explained + "$").MatchString(first) {
				t.Errorf("explained: %s, want %s", first, tt.explained)
			}
		})
	}
}

func TestWithoutANodeThereIsNoConnection(t *testing.T) {
	w := start(t, Deps{})
	publishSocket(w.edge, wsRoute("$default", false, nil))
	if res, body := shake(t, w.addr, handshakeHead); res.StatusCode != 503 || body != `{"message": "Service Unavailable"}` {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

// socketSession is what a handshake has left.
func socketSession(t *testing.T) []byte {
	session, err := proto.Marshal(&edgev1.Session{ConnectedAtUnixMilli: 1740997200123, DomainName: "my.domain", SourceIp: "192.0.2.1",
		Authorizer: &edgev1.SessionAuthorizer{PrincipalId: "me", IntegrationLatencyMillis: 3, Context: []*edgev1.Header{{Name: "n", Value: []byte("7")}}}})
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func TestMessages(t *testing.T) {
	w, _, events := startSocket(t, Deps{},
		wsRoute("one", false, wsLambda("body")), wsRoute("two", true, wsLambda("body")), wsRoute("fails", false, wsLambda("fails")),
		wsRoute("odd", true, wsLambda("nostatus")), wsRoute("oddone", false, wsLambda("nostatus")), wsRoute("bare", true, nil),
		wsRoute("ping", true, wsMock(`{"statusCode":200}`), wsResponse("/5\\d\\d/", "never"), wsResponse("$default", `{"type":"pong"}`)),
		wsRoute("five", true, wsMock(`{"statusCode":503}`), wsResponse("$default", "never"), wsResponse("/5\\d\\d/", "five")),
		wsRoute("none", true, wsMock(`{"statusCode":200}`), wsResponse("/5\\d\\d/", "never")),
		func(d *snapshotv1.Deployment) {
			wsRoute("checked", true, wsMock(`{"statusCode":200}`), wsResponse("$default", "valid"))(d)
			r := d.Routes[len(d.Routes)-1].Route
			r.ModelSelectionExpression, r.RequestModels = proto.String("$request.body.kind"), v2map(map[string]string{"a": "A"})
			d.ApiModels = append(d.ApiModels, &apigatewayv2v1.Model{Name: proto.String("A"), Schema: proto.String(`{"type":"object","required":["n"]}`)})
		},
		wsRoute("$connect", false, nil), wsRoute("$disconnect", false, wsLambda("body")))
	session := socketSession(t)
	send := func(text string) *edgev1.InvokeResponse {
		res, err := w.edge.Invoke(t.Context(), &edgev1.InvokeRequest{ConnectionId: connectionID, ApiId: apiID, Stage: "prod", Session: session,
			Event: &edgev1.InvokeRequest_Message{Message: &edgev1.Message{Text: text}}})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	const ids = `, "connectionId":"AAECAwQFBgcICQo=", "requestId":"REQUESTID"}`
	for _, tt := range []struct{ name, message, want, event string }{
		{"one way", `{"action":"one"}`, ``, `"routeKey":"one","authorizer":{"principalId":"me","integrationLatency":3,"n":"7"},"messageId":`},
		{"two way", `{"action":"two"}`, `hello`, `"body":"{\"action\":\"two\"}"`},
		{"a failure is told even one way", `{"action":"fails"}`, `{"message": "Internal server error"` + ids, `"routeKey":"fails"`},
		{"malformed two way", `{"action":"odd"}`, `{"message": "Internal server error"` + ids, `"routeKey":"odd"`},
		{"anything goes one way", `{"action":"oddone"}`, ``, `"routeKey":"oddone"`},
		{"no target", `{"action":"bare"}`, `{"message": "Internal server error"` + ids, ``},
		{"mock", `{"action":"ping"}`, `{"type":"pong"}`, ``},
		{"mock by status", `{"action":"five"}`, `five`, ``},
		{"mock without response", `{"action":"none"}`, `{"message": "Internal server error"` + ids, ``},
		{"valid", `{"action":"checked","kind":"a","n":1}`, `valid`, ``},
		{"invalid", `{"action":"checked","kind":"a"}`, `{"message": "Bad request body"` + ids, ``},
		{"no model", `{"action":"checked","kind":"b","n":1}`, `{"message": "Bad request body"` + ids, ``},
		{"no route", `{"action":"nope"}`, `{"message": "Forbidden"` + ids, ``},
		{"no JSON", `hello`, `{"message": "Forbidden"` + ids, ``},
		{"reserved", `{"action":"$disconnect"}`, `{"message": "Forbidden"` + ids, ``},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := string(send(tt.message).GetReply())
			if !sameFrame(got, tt.want) {
				t.Errorf("got %q, want %s", got, tt.want)
			}
			select {
			case e := <-events:
				if tt.event == "" || !strings.Contains(e, tt.event) || !strings.Contains(e, `"domainName":"my.domain"`) || !strings.Contains(e, `"connectedAt":1740997200123`) {
					t.Errorf("event %s lacks %s", e, tt.event)
				}
			default:
				if tt.event != "" {
					t.Error("no event")
				}
			}
		})
	}
	var frame struct{ RequestID string }
	if err := json.Unmarshal(send("hello").GetReply(), &frame); err != nil {
		t.Fatal(err)
	}
	explained, _ := w.edge.Explain(t.Context(), &edgev1.ExplainRequest{RequestId: frame.RequestID, Account: account})
	if want := "No route: the message selects nothing, since it is no JSON object by the expression $request.body.action"; !strings.HasPrefix(explained.GetText(), want) {
		t.Errorf("explained: %s", explained.GetText())
	}

	publishSocket(w.edge, wsRoute("$default", true, wsMock(`{"statusCode":200}`), wsResponse("$default", "new")))
	if got := string(send("hello").GetReply()); got != "new" {
		t.Errorf("a new deployment does not reach open connections: %s", got)
	}
	w.edge.Apply(snapshots.Update{Full: true})
	if send("hello").GetWithdrawn() == nil {
		t.Error("the connection of an API that is gone stays")
	}
}

func TestDisconnectEvent(t *testing.T) {
	w, _, events := startSocket(t, Deps{}, wsRoute("$disconnect", true, wsLambda("fails")))
	res, err := w.edge.Invoke(t.Context(), &edgev1.InvokeRequest{ConnectionId: connectionID, ApiId: apiID, Stage: "prod",
		Event: &edgev1.InvokeRequest_Disconnect{Disconnect: &edgev1.Disconnect{Code: 1001, Reason: "Going away"}}})
	if err != nil || res.Outcome != nil {
		t.Errorf("%v, %v", res, err)
	}
	if e := <-events; !strings.Contains(e, `"disconnectStatusCode":1001`) || !strings.Contains(e, `"disconnectReason":"Going away"`) {
		t.Error(e)
	}
}

// signing is an authz that believes the header X-Account.
type signing struct {
	authzv1.AuthzClient
	refusal *authzv1.VerifySignatureResponse // nil: unsigned
	failure error
	asked   *authzv1.VerifySignatureRequest
	verdict *authzv1.AuthorizeResponse
	event   string
}

func (s *signing) VerifySignature(_ context.Context, r *authzv1.VerifySignatureRequest, _ ...grpc.CallOption) (*authzv1.VerifySignatureResponse, error) {
	s.asked = proto.Clone(r).(*authzv1.VerifySignatureRequest)
	if s.failure != nil {
		return nil, s.failure
	}
	for _, h := range r.Headers {
		if h.Name == "X-Account" {
			return &authzv1.VerifySignatureResponse{Account: string(h.Value), Arn: "arn:aws:iam::" + string(h.Value) + ":root", UserId: string(h.Value), AccessKey: "AKID"}, nil
		}
	}
	if s.refusal != nil {
		return s.refusal, nil
	}
	return &authzv1.VerifySignatureResponse{ErrorType: "MissingAuthenticationTokenException", ErrorMessage: []byte("Missing Authentication Token"), Reason: []byte("Missing Authentication Token")}, nil
}

func (s *signing) Authorize(_ context.Context, r *authzv1.AuthorizeRequest, _ ...grpc.CallOption) (*authzv1.AuthorizeResponse, error) {
	s.event = string(r.Event)
	return s.verdict, nil
}

func TestConnectAuthorizer(t *testing.T) {
	authz := &signing{}
	guarded := func(d *snapshotv1.Deployment) {
		wsRoute("$connect", false, nil)(d)
		d.Routes[0].Route.AuthorizationType, d.Routes[0].Route.AuthorizerId = proto.String("CUSTOM"), proto.String("a1")
		d.ApiAuthorizers = []*apigatewayv2v1.Authorizer{{AuthorizerId: proto.String("a1"), AuthorizerType: proto.String("REQUEST"), AuthorizerUri: wsLambda("auth").IntegrationUri,
			IdentitySource: &apigatewayv2v1.StringList{Items: []string{"route.request.header.X-Case", "route.request.querystring.q"}}}}
	}
	w, node, _ := startSocket(t, Deps{Authz: authz}, guarded)
	res, body := shake(t, w.addr, strings.Replace(handshakeHead, "X-Case", "X-Other", 1))
	if res.StatusCode != 401 || !strings.HasPrefix(body, `{"message": "Unauthorized", "connectionId":`) || authz.event != "" {
		t.Errorf("identity missing: %d %s, asked %q", res.StatusCode, body, authz.event)
	}
	authz.verdict = &authzv1.AuthorizeResponse{Verdict: authzv1.Verdict_VERDICT_IMPLICIT_DENY}
	res, body = shake(t, w.addr, handshakeHead)
	if res.StatusCode != 403 || !strings.HasPrefix(body, `{"message": "User is not authorized to access this resource", "connectionId":`) {
		t.Errorf("denied: %d %s", res.StatusCode, body)
	}
	if !strings.HasPrefix(authz.event, `{"type":"REQUEST","methodArn":"arn:aws:execute-api:us-east-1:`+account+`:`+apiID+`/prod/$connect","headers":{`) || !strings.Contains(authz.event, `"Upgrade":"websocket"`) {
		t.Error(authz.event)
	}
	authz.verdict = &authzv1.AuthorizeResponse{Verdict: authzv1.Verdict_VERDICT_ALLOW, PrincipalId: "me", Context: []*authzv1.ContextValue{{Name: "a", Value: []byte("b")}}}
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, handshakeHead)
	got := <-node.taken
	got.conn.Close()
	var session edgev1.Session
	if err := proto.Unmarshal(got.h.Session, &session); err != nil || session.GetAuthorizer().GetPrincipalId() != "me" || string(session.GetAuthorizer().GetContext()[0].GetValue()) != "b" {
		t.Errorf("session: %v, %v", &session, err)
	}
}

// TestConnectKey: a key of a plan of the stage opens $connect, from the header or from the authorizer alone; later events name
// it by its id.
func TestConnectKey(t *testing.T) {
	const value = "the-value-of-the-key"
	authz := naming{key: value}
	keyed := func(d *snapshotv1.Deployment) {
		wsRoute("$connect", false, wsLambda("ok"))(d)
		wsRoute("$disconnect", false, wsLambda("ok"))(d)
		d.Routes[0].Route.ApiKeyRequired = proto.Bool(true)
	}
	byAuthorizer := func(d *snapshotv1.Deployment) {
		d.Api.ApiKeySelectionExpression = proto.String("$context.authorizer.usageIdentifierKey")
		d.Routes[0].Route.AuthorizationType, d.Routes[0].Route.AuthorizerId = proto.String("CUSTOM"), proto.String("a1")
		d.ApiAuthorizers = []*apigatewayv2v1.Authorizer{{AuthorizerId: proto.String("a1"), AuthorizerType: proto.String("REQUEST"), AuthorizerUri: wsLambda("auth").IntegrationUri}}
	}
	w, node, events := startSocket(t, Deps{Authz: authz}, keyed)
	plan := &apigatewayv1.UsagePlan{Id: proto.String("plan01"), ApiStages: &apigatewayv1.ApiStageList{Items: []*apigatewayv1.ApiStage{{ApiId: proto.String(apiID), Stage: proto.String("prod")}}},
		Throttle: &apigatewayv1.ThrottleSettings{RateLimit: proto.Float64(0.001), BurstLimit: proto.Int32(2)}}
	sum := sha256.Sum256([]byte(value))
	keys := snapshots.Update{Number: 7, Changed: []*configv1.Resource{
		{Key: "apikeys/k", Body: &configv1.Resource_ApiKey{ApiKey: &snapshotv1.ApiKey{Account: account, Region: "us-east-1", Id: "key0000001", ValueSha256: sum[:], Enabled: true}}},
		{Key: "usageplans/p", Body: &configv1.Resource_UsagePlan{UsagePlan: &snapshotv1.UsagePlan{Account: account, Region: "us-east-1", Plan: plan, KeyIds: []string{"key0000001"}}}},
	}}
	with := func(header string) string {
		return strings.Replace(handshakeHead, "X-Case: a\r\n", header+"\r\n", 1)
	}
	const forbidden = `{"message": "Forbidden", "connectionId":"AAECAwQFBgcICQo=", "requestId":"REQUESTID"}`
	refused := func(head, want string) {
		t.Helper()
		if res, body := shake(t, w.addr, head); !sameFrame(fmt.Sprint(res.StatusCode, " ", body), want) {
			t.Errorf("%d %s, want %s", res.StatusCode, body, want)
		}
	}
	accepted := func(head string) (event string, session *edgev1.Session) {
		t.Helper()
		c, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, head)
		got := <-node.taken
		got.conn.Close()
		session = &edgev1.Session{}
		if err := proto.Unmarshal(got.h.Session, session); err != nil || strings.Contains(string(got.h.Session), value) {
			t.Errorf("the session is %q, %v", got.h.Session, err)
		}
		return <-events, session
	}
	refused(with("x-api-key: "+value), "403 "+forbidden)
	w.edge.Apply(keys)
	refused(handshakeHead, "403 "+forbidden)
	refused(with("x-api-key: another"), "403 "+forbidden)
	event, session := accepted(with("x-api-key: " + value))
	if !strings.Contains(event, `"sourceIp":"127.0.0.1","apiKey":"`+value+`","apiKeyId":"key0000001"}`) || session.GetApiKeyId() != "key0000001" {
		t.Errorf("%s, %v", event, session)
	}
	kept, _ := proto.Marshal(session)
	if _, err := w.edge.Invoke(t.Context(), &edgev1.InvokeRequest{ConnectionId: connectionID, ApiId: apiID, Stage: "prod", Session: kept, Event: &edgev1.InvokeRequest_Disconnect{Disconnect: &edgev1.Disconnect{}}}); err != nil {
		t.Error(err)
	}
	if event := <-events; !strings.Contains(event, `"sourceIp":"127.0.0.1","apiKeyId":"key0000001"}`) {
		t.Error(event)
	}
	publishSocket(w.edge, keyed, byAuthorizer)
	w.edge.Apply(keys)
	if event, _ = accepted(handshakeHead); !strings.Contains(event, `"apiKeyId":"key0000001"`) {
		t.Error(event)
	}
	refused(handshakeHead, `429 {"message": "Too Many Requests", "connectionId":"AAECAwQFBgcICQo=", "requestId":"REQUESTID"}`)
}

// TestRouteThrottles: a route's own limit counts, else that of the stage, for handshakes and for messages. The end of a
// connection is never refused.
func TestRouteThrottles(t *testing.T) {
	w, node, events := startSocket(t, Deps{})
	limit := func(burst int32) *apigatewayv2v1.RouteSettings {
		return &apigatewayv2v1.RouteSettings{ThrottlingRateLimit: proto.Float64(0.001), ThrottlingBurstLimit: &burst}
	}
	publishSocketStage(w.edge, &apigatewayv2v1.Stage{DefaultRouteSettings: limit(1), RouteSettings: &apigatewayv2v1.RouteSettingsMap{Entries: map[string]*apigatewayv2v1.RouteSettings{
		"own": {ThrottlingBurstLimit: proto.Int32(3)}}}},
		wsRoute("$connect", false, nil), wsRoute("own", true, wsLambda("body")), wsRoute("$default", true, wsLambda("body")), wsRoute("$disconnect", false, wsLambda("body")))
	const tooMany = `{"message": "Too Many Requests", "connectionId":"AAECAwQFBgcICQo=", "requestId":"REQUESTID"}`
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, handshakeHead)
	(<-node.taken).conn.Close()
	if res, body := shake(t, w.addr, handshakeHead); res.StatusCode != 429 || !sameFrame(body, tooMany) {
		t.Errorf("the second handshake: %d %s", res.StatusCode, body)
	}
	for text, free := range map[string]int{`{"action":"own"}`: 3, `hello`: 1} {
		for i := range free + 2 {
			res, err := w.edge.Invoke(t.Context(), &edgev1.InvokeRequest{ConnectionId: connectionID, ApiId: apiID, Stage: "prod", Session: socketSession(t),
				Event: &edgev1.InvokeRequest_Message{Message: &edgev1.Message{Text: text}}})
			if err != nil {
				t.Fatal(err)
			}
			want := "hello"
			if i >= free {
				want = tooMany
			}
			if !sameFrame(string(res.GetReply()), want) {
				t.Errorf("message %d of %s: %s", i, text, res.GetReply())
			}
		}
	}
	for len(events) > 0 {
		<-events
	}
	for range 3 {
		if _, err := w.edge.Invoke(t.Context(), &edgev1.InvokeRequest{ConnectionId: connectionID, ApiId: apiID, Stage: "prod", Session: socketSession(t), Event: &edgev1.InvokeRequest_Disconnect{Disconnect: &edgev1.Disconnect{}}}); err != nil {
			t.Error(err)
		}
		<-events
	}
}

func TestConnectByInvoke(t *testing.T) {
	w, _, events := startSocket(t, Deps{}, wsRoute("$connect", false, wsLambda("teapot")))
	connect := &edgev1.Connect{Host: apiHost, Target: "/prod?q=1", Remote: "192.0.2.9:1234", LocalPort: 443, Tls: true, Headers: []*edgev1.Header{
		{Name: "Host", Value: []byte(apiHost)}, {Name: "Connection", Value: []byte("Upgrade")}, {Name: "Upgrade", Value: []byte("websocket")}, {Name: "Sec-WebSocket-Version", Value: []byte("13")}, {Name: "Sec-WebSocket-Key", Value: []byte("dGhlIHNhbXBsZSBub25jZQ==")}}}
	invoke := func() *edgev1.InvokeResponse {
		res, err := w.edge.Invoke(t.Context(), &edgev1.InvokeRequest{ConnectionId: connectionID, Event: &edgev1.InvokeRequest_Connect{Connect: connect}})
		if err != nil {
			t.Fatal(err)
		}
		return res
	}
	if got := invoke().GetRefused(); got.GetStatus() != 418 {
		t.Errorf("%v", got)
	}
	if e := <-events; !strings.Contains(e, `"X-Forwarded-For":"192.0.2.9"`) || !strings.Contains(e, `"X-Forwarded-Proto":"https"`) {
		t.Error(e)
	}
	plain := connect.Headers
	connect.Tls, connect.Headers = false, append(plain[:len(plain):len(plain)], &edgev1.Header{Name: "X-Forwarded-For", Value: []byte("203.0.113.9, 198.51.100.1")}, &edgev1.Header{Name: "X-Forwarded-Proto", Value: []byte("https")})
	w.edge.config.ForwardedFrom = proxyprotocol.Networks{netip.MustParsePrefix("192.0.2.0/24")}
	invoke()
	if e := <-events; !strings.Contains(e, `"X-Forwarded-For":"203.0.113.9, 198.51.100.1"`) || !strings.Contains(e, `"X-Forwarded-Proto":"https"`) || !strings.Contains(e, `"sourceIp":"198.51.100.1"`) {
		t.Errorf("through a trusted proxy: %s", e)
	}
	connect.Headers, w.edge.config.ForwardedFrom = plain, nil
	publishSocket(w.edge, wsRoute("$default", false, nil))
	if got := invoke().GetConnected(); got.GetConnectionId() != connectionID || got.GetSourceIp() != "192.0.2.9" {
		t.Errorf("without $connect: %v", got)
	}
	connect.Host = "nowhere.example"
	if got := invoke().GetRefused(); got.GetStatus() != 403 || string(got.GetBody()) != `{"message":"Forbidden"}` {
		t.Errorf("%v", got)
	}
}

type asker func(*wsconnv1.Request) (*wsconnv1.Answer, error)

func (f asker) Ask(_ context.Context, r *wsconnv1.Request) (*wsconnv1.Answer, error) { return f(r) }

func TestConnectionsAPI(t *testing.T) {
	var answer *wsconnv1.Answer
	var failure error
	var asked *wsconnv1.Request
	w, _, _ := startSocket(t, Deps{Authz: &signing{}, Connections: asker(func(r *wsconnv1.Request) (*wsconnv1.Answer, error) {
		asked = r
		return answer, failure
	})}, wsRoute("$default", false, nil))
	done := &wsconnv1.Answer{Outcome: wsconnv1.Outcome_OUTCOME_DONE, ConnectedAtUnixMilli: 1740997200123, LastActiveAtUnixMilli: 1740997230456, SourceIp: "198.51.100.7"}
	of := func(o wsconnv1.Outcome) *wsconnv1.Answer { return &wsconnv1.Answer{Outcome: o} }
	big := strings.Repeat("x", 131073)
	for _, tt := range []struct {
		name, line, account, body string
		answer                    *wsconnv1.Answer
		err                       error
		want                      string
	}{
		{"post", "POST /prod/@connections/" + connectionID, account, "hi", done, nil, "200  "},
		{"post encoded", "POST /prod/%40connections/AAECAwQFBgcICQo%3D", account, "hi", done, nil, "200  "},
		{"path form", "POST /_aws/execute-api/" + apiID + "/prod/@connections/" + connectionID, account, "hi", done, nil, "200  "},
		{"get", "GET /prod/@connections/" + connectionID, account, "", done, nil,
			`200  {"connectedAt":"2025-03-03T10:20:00Z","identity":{"sourceIp":"198.51.100.7"},"lastActiveAt":"2025-03-03T10:20:30Z"}`},
		{"delete", "DELETE /prod/@connections/" + connectionID, account, "", done, nil, "204  "},
		{"gone", "POST /prod/@connections/" + connectionID, account, "hi", of(wsconnv1.Outcome_OUTCOME_GONE), nil, "410 GoneException "},
		{"full", "POST /prod/@connections/" + connectionID, account, "hi", of(wsconnv1.Outcome_OUTCOME_FULL), nil, "429 LimitExceededException {\"message\":\"Too Many Requests\",…"},
		{"too big there", "POST /prod/@connections/" + connectionID, account, "hi", of(wsconnv1.Outcome_OUTCOME_TOO_BIG), nil, "413 PayloadTooLargeException {\"message\":\"Message too long\",…"},
		{"too big here", "POST /prod/@connections/" + connectionID, account, big, done, nil, "413 PayloadTooLargeException {\"message\":\"Message too long\",…"},
		{"unknown", "POST /prod/@connections/" + connectionID, account, "hi", nil, platform.ErrUnknown, `503 ServiceUnavailableException {"message":"Service Unavailable"}`},
		{"broken", "POST /prod/@connections/" + connectionID, account, "hi", nil, errors.New("x"), `500 InternalServerErrorException {"message":"Internal server error"}`},
		{"malformed id", "POST /prod/@connections/nope", account, "hi", done, nil, `400 BadRequestException {"message":"Invalid connectionId: nope",…`},
		{"not UTF-8", "POST /prod/@connections/" + connectionID, account, "\xff", done, nil, `400 BadRequestException {"message":"The message is not valid UTF-8",…`},
		{"unsigned", "POST /prod/@connections/" + connectionID, "", "hi", done, nil, `403 MissingAuthenticationTokenException {"message":"Missing Authentication Token"}`},
		{"another account", "POST /prod/@connections/" + connectionID, "222222222222", "hi", done, nil,
			`403 AccessDeniedException {"Message":"User: arn:aws:iam::222222222222:root is not authorized to perform: execute-api:ManageConnections on resource: arn:aws:execute-api:us-east-1:********9012:a1b2c3d4e5/prod/POST/@connections/{connectionId}"}`},
		{"another verb", "PUT /prod/@connections/" + connectionID, account, "hi", done, nil, `403 MissingAuthenticationTokenException {"message":"Missing Authentication Token"}`},
		{"another stage", "POST /test/@connections/" + connectionID, account, "hi", done, nil, `403 ForbiddenException {"message":"Forbidden"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			answer, failure, asked = tt.answer, tt.err, nil
			host := apiHost
			if strings.Contains(tt.line, "/_aws/") {
				host = "localhost"
			}
			head := tt.line + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\nContent-Length: " + fmt.Sprint(len(tt.body)) + "\r\n"
			if tt.account != "" {
				head += "X-Account: " + tt.account + "\r\n"
			}
			res, body := shake(t, w.addr, head+"\r\n"+tt.body)
			got := fmt.Sprintf("%d %s %s", res.StatusCode, res.Header.Get("x-amzn-ErrorType"), body)
			if prefix, ok := strings.CutSuffix(tt.want, "…"); ok && strings.HasPrefix(got, prefix) {
				got = tt.want
			}
			if got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if tt.answer == done && res.StatusCode < 300 && (asked.GetAccount() != account || asked.GetApiId() != apiID || asked.GetStage() != "prod" || asked.GetConnectionId() != connectionID) {
				t.Errorf("asked %v", asked)
			}
			if (res.StatusCode == 503) != (res.Header.Get("Retry-After") == "2") {
				t.Errorf("Retry-After: %q", res.Header.Get("Retry-After"))
			}
		})
	}
}
