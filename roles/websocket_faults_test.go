package roles

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/proxytest"
	"github.com/limen-gateway/limen/platform/rootkeys"
	"github.com/limen-gateway/limen/platform/rpc"
	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	"github.com/limen-gateway/limen/services/functions"
)

// socketCluster is a WebSocket API whose every part is a process of its own, with a network between them that fails.
type socketCluster struct {
	t                 *testing.T
	nats, authz, edge *proxytest.Proxy
	control           string // address of the control plane
	url               string // of the API at the node's own listener
	another           Config // of one more edge
	key               rootkeys.Key
	ends              chan string // ids of connections whose end $disconnect heard
}

func startSocketCluster(t *testing.T) *socketCluster {
	t.Helper()
	c := &socketCluster{t: t, ends: make(chan string, 1<<18)}
	natsAt, adminAt, adminGRPC, authzAt, edgeAt, functionsAt, socketsAt := proxytest.FreeAddress(t), proxytest.FreeAddress(t), proxytest.FreeAddress(t), proxytest.FreeAddress(t), proxytest.FreeAddress(t), proxytest.FreeAddress(t), proxytest.FreeAddress(t)
	behind := func(address string) *proxytest.Proxy {
		return proxytest.New(t, func() (string, string) { return "tcp", address })
	}
	c.nats, c.authz, c.edge = behind(natsAt), behind(authzAt), behind(edgeAt)
	run := func(config Config, names ...string) *house {
		config.DataDir = t.TempDir()
		h, stop := start(t, config, only(names...))
		t.Cleanup(stop)
		return h
	}
	natsURL := NATSConfig{URL: "nats://" + c.nats.Addr()}
	keys := filepath.Join(t.TempDir(), "keys")
	made, err := rootkeys.LoadOrCreate(keys, "111111111111")
	if err != nil {
		t.Fatal(err)
	}
	c.key, c.control = made[0], adminAt
	run(Config{NATS: NATSConfig{Listen: natsAt}}, "nats")
	h := run(Config{RootKeyFile: keys, NATS: natsURL, Admin: AdminConfig{Listen: adminAt, GRPCListen: adminGRPC}, Authz: AuthzConfig{GRPCListen: authzAt},
		Functions: FunctionsConfig{Listen: functionsAt, Config: functions.Config{Declare: []functions.Function{
			{Name: "authorizer", URL: lambdaTarget(t, "authorizer")}, {Name: "ends", URL: c.listen()}}}}},
		"etcd", "admin", "functions", "authz")
	edge := Config{AdminAddress: adminGRPC, Edge: EdgeConfig{Listen: "127.0.0.1:0", GRPCListen: edgeAt, Authz: c.authz.Addr(), Functions: "http://" + functionsAt}}
	run(edge, "edge")
	c.another = edge
	c.another.NATS, c.another.Edge.Listen, c.another.Edge.GRPCListen = natsURL, proxytest.FreeAddress(t), ""
	run(Config{NATS: natsURL, Wsconn: WsconnConfig{Listen: socketsAt, Edge: c.edge.Addr()}}, "wsconn")
	c.url = "ws://" + socketsAt + "/_aws/execute-api/" + c.publish(h) + "/prod?token=t"
	return c
}

// listen is a function that hears of ends.
func (c *socketCluster) listen() (url string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e struct {
			RequestContext struct{ EventType, ConnectionID string }
		}
		if json.NewDecoder(r.Body).Decode(&e) == nil && e.RequestContext.EventType == "DISCONNECT" {
			c.ends <- e.RequestContext.ConnectionID
		}
		_, _ = io.WriteString(w, `{"statusCode":200}`)
	}))
	c.t.Cleanup(s.Close)
	return s.URL
}

// publish adds an authorizer and the function of ends to the API of makeSocketAPI.
func (c *socketCluster) publish(h *house) (api string) {
	t, ctx := c.t, c.t.Context()
	v2 := adminv1.NewApiGatewayV2Client(h.admin.service.Root(h.admin.server.Local(rpc.Admin), c.key.Account, "us-east-1"))
	api = makeSocketAPI(t, v2)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	function := func(name string) *string {
		return proto.String(fmt.Sprintf("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:%s:function:%s/invocations", c.key.Account, name))
	}
	a, err := v2.CreateAuthorizer(ctx, &apigatewayv2v1.CreateAuthorizerRequest{ApiId: &api, Name: proto.String("a"), AuthorizerType: proto.String("REQUEST"), AuthorizerUri: function("authorizer"),
		IdentitySource: &apigatewayv2v1.StringList{Items: []string{"route.request.querystring.token"}}})
	must(err)
	in, err := v2.CreateIntegration(ctx, &apigatewayv2v1.CreateIntegrationRequest{ApiId: &api, IntegrationType: proto.String("AWS_PROXY"), IntegrationMethod: proto.String("POST"), IntegrationUri: function("ends")})
	must(err)
	_, err = v2.CreateRoute(ctx, &apigatewayv2v1.CreateRouteRequest{ApiId: &api, RouteKey: proto.String("$connect"), AuthorizationType: proto.String("CUSTOM"), AuthorizerId: a.AuthorizerId})
	must(err)
	_, err = v2.CreateRoute(ctx, &apigatewayv2v1.CreateRouteRequest{ApiId: &api, RouteKey: proto.String("$disconnect"), Target: proto.String("integrations/" + in.GetIntegrationId())})
	must(err)
	d, err := v2.CreateDeployment(ctx, &apigatewayv2v1.CreateDeploymentRequest{ApiId: &api})
	must(err)
	_, err = v2.UpdateStage(ctx, &apigatewayv2v1.UpdateStageRequest{ApiId: &api, StageName: proto.String("prod"), DeploymentId: d.DeploymentId})
	must(err)
	own := adminv1.NewAdminClient(h.admin.service.Root(h.admin.server.Local(rpc.Admin), c.key.Account, "us-east-1"))
	waited, err := own.Wait(ctx, &adminv1.WaitRequest{ApiId: api, Stage: "prod", TimeoutMillis: 30000})
	must(err)
	if len(waited.GetPending()) > 0 {
		t.Fatal(waited.GetPending())
	}
	return api
}

// dial opens a connection and returns the status: 101, or what was answered instead.
func (c *socketCluster) dial() (*websocket.Conn, int) {
	ws, res, err := websocket.DefaultDialer.Dial(c.url, nil)
	switch {
	case err == nil:
		_ = ws.SetReadDeadline(time.Now().Add(2 * time.Minute))
		return ws, http.StatusSwitchingProtocols
	case errors.Is(err, websocket.ErrBadHandshake):
		return nil, res.StatusCode
	}
	c.t.Error(err)
	return nil, 0
}

// ask sends a message and returns the answer.
func (c *socketCluster) ask(ws *websocket.Conn, text string) string {
	if err := ws.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		return err.Error()
	}
	_, answer, err := ws.ReadMessage()
	if err != nil {
		return err.Error()
	}
	return string(answer)
}

const (
	askPing  = `{"action":"ping"}`
	pong     = `{"type":"pong"}`
	attempts = "attempts"
)

// load keeps connections busy and opens new ones; what it sees is counted by kind.
type socketLoad struct {
	mu    sync.Mutex // guards seen
	seen  map[string]int
	ended atomic.Bool
	all   sync.WaitGroup
}

func (l *socketLoad) note(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.seen[what]++
	l.seen[attempts]++
}

// now forgets what was seen so far and waits until enough of both jobs was seen since.
func (l *socketLoad) now(t *testing.T) map[string]int {
	t.Helper()
	l.mu.Lock()
	l.seen = map[string]int{}
	l.mu.Unlock()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		l.mu.Lock()
		messages, handshakes, seen := 0, 0, map[string]int{}
		for what, n := range l.seen {
			seen[what] = n
			if strings.HasPrefix(what, "message: ") {
				messages += n
			} else if what != attempts {
				handshakes += n
			}
		}
		l.mu.Unlock()
		if messages >= 50 && handshakes >= 5 {
			delete(seen, attempts)
			return seen
		}
		if time.Now().After(deadline) {
			t.Fatalf("the load stands still: %v", seen)
		}
	}
}

// expect waits until nothing but what is wanted is seen, at the end of an outage or at its beginning.
func (l *socketLoad) expect(t *testing.T, when string, want ...string) {
	t.Helper()
	var seen map[string]int
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		seen = l.now(t)
		rest := len(seen)
		for _, w := range want {
			if seen[w] > 0 {
				rest--
			}
		}
		if rest == 0 {
			return
		}
	}
	t.Fatalf("%s: %v, want %v only", when, seen, want)
}

func (c *socketCluster) load() *socketLoad {
	l := &socketLoad{seen: map[string]int{}}
	for range 3 {
		ws, status := c.dial()
		if ws == nil {
			c.t.Fatal(status)
		}
		l.all.Go(func() {
			defer ws.Close()
			for !l.ended.Load() {
				answer := c.ask(ws, askPing)
				answer, _, _ = strings.Cut(answer, `, "connectionId"`)
				l.note("message: " + answer)
				if !strings.HasPrefix(answer, "{") {
					return // the connection is gone
				}
			}
		})
	}
	l.all.Go(func() {
		for !l.ended.Load() {
			ws, status := c.dial()
			l.note(fmt.Sprintf("handshake: %d", status))
			if ws != nil {
				_ = ws.Close()
			}
		}
	})
	return l
}

const (
	answered = "message: " + pong
	opened   = "handshake: 101"
)

// TestPartsAwayWhileWebSocketsTalk takes NATS, authz and the edge away in turn while connections talk and open: each has the
// fallback that is stated, and no other, and afterwards all is well without a restart.
func TestPartsAwayWhileWebSocketsTalk(t *testing.T) {
	c := startSocketCluster(t)
	ws, status := c.dial()
	if ws == nil {
		t.Fatal(status)
	}
	defer ws.Close()
	_, rest, _ := strings.Cut(c.ask(ws, "who"), `"connectionId":"`)
	id, _, _ := strings.Cut(rest, `"`)
	n := 0
	post := func() string {
		n++
		text := fmt.Sprintf("push %d", n)
		status, _, _ := strings.Cut(signedCall(t, c.control, c.key, "POST", "/prod/@connections/"+strings.ReplaceAll(id, "=", "%3D"), text), " ")
		for got := []byte(nil); status == "200" && string(got) != text; { // those of which nobody knew may arrive before it
			var err error
			if _, got, err = ws.ReadMessage(); err != nil {
				t.Fatalf("%s is answered 200, and %v", text, err)
			}
		}
		return status
	}
	pushes := func(when, want string) { // until it is so; a live connection is never gone
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
			got := post()
			if got == want {
				return
			}
			if got != "200" && got != "503" || time.Now().After(deadline) {
				t.Fatalf("%s: %s, want %s", when, got, want)
			}
		}
	}
	l := c.load()
	defer func() { l.ended.Store(true); l.all.Wait() }()
	l.expect(t, "before", answered, opened)
	pushes("before", "200")

	faults := []struct {
		name         string
		begin, end   func()
		while        []string
		pushes, talk string
	}{
		{"NATS cut", c.nats.Cut, func() { c.nats.Restore(t) }, []string{answered, opened}, "503", pong},
		{"NATS paused", c.nats.Pause, c.nats.Resume, []string{answered, opened}, "503", pong},
		{"authz cut", c.authz.Cut, func() { c.authz.Restore(t) }, []string{answered, "handshake: 500"}, "200", pong},
		{"edge cut", c.edge.Cut, func() { c.edge.Restore(t) }, []string{`message: {"message": "Internal server error"`, "handshake: 503"}, "200", `{"message": "Internal server error"`},
	}
	for _, f := range faults {
		before, status := c.dial()
		if before == nil {
			t.Fatalf("before %s: %d", f.name, status)
		}
		_, rest, _ := strings.Cut(c.ask(before, "who"), `"connectionId":"`)
		leaving, _, _ := strings.Cut(rest, `"`)
		f.begin()
		l.expect(t, f.name, f.while...)
		pushes(f.name, f.pushes)
		if got := c.ask(before, askPing); !strings.HasPrefix(got, f.talk) {
			t.Errorf("%s: an open connection hears %s", f.name, got)
		}
		_ = before.Close()
		f.end()
		l.expect(t, "after "+f.name, answered, opened)
		pushes("after "+f.name, "200")
		for told := ""; told != leaving; { // the end of a connection during the outage, among those that the load closes
			select {
			case told = <-c.ends:
			case <-time.After(2 * time.Minute):
				t.Fatalf("%s: the end of a connection is not told", f.name)
			}
		}
	}
}
