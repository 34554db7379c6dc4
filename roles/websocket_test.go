package roles

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/core/sigv4"
	"github.com/limen-gateway/limen/platform/functions"
	"github.com/limen-gateway/limen/platform/rootkeys"
	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/snapshots"
	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/edge"
	"github.com/limen-gateway/limen/services/wsconn"
)

// invokedFunctions answers every function with 200 and its event's body in upper case.
type invokedFunctions chan string

func (f invokedFunctions) Invoke(_ context.Context, _ string, payload []byte, _ functions.Options) (functions.Result, error) {
	f <- string(payload)
	return functions.Result{Status: 200, Payload: []byte(`{"statusCode":200,"body":"heard"}`)}, nil
}

// edgeOf calls an edge service of the same process.
type edgeOf struct{ *edge.Service }

func (e edgeOf) Invoke(ctx context.Context, r *edgev1.InvokeRequest, _ ...grpc.CallOption) (*edgev1.InvokeResponse, error) {
	return e.Service.Invoke(ctx, r)
}

func (edgeOf) Explain(context.Context, *edgev1.ExplainRequest, ...grpc.CallOption) (*edgev1.ExplainResponse, error) {
	return nil, errors.ErrUnsupported
}

const (
	socketAPI     = "a1b2c3d4e5"
	socketAccount = "123456789012"
)

// socketStage publishes one API: three routes, all to one function.
func socketStage() snapshots.Update {
	uri := "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:" + socketAccount + ":function:f/invocations"
	d := &snapshotv1.Deployment{Account: socketAccount, Region: "us-east-1", ApiId: socketAPI,
		Api: &apigatewayv2v1.Api{ProtocolType: proto.String("WEBSOCKET"), RouteSelectionExpression: proto.String("$request.body.action")},
		Integrations: []*snapshotv1.Integration{{Integration: &apigatewayv2v1.Integration{
			IntegrationId: proto.String("i"), IntegrationType: proto.String("AWS_PROXY"), IntegrationMethod: proto.String("POST"), IntegrationUri: &uri}}}}
	for _, key := range []string{"$connect", "$default", "$disconnect"} {
		d.Routes = append(d.Routes, &snapshotv1.Route{
			Route:     &apigatewayv2v1.Route{RouteKey: &key, Target: proto.String("integrations/i"), AuthorizationType: proto.String("NONE"), RouteResponseSelectionExpression: proto.String("$default")},
			Responses: []*apigatewayv2v1.RouteResponse{{RouteResponseKey: proto.String("$default")}}})
	}
	b, _ := proto.Marshal(d)
	sum := sha256.Sum256(b)
	return snapshots.Update{Full: true, Content: func(string) ([]byte, bool) { return b, true }, Changed: []*configv1.Resource{{Key: "k", Body: &configv1.Resource_Stage{Stage: &snapshotv1.Stage{
		Account: socketAccount, Region: "us-east-1", ApiId: socketAPI, DeploymentHash: hex.EncodeToString(sum[:]), ApiStage: &apigatewayv2v1.Stage{StageName: proto.String("prod")}}}}}}
}

func selfSigned(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestThroughTheEdge: the edge accepts the handshake and hands the socket to the node of its process, or relays it to one
// elsewhere, over TLS too.
func TestThroughTheEdge(t *testing.T) {
	t.Run("in one process", func(t *testing.T) { throughAnEdge(t, false, nil, nil) })
	t.Run("relayed", func(t *testing.T) { throughAnEdge(t, true, nil, nil) })
	t.Run("relayed over TLS", func(t *testing.T) {
		s := newSecured(t)
		throughAnEdge(t, true, s.identity("wsconn").Server("edge"), s.identity("edge").Client("wsconn"))
	})
}

// directory is one node.
type directory string

func (d directory) Nodes() []string { return []string{string(d)} }

func throughAnEdge(t *testing.T, relayed bool, server, client *tls.Config) {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	secure, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	events := make(invokedFunctions, 100)
	h := &house{}
	relay := listen(t)
	deps := edge.Deps{Functions: events, AccessLog: io.Discard, Sockets: []edge.Socket{
		{Listener: plain}, {Listener: secure, TLS: &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, NextProtos: []string{"http/1.1"}}}}}
	if relayed {
		deps.Directory, deps.RelayTLS = directory(relay.Addr().String()), client
	} else {
		deps.Node = localNode{h}
	}
	e, err := edge.New(edge.Config{}, deps)
	if err != nil {
		t.Fatal(err)
	}
	node, err := wsconn.New(wsconn.Config{}, wsconn.Deps{Edge: edgeOf{e}, Sockets: []wsconn.Socket{{Listener: relay, TLS: server, Relay: true}}})
	if err != nil {
		t.Fatal(err)
	}
	h.wsconn.Store(node)
	e.Apply(socketStage())
	for _, f := range []func(context.Context) error{e.Run, node.Run} {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- f(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	for scheme, address := range map[string]string{"ws": plain.Addr().String(), "wss": secure.Addr().String()} {
		t.Run(scheme, func(t *testing.T) { throughTheEdge(t, scheme, address, events) })
		t.Run(scheme+", in one segment", func(t *testing.T) { inOneSegment(t, scheme, address, events) })
	}
}

func throughTheEdge(t *testing.T, scheme, address string, events invokedFunctions) {
	dialer := websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, NetDial: func(string, string) (net.Conn, error) { return net.Dial("tcp", address) }}
	c, _, err := dialer.Dial(scheme+"://"+socketAPI+".execute-api.localhost/prod?q=1", http.Header{"User-Agent": {"test"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	proxied := map[string]string{"ws": "http", "wss": "https"}[scheme]
	if got := <-events; !strings.Contains(got, `"eventType":"CONNECT"`) || !strings.Contains(got, `"X-Forwarded-Proto":"`+proxied+`"`) || !strings.Contains(got, `"userAgent":"test"`) {
		t.Error(got)
	}
	big := strings.Repeat("x", 30000)
	if err := c.WriteMessage(websocket.TextMessage, []byte(big)); err != nil {
		t.Fatal(err)
	}
	if _, got, err := c.ReadMessage(); err != nil || string(got) != "heard" {
		t.Fatalf("%q, %v", got, err)
	}
	if got := <-events; !strings.Contains(got, `"routeKey":"$default"`) || !strings.Contains(got, big) {
		t.Error(got[:min(len(got), 300)])
	}
	_ = c.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second))
	if got := <-events; !strings.Contains(got, `"disconnectStatusCode":1000`) || !strings.Contains(got, `"domainName":"`+socketAPI+`.execute-api.localhost"`) {
		t.Error(got)
	}
}

// inOneSegment sends two messages behind the handshake, in its own segment and TLS record, and then one byte by byte: what the
// edge has read belongs to the node.
func inOneSegment(t *testing.T, scheme, address string, events invokedFunctions) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if scheme == "wss" {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	masked := func(text string) string { return string([]byte{0x81, 0x80 | byte(len(text)), 0, 0, 0, 0}) + text }
	_, err = io.WriteString(c, "GET /prod HTTP/1.1\r\nHost: "+socketAPI+".execute-api.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"+masked("one")+masked("two"))
	if err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	res, err := http.ReadResponse(r, nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v, %v", res, err)
	}
	defer res.Body.Close()
	for _, b := range []byte(masked("three")) {
		if _, err := c.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		frame := make([]byte, 7)
		if _, err := io.ReadFull(r, frame); err != nil || string(frame) != "\x81\x05heard" {
			t.Fatalf("%q, %v", frame, err)
		}
	}
	seen := ""
	for range 4 {
		seen += <-events
	}
	for _, want := range []string{`"eventType":"CONNECT"`, `"body":"one"`, `"body":"two"`, `"body":"three"`} {
		if strings.Count(seen, want) != 1 {
			t.Errorf("%d times %s", strings.Count(seen, want), want)
		}
	}
	_ = c.Close()
	if got := <-events; !strings.Contains(got, `"disconnectStatusCode":1006`) {
		t.Error(got)
	}
}

// TestDevWebSockets makes an API by the control plane of limen dev, connects on its one port, and is pushed to from every
// place where @connections answers.
func TestDevWebSockets(t *testing.T) {
	dev, config := startDev(t)
	keys, _, err := RootKeys(config, true)
	if err != nil {
		t.Fatal(err)
	}
	api := makeSocketAPI(t, adminv1.NewApiGatewayV2Client(dev.house.admin.service.Root(dev.house.admin.server.Local(rpc.Admin), keys[0].Account, "us-east-1")))
	url := "ws://" + dev.Address() + "/_aws/execute-api/" + api + "/prod"
	var c *websocket.Conn
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if c, _, err = websocket.DefaultDialer.Dial(url, nil); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	defer c.Close()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	expect := func(want string) {
		t.Helper()
		if _, got, err := c.ReadMessage(); err != nil || string(got) != want {
			t.Fatalf("%q, %v, want %q", got, err, want)
		}
	}
	_ = c.WriteMessage(websocket.TextMessage, []byte(`{"action":"ping"}`))
	expect(`{"type":"pong"}`)
	_ = c.WriteMessage(websocket.TextMessage, []byte(`hello`))
	_, frame, err := c.ReadMessage()
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(frame), `"connectionId":"`)
	id, _, _ := strings.Cut(rest, `"`)
	if !strings.HasPrefix(string(frame), `{"message": "Forbidden", `) || len(id) != 16 {
		t.Fatalf("%s", frame)
	}
	encoded := strings.ReplaceAll(id, "=", "%3D")
	call := func(key rootkeys.Key, method, path, body string) string {
		t.Helper()
		return signedCall(t, dev.Address(), key, method, path, body)
	}
	for _, path := range []string{"/_aws/execute-api/" + api + "/prod/@connections/" + id, "/prod/@connections/" + encoded, "/@connections/" + encoded, "/prod/%40connections/" + encoded} {
		if got := call(keys[0], "POST", path, "pushed by "+path); got != "200 " {
			t.Fatalf("%s: %s", path, got)
		}
		expect("pushed by " + path)
		if got := call(keys[0], "GET", path, ""); !strings.HasPrefix(got, `200 {"connectedAt":"`) || !strings.Contains(got, `"sourceIp":"127.0.0.1"`) {
			t.Errorf("%s: %s", path, got)
		}
	}
	for path, want := range map[string]string{
		"/test/@connections/" + encoded: "410 ", "/@connections/TXzPWdnOjoECGjA%3D": "410 ",
		"/@connections/nope": `400 {"message":"Invalid connectionId: nope"}`,
	} {
		if got := call(keys[0], "POST", path, "x"); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	if got := call(keys[0], "POST", "/@connections/"+encoded, strings.Repeat("x", 131073)); !strings.HasPrefix(got, "413 ") {
		t.Error(got)
	}
	if got := call(keys[1], "POST", "/@connections/"+encoded, "x"); got != "410 " {
		t.Errorf("another account: %s", got)
	}
	if got := call(keys[1], "POST", "/_aws/execute-api/"+api+"/prod/@connections/"+id, "x"); !strings.HasPrefix(got, `403 {"Message":"User: arn:aws:iam::`+keys[1].Account) {
		t.Errorf("another account at the edge: %s", got)
	}
	if got := call(keys[0], "DELETE", "/prod/@connections/"+encoded, ""); got != "204 " {
		t.Error(got)
	}
	if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, 1000) {
		t.Errorf("%v", err)
	}
	if got := call(keys[0], "POST", "/_aws/execute-api/"+api+"/prod/@connections/"+id, "x"); got != "410 " {
		t.Errorf("after the end: %s", got)
	}
}

// makeSocketAPI makes an API with the route ping, a mock that answers, and its stage prod.
func makeSocketAPI(t *testing.T, v2 adminv1.ApiGatewayV2Client) string {
	t.Helper()
	ctx := t.Context()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a, err := v2.CreateApi(ctx, &apigatewayv2v1.CreateApiRequest{Name: proto.String("chat"), ProtocolType: proto.String("WEBSOCKET"), RouteSelectionExpression: proto.String("$request.body.action")})
	check(err)
	in, err := v2.CreateIntegration(ctx, &apigatewayv2v1.CreateIntegrationRequest{ApiId: a.ApiId, IntegrationType: proto.String("MOCK"), TemplateSelectionExpression: proto.String("200"),
		RequestTemplates: &apigatewayv2v1.StringMap{Entries: map[string]string{"200": `{"statusCode":200}`}}})
	check(err)
	_, err = v2.CreateIntegrationResponse(ctx, &apigatewayv2v1.CreateIntegrationResponseRequest{ApiId: a.ApiId, IntegrationId: in.IntegrationId, IntegrationResponseKey: proto.String("$default"),
		ResponseTemplates: &apigatewayv2v1.StringMap{Entries: map[string]string{"$default": `{"type":"pong"}`}}})
	check(err)
	r, err := v2.CreateRoute(ctx, &apigatewayv2v1.CreateRouteRequest{ApiId: a.ApiId, RouteKey: proto.String("ping"), Target: proto.String("integrations/" + in.GetIntegrationId()), RouteResponseSelectionExpression: proto.String("$default")})
	check(err)
	_, err = v2.CreateRouteResponse(ctx, &apigatewayv2v1.CreateRouteResponseRequest{ApiId: a.ApiId, RouteId: r.RouteId, RouteResponseKey: proto.String("$default")})
	check(err)
	d, err := v2.CreateDeployment(ctx, &apigatewayv2v1.CreateDeploymentRequest{ApiId: a.ApiId})
	check(err)
	_, err = v2.CreateStage(ctx, &apigatewayv2v1.CreateStageRequest{ApiId: a.ApiId, StageName: proto.String("prod"), DeploymentId: d.DeploymentId})
	check(err)
	return a.GetApiId()
}

// signedCall signs a request for execute-api and returns status and body.
func signedCall(t *testing.T, address string, key rootkeys.Key, method, path, body string) string {
	t.Helper()
	req, err := http.NewRequest(method, "http://"+address+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	signed := &sigv4.Request{Method: method, Path: req.URL.EscapedPath(), Headers: []sigv4.Header{{Name: "Host", Value: address}}, BodySHA256: sha256.Sum256([]byte(body))}
	for _, h := range sigv4.Sign(signed, sigv4.Credentials{AccessKey: key.AccessKeyID, Secret: key.SecretAccessKey}, sigv4.Scope{Region: "us-east-1", Service: "execute-api"}, time.Now()) {
		req.Header.Set(h.Name, h.Value)
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	if res.StatusCode == 410 && res.Header.Get("x-amzn-ErrorType") != "GoneException" {
		t.Errorf("410 without GoneException: %v", res.Header)
	}
	return fmt.Sprintf("%d %s", res.StatusCode, text)
}
