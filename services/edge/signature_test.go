package edge

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/functions"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	authzv1 "github.com/limen-gateway/limen/proto/authz/v1"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

func iam(m *apigatewayv1.Method) *apigatewayv1.Method {
	m.AuthorizationType = proto.String("AWS_IAM")
	return m
}

// signature is a header that no backend may get.
const signature = "Authorization: AWS4-HMAC-SHA256 Credential=AKID/20260301/us-east-1/execute-api/aws4_request, SignedHeaders=host, Signature=00\r\n"

// TestSignedMethod: who signs as the owner is let in and named to the backend, which gets no Authorization.
func TestSignedMethod(t *testing.T) {
	backend, seen := rawBackend(t, func(*seenRequest) string { return "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n" })
	var event struct {
		Headers        map[string]string
		RequestContext struct{ Identity map[string]string }
	}
	authz := &signing{}
	w := start(t, Deps{Authz: authz, Functions: invoker(func(_ string, payload []byte) (functions.Result, error) {
		return functions.Result{Status: 200, Payload: []byte(`{"statusCode":200}`)}, json.Unmarshal(payload, &event)
	})})
	who := withResponses(mock(`{"statusCode": 200}`), response("200", "", nil, map[string]string{"application/json": `$context.identity.accessKey $context.identity.accountId $context.identity.caller $context.identity.user $context.identity.userArn`}))
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(nil, method{"/who", "GET", iam(who)},
		method{"/function", "POST", iam(of(lambda("f")))}, method{"/http", "GET", iam(of(proxyTo("http://"+backend+"/x", nil)))})})
	head := " HTTP/1.1\r\nHost: " + apiHost + "\r\nX-Account: " + account + "\r\n" + signature + "authorization: second\r\n"

	a := w.send("GET /prod/who" + head + "\r\n")
	if want := "AKID " + account + " " + account + " " + account + " arn:aws:iam::" + account + ":root"; a.status != 200 || a.body != want {
		t.Errorf("%+v, want %s", a, want)
	}
	if text := w.explainAll(a); !strings.Contains(text, "authorize: signed by arn:aws:iam::"+account+":root with the access key AKID") {
		t.Error(text)
	}
	if a := w.send("POST /prod/function?q=1" + head + "Content-Length: 2\r\n\r\nhi"); a.status != 200 {
		t.Errorf("%+v", a)
	}
	id := event.RequestContext.Identity
	if id["accessKey"] != "AKID" || id["accountId"] != account || id["caller"] != account || id["user"] != account || id["userArn"] != "arn:aws:iam::"+account+":root" {
		t.Errorf("identity: %v", id)
	}
	if event.Headers["Authorization"] != "" || event.Headers["authorization"] != "" || event.Headers["X-Account"] != account {
		t.Errorf("headers of the event: %v", event.Headers)
	}
	asked := authz.asked
	if asked.GetMethod() != "POST" || asked.GetPath() != "/prod/function" || asked.GetRawQuery() != "q=1" || len(asked.GetHeaders()) != 5 || len(asked.GetRegions()) != 1 || asked.GetRegions()[0] != "us-east-1" {
		t.Errorf("asked %v", asked)
	}
	if a := w.send("PUT /prod/who" + head + "X-HTTP-Method-Override: GET\r\n\r\n"); a.status != 200 || authz.asked.GetMethod() != "PUT" {
		t.Errorf("%+v, asked of the method %s", a, authz.asked.GetMethod())
	}
	if a := w.send("GET /prod/http" + head + "\r\n"); a.status != 200 {
		t.Errorf("%+v", a)
	}
	if got := <-seen; strings.Contains(strings.ToLower(strings.Join(got.headers, "\n")), "authorization") {
		t.Errorf("the backend got %q", got.headers)
	}
}

// TestSignatureRefused: each refusal is a gateway response of its type, and its explanation keeps no secret.
func TestSignatureRefused(t *testing.T) {
	authz := &signing{}
	w := start(t, Deps{Authz: authz})
	marked := func(kind, status string) *apigatewayv1.GatewayResponse {
		return &apigatewayv1.GatewayResponse{ResponseType: &kind, StatusCode: &status, ResponseTemplates: str(map[string]string{"application/json": kind + ` $context.error.messageString`})}
	}
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{
		"prod": deployment(nil, method{"/a/{id}", "GET", iam(of(mock(`{"statusCode": 200}`)))}),
		"own": deployment(func(d *snapshotv1.Deployment) {
			d.GatewayResponses = []*apigatewayv1.GatewayResponse{marked("MISSING_AUTHENTICATION_TOKEN", "401"), marked("INVALID_SIGNATURE", "402"), marked("EXPIRED_TOKEN", "404"), marked("DEFAULT_4XX", "405"), marked("ACCESS_DENIED", "406"), marked("AUTHORIZER_FAILURE", "503")}
		}, method{"/a/{id}", "GET", iam(of(mock(`{"statusCode": 200}`)))}),
	})
	refusal := func(kind string) *authzv1.VerifySignatureResponse {
		return &authzv1.VerifySignatureResponse{ErrorType: kind, ErrorMessage: []byte("a s3cret\ntext"), Reason: []byte("the signature is wrong.")}
	}
	const denied = `User: arn:aws:iam::222222222222:root is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:********9012:` + apiID + `/`
	const why = `The signature is refused: the signature is wrong\.`
	for _, tt := range []struct {
		name, account string
		refusal       *authzv1.VerifySignatureResponse
		failure       error
		status        int
		kind, body    string
		own           string // of the stage whose gateway responses are customised
		explain       string
	}{
		{"unsigned", "", nil, nil, 403, "MissingAuthenticationTokenException", `{"message":"Missing Authentication Token"}`, `401 MISSING_AUTHENTICATION_TOKEN "Missing Authentication Token"`, `The signature is refused: Missing Authentication Token`},
		{"invalid", "", refusal("InvalidSignatureException"), nil, 403, "InvalidSignatureException", `{"message":"a s3cret\ntext"}`, `402 INVALID_SIGNATURE "a s3cret\ntext"`, why},
		{"expired", "", refusal("ExpiredTokenException"), nil, 403, "ExpiredTokenException", `{"message":"a s3cret\ntext"}`, `404 EXPIRED_TOKEN "a s3cret\ntext"`, why},
		{"incomplete", "", refusal("IncompleteSignatureException"), nil, 403, "IncompleteSignatureException", `{"message":"a s3cret\ntext"}`, `405 DEFAULT_4XX "a s3cret\ntext"`, why},
		{"of nobody", "", refusal("UnrecognizedClientException"), nil, 403, "UnrecognizedClientException", `{"message":"a s3cret\ntext"}`, `405 DEFAULT_4XX "a s3cret\ntext"`, why},
		{"of another account", "222222222222", nil, nil, 403, "AccessDeniedException", `{"Message":"` + denied + `prod/GET/a/b%2Fc"}`, `406 ACCESS_DENIED "` + denied + `own/GET/a/b%2Fc"`, `arn:aws:iam::222222222222:root may not call the method: it is of another account .*`},
		{"authz away", account, nil, errors.New("gone"), 500, "AuthorizerFailureException", `{"message":null}`, `503 AUTHORIZER_FAILURE null`, `Authorizer AWS_IAM is broken: authz did not answer: gone\.`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w.t, authz.refusal, authz.failure = t, tt.refusal, tt.failure
			call := func(stage string) answer {
				head := "GET /" + stage + "/a/b%2Fc HTTP/1.1\r\nHost: " + apiHost + "\r\n"
				if tt.account != "" {
					head += "X-Account: " + tt.account + "\r\n"
				}
				return w.send(head + "\r\n")
			}
			a := call("prod")
			if a.status != tt.status || a.body != tt.body || a.header("x-amzn-ErrorType") != tt.kind {
				t.Errorf("%+v", a)
			}
			if text := w.explainAll(a); !regexp.MustCompile("^"+tt.explain+"\n").MatchString(text) || strings.Contains(text, "s3cret") {
				t.Errorf("explained as\n%s\nwant\n%s", text, tt.explain)
			}
			if a := call("own"); fmt.Sprint(a.status, " ", a.body) != tt.own {
				t.Errorf("%+v, want %s", a, tt.own)
			}
		})
	}
}

// TestSignedHandshake: $connect asks for a signature as methods do, and later events name who signed.
func TestSignedHandshake(t *testing.T) {
	authz := &signing{}
	guarded := func(d *snapshotv1.Deployment) {
		wsRoute("$connect", false, wsLambda("ok"))(d)
		wsRoute("$default", false, wsLambda("ok"))(d)
		d.Routes[0].Route.AuthorizationType = proto.String("AWS_IAM")
	}
	w, node, events := startSocket(t, Deps{Authz: authz}, guarded)
	by := func(account string) string {
		return strings.Replace(handshakeHead, "X-Case: a\r\n", "X-Account: "+account+"\r\n"+signature, 1)
	}
	res, body := shake(t, w.addr, handshakeHead)
	if res.StatusCode != 403 || !strings.HasPrefix(body, `{"message": "Missing Authentication Token", "connectionId":`) || res.Header.Get("x-amzn-ErrorType") != "MissingAuthenticationTokenException" {
		t.Errorf("unsigned: %d %s", res.StatusCode, body)
	}
	res, body = shake(t, w.addr, by("222222222222"))
	if res.StatusCode != 403 || !strings.HasPrefix(body, `{"message": "User: arn:aws:iam::222222222222:root is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:********9012:`+apiID+`/prod/$connect", "connectionId":`) {
		t.Errorf("of another account: %d %s", res.StatusCode, body)
	}
	if len(events) != 0 {
		t.Errorf("$connect has seen %s", <-events)
	}
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, by(account))
	got := <-node.taken
	got.conn.Close()
	const named = `"accessKey":"AKID","accountId":"` + account + `","caller":"` + account + `","user":"` + account + `","userArn":"arn:aws:iam::` + account + `:root"`
	if e := <-events; !strings.Contains(e, named) || strings.Contains(e, "AWS4-HMAC") {
		t.Errorf("$connect has seen %s", e)
	}
	if _, err := w.edge.Invoke(t.Context(), &edgev1.InvokeRequest{ConnectionId: connectionID, ApiId: apiID, Stage: "prod", Session: got.h.Session,
		Event: &edgev1.InvokeRequest_Message{Message: &edgev1.Message{Text: "{}"}}}); err != nil {
		t.Fatal(err)
	}
	if e := <-events; !strings.Contains(e, named) {
		t.Errorf("$default has seen %s", e)
	}
}
