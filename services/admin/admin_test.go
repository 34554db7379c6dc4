package admin_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/goleak"

	"github.com/limen-gateway/limen/core/sigv4"
	"github.com/limen-gateway/limen/platform/etcdtest"
	"github.com/limen-gateway/limen/platform/rootkeys"
	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/seal"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	"github.com/limen-gateway/limen/services/admin"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	alice = rootkeys.Key{Account: "111111111111", AccessKeyID: "AKIAALICE00000000000", SecretAccessKey: "alice-secret"}
	bob   = rootkeys.Key{Account: "222222222222", AccessKeyID: "AKIABOB0000000000000", SecretAccessKey: "bob-secret"}
)

// masterKey seals the secrets of every plane, so that one can be started again over the same store.
var masterKey = func() *seal.Keyring {
	k, err := seal.Parse(seal.NewKey())
	if err != nil {
		panic(err)
	}
	return k
}()

// plane is a control plane over a real etcd, with its REST face on a real socket.
type plane struct {
	t      *testing.T
	url    string
	server *rpc.Server
	etcd   *clientv3.Client
}

func newPlane(t *testing.T) *plane {
	t.Helper()
	etcd := etcdtest.Start(t)
	return startPlane(t, etcd.Client)
}

func startPlane(t *testing.T, client *clientv3.Client, more ...rootkeys.Key) *plane {
	t.Helper()
	return sealedPlane(t, client, masterKey, more...)
}

func sealedPlane(t *testing.T, client *clientv3.Client, master *seal.Keyring, more ...rootkeys.Key) *plane {
	t.Helper()
	s, err := admin.New(admin.Config{}, admin.Deps{
		Etcd: client, RootKeys: append([]rootkeys.Key{alice, bob}, more...), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Seal: master, Edges: func(string) (edgev1.EdgeClient, error) { return nil, io.EOF },
		Metering: ledger{},
	})
	if err != nil {
		t.Fatal(err)
	}
	server := rpc.NewServer(rpc.Config{Tables: rpc.House(), Unary: s.Interceptors()})
	s.Register(server)
	web := httptest.NewServer(s.Handler(server.Local(rpc.Admin)))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- server.Serve(ctx) }()
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		web.Close()
		cancel()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		http.DefaultClient.CloseIdleConnections()
	})
	<-s.Ready()
	return &plane{t, web.URL, server, client}
}

type reply struct {
	status int
	header http.Header
	body   map[string]any
	text   string
}

// call signs and sends one request; body is JSON text or "".
func (p *plane) call(key rootkeys.Key, method, target, body string) reply {
	p.t.Helper()
	req, err := http.NewRequest(method, p.url+target, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	signed := &sigv4.Request{Method: method, Path: req.URL.EscapedPath(), RawQuery: req.URL.RawQuery,
		Headers: []sigv4.Header{{Name: "Host", Value: req.URL.Host}}, BodySHA256: sha256.Sum256([]byte(body))}
	for _, h := range sigv4.Sign(signed, sigv4.Credentials{AccessKey: key.AccessKeyID, Secret: key.SecretAccessKey},
		sigv4.Scope{Region: "us-east-1", Service: "apigateway"}, time.Now()) {
		req.Header.Set(h.Name, h.Value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	r := reply{res.StatusCode, res.Header, nil, string(text)}
	_ = json.NewDecoder(bytes.NewReader(text)).Decode(&r.body)
	return r
}

// must is call for what has to succeed.
func (p *plane) must(key rootkeys.Key, method, target, body string) map[string]any {
	p.t.Helper()
	r := p.call(key, method, target, body)
	if r.status >= 300 {
		p.t.Fatalf("%s %s: %d %s", method, target, r.status, r.text)
	}
	return r.body
}

func (r reply) want(t *testing.T, status int, name, message string) {
	t.Helper()
	got, _ := r.body["message"].(string)
	if r.status != status || r.header.Get("x-amzn-ErrorType") != name || got != message {
		t.Errorf("got %d %s %q\nwant %d %s %q", r.status, r.header.Get("x-amzn-ErrorType"), got, status, name, message)
	}
}

// patch sends one patch operation.
func (p *plane) patch(target, op, path, value string) reply {
	p.t.Helper()
	body, err := json.Marshal(map[string]any{"patchOperations": []map[string]any{{"op": op, "path": path, "value": value}}})
	if err != nil {
		p.t.Fatal(err)
	}
	return p.call(alice, "PATCH", target, string(body))
}

// same compares an answer with JSON text, whole.
func (r reply) same(t *testing.T, status int, want string) {
	t.Helper()
	var parsed map[string]any
	if err := json.Unmarshal([]byte(want), &parsed); err != nil {
		t.Fatal(err)
	}
	if r.status != status || !reflect.DeepEqual(r.body, parsed) {
		t.Errorf("got %d %s\nwant %d %s", r.status, r.text, status, want)
	}
}

// method makes an API with one MOCK method on its root and returns the API's path.
func (p *plane) method(key rootkeys.Key) string {
	p.t.Helper()
	api := p.must(key, "POST", "/restapis", `{"name":"a"}`)
	path := "/restapis/" + api["id"].(string)
	method := path + "/resources/" + api["rootResourceId"].(string) + "/methods/GET"
	p.must(key, "PUT", method, `{"authorizationType":"NONE"}`)
	p.must(key, "PUT", method+"/integration", `{"type":"MOCK","requestTemplates":{"application/json":"{\"statusCode\": 200}"}}`)
	return path
}

func TestRestAPI(t *testing.T) {
	p := newPlane(t)
	api := p.must(alice, "POST", "/restapis", `{"name":"pets","tags":{"a":"b"}}`)
	id := api["id"].(string)
	if len(id) != 10 || api["apiKeySource"] != "HEADER" || api["apiStatus"] != "AVAILABLE" {
		t.Errorf("defaults: %v", api)
	}
	items := p.must(alice, "GET", "/restapis/"+id+"/resources", "")["item"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["path"] != "/" {
		t.Errorf("a fresh API has its root resource: %v", items)
	}
	p.call(alice, "PATCH", "/restapis/"+id, `{"patchOperations":[{"op":"replace","path":"/name","value":"cats"}]}`)
	if got := p.must(alice, "GET", "/restapis/"+id, ""); got["name"] != "cats" {
		t.Errorf("patched name: %v", got)
	}
	p.call(alice, "DELETE", "/restapis/"+id, "")
	p.call(alice, "GET", "/restapis/"+id, "").want(t, 404, "NotFoundException", "Invalid API identifier specified 111111111111:"+id)
}

func TestAccountsDoNotSeeEachOther(t *testing.T) {
	p := newPlane(t)
	path := p.method(alice)
	p.call(bob, "GET", path, "").want(t, 404, "NotFoundException", "Invalid API identifier specified 222222222222:"+path[len("/restapis/"):])
	if items := p.must(bob, "GET", "/restapis", "")["item"].([]any); len(items) != 0 {
		t.Errorf("the other account's list holds %v", items)
	}
	p.call(bob, "POST", path+"/deployments", `{"stageName":"x"}`).want(t, 404, "NotFoundException", "Invalid API identifier specified 222222222222:"+path[len("/restapis/"):])
	p.call(bob, "DELETE", path, "").want(t, 404, "NotFoundException", "Invalid API identifier specified 222222222222:"+path[len("/restapis/"):])
}

func TestDeployment(t *testing.T) {
	p := newPlane(t)
	api := p.must(alice, "POST", "/restapis", `{"name":"a"}`)
	empty := "/restapis/" + api["id"].(string)
	p.call(alice, "POST", empty+"/deployments", `{"stageName":"prod"}`).want(t, 400, "BadRequestException", "The REST API doesn't contain any methods")

	path := p.method(alice)
	r := p.call(alice, "POST", path+"/deployments", `{"stageName":"prod","description":""}`)
	if r.status != 201 || r.header.Get("x-limen-revision") == "" {
		t.Fatalf("%d %s %v", r.status, r.text, r.header)
	}
	stage := p.must(alice, "GET", path+"/stages/prod", "")
	if stage["deploymentId"] != r.body["id"] || stage["cacheClusterStatus"] != "NOT_AVAILABLE" {
		t.Errorf("stage %v", stage)
	}
	p.call(alice, "DELETE", path+"/deployments/"+r.body["id"].(string), "").want(t, 400, "BadRequestException", "Active stages pointing to this deployment must be moved or deleted")
	d := p.must(alice, "GET", path+"/deployments/"+r.body["id"].(string)+"?embed=apisummary", "")
	if _, ok := d["apiSummary"].(map[string]any)["/"]; !ok {
		t.Errorf("summary: %v", d)
	}
}

func TestNotBuilt(t *testing.T) {
	p := newPlane(t)
	p.call(alice, "GET", "/v2/vpclinks", "").want(t, 501, "NotImplementedException", "GetVpcLinks is not implemented yet")
}

func TestPages(t *testing.T) {
	p := newPlane(t)
	for range 5 {
		p.must(alice, "POST", "/restapis", `{"name":"a"}`)
	}
	seen := map[string]bool{}
	position := ""
	for range 10 {
		page := p.must(alice, "GET", "/restapis?limit=2"+position, "")
		for _, item := range page["item"].([]any) {
			seen[item.(map[string]any)["id"].(string)] = true
		}
		token, _ := page["position"].(string)
		if token == "" {
			break
		}
		for id := range seen { // deleting what a token names does not break the next page
			p.call(alice, "DELETE", "/restapis/"+id, "")
		}
		position = "&position=" + token
	}
	if len(seen) != 5 {
		t.Errorf("pages showed %d of 5", len(seen))
	}
	p.call(alice, "GET", "/restapis?position=bogus", "").want(t, 400, "BadRequestException", "Invalid position parameter")
}
