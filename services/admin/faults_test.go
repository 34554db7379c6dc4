package admin_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/core/sigv4"
	"github.com/limen-gateway/limen/platform/etcdtest"
	"github.com/limen-gateway/limen/platform/rootkeys"
	"github.com/limen-gateway/limen/platform/rpc"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
)

const (
	// patience is the deadline of a client's call: well below what AWS's clients wait.
	patience = 20 * time.Second
	// recovery is how soon calls succeed again once the store is back.
	recovery = 30 * time.Second
)

// try signs and sends one request under the client's deadline; unlike call it may be used by any goroutine.
func (p *plane) try(ctx context.Context, key rootkeys.Key, method, target, body string) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, p.url+target, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	signed := &sigv4.Request{Method: method, Path: req.URL.EscapedPath(), RawQuery: req.URL.RawQuery,
		Headers: []sigv4.Header{{Name: "Host", Value: req.URL.Host}}, BodySHA256: sha256.Sum256([]byte(body))}
	for _, h := range sigv4.Sign(signed, sigv4.Credentials{AccessKey: key.AccessKeyID, Secret: key.SecretAccessKey},
		sigv4.Scope{Region: "us-east-1", Service: "apigateway"}, time.Now()) {
		req.Header.Set(h.Name, h.Value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	r := reply{res.StatusCode, res.Header, nil, string(text)}
	_ = json.NewDecoder(bytes.NewReader(text)).Decode(&r.body)
	return r, err
}

// unavailable tells whether an answer is AWS's for a service that is away.
func (r reply) unavailable() bool {
	return r.status == http.StatusServiceUnavailable && r.header.Get("x-amzn-ErrorType") == "ServiceUnavailableException" &&
		r.body["message"] == "Service Unavailable"
}

// overtaken tells whether others changed the same at once for too long, which AWS's clients send again.
func (r reply) overtaken() bool {
	return r.status == http.StatusConflict && strings.Contains(r.text, "due to concurrent modification")
}

// until tries a call until it succeeds, for as long as a recovery may take.
func (p *plane) until(method, target, body string) reply {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), recovery)
	defer cancel()
	for {
		r, err := p.try(ctx, alice, method, target, body)
		switch {
		case err != nil:
			p.t.Fatalf("%s %s does not come back: %v", method, target, err)
		case r.status < 300:
			return r
		case !r.unavailable() && !r.overtaken():
			p.t.Fatalf("%s %s: %d %s", method, target, r.status, r.text)
		}
	}
}

// paths is so many that an import is written as a generation, in more than one transaction.
const paths = 120

func importBody(title string) string {
	var b strings.Builder
	for i := range paths {
		fmt.Fprintf(&b, `,"/p%d":{"get":{"responses":{"200":{"description":"ok"}},"x-amazon-apigateway-integration":{"type":"mock"}}}`, i)
	}
	return fmt.Sprintf(`{"openapi":"3.0.1","info":{"title":%q,"version":"1"},"paths":{%s}}`, title, b.String()[1:])
}

// busy lets clients write until stop: one creates and deletes APIs, one imports, one deploys. They accept success and AWS's
// answers for a service that is away and for an API that is changed from too many sides, nothing else.
func (p *plane) busy(path string) (warm <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(p.t.Context())
	var all sync.WaitGroup
	var began sync.WaitGroup
	client := func(work func(do func(method, target, body string) map[string]any)) {
		began.Add(1)
		first := sync.OnceFunc(began.Done)
		all.Go(func() {
			defer first()
			for ctx.Err() == nil {
				work(func(method, target, body string) map[string]any {
					r, err := p.try(ctx, alice, method, target, body)
					if ctx.Err() != nil {
						return nil
					}
					if err != nil || r.status >= 300 && !r.unavailable() && !r.overtaken() && r.status != http.StatusTooManyRequests {
						p.t.Errorf("%s %s: %v %d %s", method, target, err, r.status, r.text)
					}
					return r.body
				})
				first()
			}
		})
	}
	client(func(do func(method, target, body string) map[string]any) {
		if id, ok := do("POST", "/restapis", `{"name":"made"}`)["id"].(string); ok {
			do("GET", "/restapis/"+id+"/resources", "")
		}
	})
	client(func(do func(method, target, body string) map[string]any) {
		do("POST", "/restapis?mode=import", importBody("imported"))
	})
	client(func(do func(method, target, body string) map[string]any) {
		do("POST", path+"/deployments", `{"stageName":"live"}`)
	})
	done := make(chan struct{})
	go func() { began.Wait(); close(done) }()
	return done, func() { cancel(); all.Wait(); <-done }
}

// whole checks that no API is half there.
func (p *plane) whole() (made, imported int) {
	p.t.Helper()
	position := ""
	for {
		page := p.must(alice, "GET", "/restapis?limit=500"+position, "")
		for _, item := range page["item"].([]any) {
			api := item.(map[string]any)
			resources := p.must(alice, "GET", "/restapis/"+api["id"].(string)+"/resources?limit=500&embed=methods", "")["item"].([]any)
			switch name := api["name"]; name {
			case "made":
				made++
				if len(resources) != 1 || resources[0].(map[string]any)["path"] != "/" {
					p.t.Errorf("a created API is half there: %v", resources)
				}
			case "imported":
				imported++
				methods := 0
				for _, r := range resources {
					m, _ := r.(map[string]any)["resourceMethods"].(map[string]any)
					methods += len(m)
				}
				if len(resources) != paths+1 || methods != paths {
					p.t.Errorf("an imported API has %d resources and %d methods", len(resources), methods)
				}
			}
		}
		token, _ := page["position"].(string)
		if token == "" {
			return made, imported
		}
		position = "&position=" + token
	}
}

func TestCallsWhileTheStoreIsAway(t *testing.T) {
	faults := []struct {
		name       string
		take, give func(*testing.T, *etcdtest.Server)
	}{
		{"connection cut", func(_ *testing.T, s *etcdtest.Server) { s.Proxy.Cut() }, func(t *testing.T, s *etcdtest.Server) { s.Proxy.Restore(t) }},
		{"host paused", func(_ *testing.T, s *etcdtest.Server) { s.Proxy.Pause() }, func(_ *testing.T, s *etcdtest.Server) { s.Proxy.Resume() }},
		{"process killed", func(_ *testing.T, s *etcdtest.Server) { s.Kill() }, func(t *testing.T, s *etcdtest.Server) { s.Restart(t) }},
	}
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			etcd := etcdtest.Start(t)
			p := startPlane(t, etcd.Client)
			path := p.method(alice)
			warm, stop := p.busy(path)
			<-warm
			f.take(t, etcd)
			var slowest atomic.Int64
			var all sync.WaitGroup
			for _, c := range [][3]string{
				{"GET", "/restapis", ""}, {"GET", path, ""}, {"POST", "/restapis", `{"name":"made"}`}, {"DELETE", path, ""},
				{"PUT", path, importBody("imported")}, {"POST", path + "/deployments", `{"stageName":"live"}`},
				{"POST", "/apikeys", `{"name":"k"}`}, {"POST", "/_limen/v1/wait", `{"revision":"1","timeoutMillis":"1000"}`},
			} {
				all.Go(func() {
					began := time.Now()
					r, err := p.try(t.Context(), alice, c[0], c[1], c[2])
					if err != nil || !r.unavailable() {
						t.Errorf("%s %s while the store is away: %v %d %s", c[0], c[1], err, r.status, r.text)
					}
					for took := int64(time.Since(began)); ; {
						if old := slowest.Load(); took <= old || slowest.CompareAndSwap(old, took) {
							return
						}
					}
				})
			}
			all.Wait()
			f.give(t, etcd)
			began := time.Now()
			p.until("GET", path, "")
			p.until("POST", path+"/deployments", `{"stageName":"live"}`)
			back := time.Since(began)
			stop()
			made, imported := p.whole()
			if made == 0 || imported == 0 {
				t.Errorf("nothing was written: %d made, %d imported", made, imported)
			}
			t.Logf("refused within %v, back after %v, %d created and %d imported APIs whole", time.Duration(slowest.Load()), back, made, imported)
		})
	}
}

// follower is one Follow stream and what came over it.
type follower struct {
	t      *testing.T
	stream configv1.Config_FollowClient
	stop   context.CancelFunc
	at     *configv1.Position
}

// follow opens a stream of an edge that knows the state of a position; nil is a new one.
func (p *plane) follow(name string, at *configv1.Position) *follower {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), recovery)
	p.t.Cleanup(cancel)
	stream, err := configv1.NewConfigClient(p.server.Local(rpc.Edge)).Follow(ctx,
		&configv1.FollowRequest{Follower: name, Role: "edge", Epoch: at.GetEpoch(), Revision: at.GetRevision()})
	if err != nil {
		p.t.Fatal(err)
	}
	return &follower{t: p.t, stream: stream, stop: cancel}
}

// batch is what comes up to the next position: whether it begins with a welcome and whether that says full, and the stages
// named and deleted.
type batch struct {
	welcome, full   bool
	stages, deleted int
	contents        int
	over            bool
}

// event takes one event into a batch.
func (f *follower) event(b *batch) error {
	e, err := f.stream.Recv()
	if err != nil {
		return err
	}
	switch e := e.Event.(type) {
	case *configv1.FollowResponse_Welcome:
		b.welcome, b.full = true, e.Welcome.Full
	case *configv1.FollowResponse_Resource:
		switch {
		case e.Resource.Deleted:
			b.deleted++
		case e.Resource.GetContent() != nil:
			b.contents++
		default:
			b.stages++
		}
	case *configv1.FollowResponse_Position:
		b.over, f.at = true, e.Position
	}
	return nil
}

// next reads a batch that holds something.
func (f *follower) next() (b batch, err error) {
	for {
		if err := f.event(&b); err != nil {
			return b, err
		}
		if b.over {
			b.over = false
			if b != (batch{}) {
				return b, nil
			}
		}
	}
}

func (f *follower) want(want batch) {
	f.t.Helper()
	got, err := f.next()
	if err != nil || got != want {
		f.t.Fatalf("got %+v, %v, want %+v", got, err, want)
	}
}

// deploy deploys to a stage and waits until admin publishes it.
func (p *plane) deploy(path, stage string) {
	p.t.Helper()
	r := p.until("POST", path+"/deployments", `{"stageName":"`+stage+`"}`)
	p.published(r)
}

// published waits until admin hands out the revision that an answer carries.
func (p *plane) published(r reply) {
	p.t.Helper()
	revision, err := strconv.ParseInt(r.header.Get("x-limen-revision"), 10, 64)
	if err != nil {
		p.t.Fatalf("no revision: %d %s", r.status, r.text)
	}
	f := p.follow("onlooker", nil)
	defer f.stop()
	for f.at.GetRevision() < revision {
		if err := f.event(&batch{}); err != nil {
			p.t.Fatal(err)
		}
	}
}

func TestFollowersResumeWithWhatChanged(t *testing.T) {
	etcd := etcdtest.Start(t)
	p := startPlane(t, etcd.Client)
	path := p.method(alice)
	p.deploy(path, "a")
	f := p.follow("edge", nil)
	f.want(batch{welcome: true, full: true, stages: 1, contents: 1})

	// The stream outlives the store's absence, and goes on with what changed.
	etcd.Kill()
	if r, err := p.try(t.Context(), alice, "GET", path, ""); err != nil || !r.unavailable() {
		t.Errorf("the store is there: %v %d", err, r.status)
	}
	etcd.Restart(t)
	p.deploy(path, "b")
	f.want(batch{stages: 1})

	// A content that nobody published for a while is sent again: the follower has dropped it.
	api := p.must(alice, "GET", path, "")
	get := path + "/resources/" + api["rootResourceId"].(string) + "/methods/GET"
	first := p.must(alice, "GET", path+"/stages/a", "")["deploymentId"].(string)
	p.must(alice, "PUT", get+"/responses/200", `{}`)
	p.deploy(path, "a")
	f.want(batch{stages: 1, contents: 1})
	p.deploy(path, "b")
	f.want(batch{stages: 1})
	p.published(p.patch(path+"/stages/a", "replace", "/deploymentId", first))
	f.want(batch{stages: 1, contents: 1})

	// A stream that broke is resumed by its position.
	f.stop()
	p.deploy(path, "c")
	p.published(p.call(alice, "DELETE", path+"/stages/a", ""))
	f = p.follow("edge", f.at)
	f.want(batch{welcome: true, stages: 1, deleted: 1, contents: 1}) // this follower says that it keeps no content
}

// over waits for the end of a stream that can not go on, and follows anew from where it was.
func (p *plane) over(f *follower) *follower {
	p.t.Helper()
	for {
		b, err := f.next()
		if err == nil {
			p.t.Logf("before the end: %+v", b)
			continue
		}
		if status.Code(err) != codes.Unavailable {
			p.t.Fatalf("the stream ended with %v", err)
		}
		f.stop()
		return p.follow("edge", f.at)
	}
}

func TestFollowersReadEverythingAfterACompaction(t *testing.T) {
	etcd := etcdtest.Start(t)
	p := startPlane(t, etcd.Client)
	path := p.method(alice)
	p.deploy(path, "a")
	p.deploy(path, "b")
	f := p.follow("edge", nil)
	f.want(batch{welcome: true, full: true, stages: 2, contents: 1})

	etcd.Proxy.Cut()
	local := etcd.Local(t)
	keys, err := local.Get(t.Context(), "/limen/us-east-1/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range keys.Kvs {
		if key := string(kv.Key); strings.Contains(key, "/stages/") && strings.HasSuffix(key, "/b") {
			if _, err := local.Delete(t.Context(), key); err != nil {
				t.Fatal(err)
			}
		}
	}
	last, err := local.Put(t.Context(), "/limen/elsewhere", "1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := local.Compact(t.Context(), last.Header.Revision); err != nil {
		t.Fatal(err)
	}
	etcd.Proxy.Restore(t)
	f = p.over(f)
	f.want(batch{welcome: true, full: true, stages: 1, contents: 1})
}

// TestFollowersReadEverythingFromARestoredStore: the store comes back with an older state, as from a backup, under an admin
// that goes on running.
func TestFollowersReadEverythingFromARestoredStore(t *testing.T) {
	etcd := etcdtest.Start(t)
	p := startPlane(t, etcd.Client)
	path := p.method(alice)
	p.deploy(path, "kept")
	etcd.Kill()
	backup := t.TempDir()
	if err := os.CopyFS(backup, os.DirFS(etcd.DataDir())); err != nil {
		t.Fatal(err)
	}
	etcd.Restart(t)
	p.deploy(path, "lost")
	f := p.follow("edge", nil)
	f.want(batch{welcome: true, full: true, stages: 2, contents: 1})

	etcd.Kill()
	if err := os.RemoveAll(etcd.DataDir()); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(etcd.DataDir(), os.DirFS(backup)); err != nil {
		t.Fatal(err)
	}
	etcd.Restart(t)
	epoch := f.at.Epoch
	f = p.over(f)
	f.want(batch{welcome: true, full: true, stages: 1, contents: 1})
	if f.at.Epoch == epoch {
		t.Error("the restored store has the epoch of the lost one")
	}
	p.deploy(path, "new")
	f.want(batch{stages: 1})
}

// TestAnyAdminTakesAReport: a follower's stream goes to one admin, its reports to whichever comes next.
func TestAnyAdminTakesAReport(t *testing.T) {
	etcd := etcdtest.Start(t)
	one, other := startPlane(t, etcd.Client), startPlane(t, etcd.Client)
	f := one.follow("edge-1", nil)
	f.want(batch{welcome: true, full: true})
	reports := configv1.NewConfigClient(other.server.Local(rpc.Edge))
	if _, err := reports.Report(t.Context(), &configv1.ReportRequest{Follower: "edge-1", Role: "edge", Revision: 1 << 40}); err != nil {
		t.Fatal(err)
	}
	for _, p := range []*plane{one, other} {
		r := p.call(alice, "POST", "/_limen/v1/wait", `{"revision":"1000","timeoutMillis":"1000"}`)
		if r.body["serving"] != 1.0 || r.body["edges"] != 1.0 {
			t.Errorf("%d %s", r.status, r.text)
		}
	}
	_, err := reports.Report(t.Context(), &configv1.ReportRequest{Follower: "edge-2", Role: "edge"})
	if status.Code(err) != codes.NotFound {
		t.Errorf("a report of nobody: %v", err)
	}
}
