package faults

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/gorilla/websocket"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/limen-gateway/limen/test/harness"
)

// hook is a function that notes the events of connections.
type hook struct {
	url    string
	events chan socketEvent
}

type socketEvent struct {
	RequestContext struct {
		EventType, ConnectionID, Stage, DomainName string
		DisconnectStatusCode                       int
		DisconnectReason                           string
		Identity                                   struct{ UserAgent string }
	}
}

func newHook(t *testing.T) *hook {
	h := &hook{events: make(chan socketEvent, 1000)}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e socketEvent
		if err := json.NewDecoder(r.Body).Decode(&e); err == nil {
			h.events <- e
		}
		_, _ = io.WriteString(w, `{"statusCode":200,"body":"heard"}`)
	}))
	t.Cleanup(s.Close)
	h.url = s.URL
	return h
}

// settings declares the function in a file.
func (h *hook) settings(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "limen.yaml")
	if err := os.WriteFile(path, []byte("functions:\n  declare:\n    - {name: hook, url: "+h.url+"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (h *hook) next(t *testing.T, kind string) socketEvent {
	t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case e := <-h.events:
			if e.RequestContext.EventType == kind {
				return e
			}
		case <-deadline:
			t.Fatalf("no event %s comes", kind)
		}
	}
}

// person is who calls the control plane.
type person struct{ account, accessKey, secret, control string }

func (p person) credentials() aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(p.accessKey, p.secret, "")
}

// socketAPI makes an API whose connections, ends and messages the hook sees.
func (p person) socketAPI(t *testing.T) (api string) {
	t.Helper()
	ctx := t.Context()
	v2 := apigatewayv2.New(apigatewayv2.Options{BaseEndpoint: aws.String(p.control), Region: region, Credentials: p.credentials()})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	a, err := v2.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("chat"), ProtocolType: types.ProtocolTypeWebsocket, RouteSelectionExpression: aws.String("$request.body.action")})
	must(err)
	in, err := v2.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{ApiId: a.ApiId, IntegrationType: types.IntegrationTypeAwsProxy, IntegrationMethod: aws.String("POST"),
		IntegrationUri: aws.String(fmt.Sprintf("arn:aws:apigateway:%s:lambda:path/2015-03-31/functions/arn:aws:lambda:%s:%s:function:hook/invocations", region, region, p.account))})
	must(err)
	for _, key := range []string{"$connect", "$disconnect", "$default"} {
		_, err := v2.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: a.ApiId, RouteKey: &key, Target: aws.String("integrations/" + *in.IntegrationId)})
		must(err)
	}
	d, err := v2.CreateDeployment(ctx, &apigatewayv2.CreateDeploymentInput{ApiId: a.ApiId})
	must(err)
	_, err = v2.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: a.ApiId, StageName: aws.String("prod"), DeploymentId: d.DeploymentId})
	must(err)
	if out, stderr, code := harness.Run(t, []string{"AWS_ACCESS_KEY_ID=" + p.accessKey, "AWS_SECRET_ACCESS_KEY=" + p.secret},
		"wait", *a.ApiId, "prod", "--endpoint-url", p.control, "--timeout", patience.String()); code != 0 {
		t.Fatal(out + stderr)
	}
	return *a.ApiId
}

// post pushes to a connection and returns the status.
func (p person) post(t *testing.T, id string) int {
	t.Helper()
	c := apigatewaymanagementapi.New(apigatewaymanagementapi.Options{BaseEndpoint: aws.String(p.control + "/prod"), Region: region, Credentials: p.credentials(), Retryer: aws.NopRetryer{}})
	_, err := c.PostToConnection(t.Context(), &apigatewaymanagementapi.PostToConnectionInput{ConnectionId: &id, Data: []byte("x")})
	var answered *awshttp.ResponseError
	switch {
	case err == nil:
		return 200
	case errors.As(err, &answered):
		return answered.HTTPStatusCode()
	}
	t.Fatal(err)
	return 0
}

// connect opens connections, one by one, and returns their ids. Each has a user agent that tells it from the others.
func (h *hook) connect(t *testing.T, url string, agents ...string) (ids []string) {
	t.Helper()
	for _, agent := range agents {
		c, _, err := websocket.DefaultDialer.DialContext(t.Context(), url, http.Header{"User-Agent": {agent}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		e := h.next(t, "CONNECT")
		if e.RequestContext.Identity.UserAgent != agent {
			t.Fatalf("%+v", e)
		}
		ids = append(ids, e.RequestContext.ConnectionID)
	}
	return ids
}

// gone posts to connections of a dead node until they are known to be gone; before, nobody may say so.
func (p person) gone(t *testing.T, ids []string) {
	t.Helper()
	unknown := 0
	for _, id := range ids {
		deadline := time.Now().Add(patience)
		for {
			status := p.post(t, id)
			if status == http.StatusGone {
				break
			}
			if status != http.StatusServiceUnavailable {
				t.Fatalf("a push to a connection of a dead node: %d", status)
			}
			if time.Now().After(deadline) {
				t.Fatal("the connection is not gone")
			}
			unknown++
			time.Sleep(50 * time.Millisecond)
		}
	}
	if unknown == 0 {
		t.Error("a connection is said to be gone while its node's lease lives")
	}
	t.Logf("%d pushes were answered 503, then 410", unknown)
}

// lost waits for the end of each connection; nothing else may end.
func (h *hook) lost(t *testing.T, ids []string) {
	t.Helper()
	missing := slices.Clone(ids)
	for len(missing) > 0 {
		e := h.next(t, "DISCONNECT").RequestContext
		i := slices.Index(missing, e.ConnectionID)
		if i < 0 || e.DisconnectStatusCode != 1006 || e.DisconnectReason != "" || e.Stage != "prod" || e.DomainName == "" || !strings.HasPrefix(e.Identity.UserAgent, "agent-") {
			t.Fatalf("%+v of %v", e, missing)
		}
		missing = slices.Delete(missing, i, i+1)
	}
}

// once sees that no end was told again.
func (h *hook) once(t *testing.T) {
	t.Helper()
	for len(h.events) > 0 {
		if e := <-h.events; e.RequestContext.EventType == "DISCONNECT" {
			t.Errorf("told again: %+v", e)
		}
	}
}

// fields are the length-delimited fields of a protobuf message; of a number only that it is there.
func fields(b []byte) map[uint64][][]byte {
	out := map[uint64][][]byte{}
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		b = b[max(n, 0):]
		value, n := binary.Uvarint(b)
		if n <= 0 {
			return out
		}
		b = b[n:]
		if tag&7 == 2 && value <= uint64(len(b)) {
			out[tag>>3] = append(out[tag>>3], b[:value])
			b = b[value:]
		} else if tag&7 == 0 {
			out[tag>>3] = append(out[tag>>3], nil)
		}
	}
	return out
}

// journal reads the stream: the handoff of each connection that opened, by id, in the form of wsconn/v1/wsconn.proto, and
// the messages that say that nothing is left to do.
func journal(ctx context.Context, t *testing.T, nc *nats.Conn) (opened map[string]map[uint64][][]byte, finished int) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(ctx, "limen_wsconn_journal")
	if err != nil {
		return nil, 0 // nobody has written yet
	}
	opened = map[string]map[uint64][][]byte{}
	state := stream.CachedInfo().State
	for n := state.FirstSeq; n <= state.LastSeq; n++ {
		m, err := stream.GetMsg(ctx, n)
		if err != nil {
			continue // it was taken away meanwhile
		}
		if len(fields(m.Data)[3]) > 0 {
			finished++
		}
		for _, entry := range fields(m.Data)[1] {
			for _, handoff := range fields(entry)[1] {
				f := fields(handoff)
				opened[string(f[1][0])] = f
			}
		}
	}
	return opened, finished
}

// recorded waits until each connection stands in the stream with all that its end needs.
func recorded(t *testing.T, nc *nats.Conn, ids []string, account, api string, agents []string) {
	t.Helper()
	var opened map[string]map[uint64][][]byte
	missing := func(id string) bool { return opened[id] == nil }
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if opened, _ = journal(t.Context(), t, nc); !slices.ContainsFunc(ids, missing) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("of %v only %v are recorded", ids, opened)
		}
	}
	for i, id := range ids {
		f := opened[id]
		want := []string{1: id, 2: account, 3: region, 4: api, 5: "prod", 7: "127.0.0.1", 8: agents[i]}
		for n, text := range want {
			if text != "" && (len(f[uint64(n)]) != 1 || string(f[uint64(n)][0]) != text) {
				t.Errorf("field %d of the record of %s is %q, want %q", n, id, f[uint64(n)], text)
			}
		}
		if len(f[10]) != 1 || len(fields(f[10][0])[2]) != 1 {
			t.Errorf("the record of %s has no session with the domain name: %q", id, f[10])
		}
	}
}

// sockets is a cluster in which each part of a WebSocket API is a process of its own.
type sockets struct {
	person
	hook  *hook
	edge  *process
	nodes []*process
	urls  []string
	nats  *nats.Conn
}

func startSockets(t *testing.T, nodes int) *sockets {
	t.Helper()
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys")
	if err := os.WriteFile(keys, []byte(account+" "+accessKey+" "+secretKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	at := ports(t, 5+nodes)
	s := &sockets{hook: newHook(t), person: person{account, accessKey, secretKey, "http://" + at[0]}}
	control := server(t, keys, filepath.Join(dir, "control"), "etcd,nats,admin,functions",
		"admin.listen="+at[0], "admin.grpc_listen="+at[1], "functions.listen="+at[2], "nats.listen="+at[3])
	control.args = append(control.args, "--config", s.hook.settings(t, dir))
	control.start()
	s.edge = server(t, keys, filepath.Join(dir, "edge"), "edge", "edge.listen=127.0.0.1:0", "edge.grpc_listen="+at[4], "admin_address="+at[1], "edge.functions_url=http://"+at[2])
	s.edge.start()
	for i := range nodes {
		n := server(t, keys, filepath.Join(dir, fmt.Sprintf("wsconn%d", i)), "wsconn", "wsconn.listen="+at[5+i], "wsconn.edge_address="+at[4], "nats.url=nats://"+at[3])
		n.start()
		s.nodes, s.urls = append(s.nodes, n), append(s.urls, "ws://"+at[5+i]+"/_aws/execute-api/")
	}
	var err error
	if s.nats, err = nats.Connect("nats://" + at[3]); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.nats.Close)
	return s
}

var agents = []string{"agent-a", "agent-b", "agent-c", "agent-d", "agent-e"}

// TestKilledNodeLosesNoDisconnect kills the owner of open connections: pushes to them are answered 503 while its lease
// lives, then 410; every connection stands in the stream, and another node tells its end, once.
func TestKilledNodeLosesNoDisconnect(t *testing.T) {
	s := startSockets(t, 2)
	api := s.socketAPI(t)
	ids := s.hook.connect(t, s.urls[0]+api+"/prod", agents...)
	alive := s.hook.connect(t, s.urls[1]+api+"/prod", "agent-alive")
	recorded(t, s.nats, append(slices.Clone(ids), alive...), account, api, append(slices.Clone(agents), "agent-alive"))
	if status := s.post(t, ids[0]); status != http.StatusOK {
		t.Fatalf("before: %d", status)
	}
	s.nodes[0].kill()
	s.gone(t, ids)
	s.hook.lost(t, ids)
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if _, finished := journal(t.Context(), t, s.nats); finished == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the journal of the dead node is not brought to its end")
		}
	}
	if status := s.post(t, alive[0]); status != http.StatusOK {
		t.Errorf("a connection of the survivor: %d", status)
	}
	s.hook.once(t)
}

// TestTerminatedNodeSaysGoodbye: SIGTERM closes every connection with 1001 and tells its end before the process is gone.
func TestTerminatedNodeSaysGoodbye(t *testing.T) {
	s := startSockets(t, 1)
	api := s.socketAPI(t)
	var clients []*websocket.Conn
	for range 20 {
		c, _, err := websocket.DefaultDialer.DialContext(t.Context(), s.urls[0]+api+"/prod", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s.hook.next(t, "CONNECT")
		clients = append(clients, c)
	}
	s.nodes[0].signal(syscall.SIGTERM)
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() {
			_ = c.SetReadDeadline(time.Now().Add(patience))
			if _, _, err := c.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
				t.Errorf("the client sees %v", err)
			}
		})
	}
	all.Wait()
	<-s.nodes[0].done
	if code := s.nodes[0].cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	ends := 0
	for len(s.hook.events) > 0 {
		if e := (<-s.hook.events).RequestContext; e.EventType == "DISCONNECT" && e.DisconnectStatusCode == 1001 && e.DisconnectReason == "Going away" {
			ends++
		}
	}
	if ends != len(clients) {
		t.Errorf("%d of %d ends were told", ends, len(clients))
	}
}

// TestKilledProcessTellsAfterItsRestart is the same for one process that plays every role: it finds its own dead past.
func TestKilledProcessTellsAfterItsRestart(t *testing.T) {
	h, dir := newHook(t), t.TempDir()
	natsAt := ports(t, 1)[0]
	l := harness.Start(t, harness.Options{Args: []string{"--config", h.settings(t, dir), "--set", "nats.listen=" + natsAt}})
	p := person{l.Keys[0].Account, l.Keys[0].AccessKeyID, l.Keys[0].SecretAccessKey, l.URL}
	api := p.socketAPI(t)
	nc, err := nats.Connect("nats://"+natsAt, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	ids := h.connect(t, strings.Replace(l.URL, "http", "ws", 1)+"/_aws/execute-api/"+api+"/prod", agents...)
	recorded(t, nc, ids, p.account, api, agents)
	l.Kill()
	l.Restart()
	p.gone(t, ids)
	h.lost(t, ids)
	h.once(t)
}
