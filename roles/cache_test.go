package roles

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/proxytest"
	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/snapshots"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	cachev1 "github.com/limen-gateway/limen/proto/cache/v1"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/cache"
	"github.com/limen-gateway/limen/services/edge"
)

// cachedWorld is an edge, the real cache, and a backend that counts its calls. The API has /pets with the key parameter
// q, /traced whose integration is not a proxy, and the same backend behind both.
type cachedWorld struct {
	t       testing.TB
	edge    *edge.Service
	url     string
	proxy   *proxytest.Proxy // between edge and cache; nil in one process
	now     atomic.Int64     // seconds, the cache's clock
	calls   atomic.Int64
	backend atomic.Pointer[http.HandlerFunc] // nil answers with the number of the call
	client  *http.Client
	stage   *snapshotv1.Stage
	content []byte
}

func eachCached(t *testing.T, test func(*testing.T, *cachedWorld)) {
	for _, transport := range []string{"local", "tcp"} {
		t.Run(transport, func(t *testing.T) { test(t, newCachedWorld(t, transport == "tcp", patient)) })
	}
}

// patient waits for a slow machine's cache; only a test that takes the cache away does without.
var patient = edge.Config{NearCacheBytes: 1, CacheTimeout: 20 * time.Second}

func newCachedWorld(t testing.TB, tcp bool, config edge.Config) *cachedWorld {
	t.Helper()
	w := &cachedWorld{t: t}
	w.now.Store(1_000_000)
	w.start(w.cache(tcp), config)
	return w
}

// cache runs a cache and makes the edge's connection to it.
func (w *cachedWorld) cache(tcp bool) grpc.ClientConnInterface {
	w.t.Helper()
	service, err := cache.New(cache.Config{}, cache.Deps{Now: func() time.Time { return time.Unix(w.now.Load(), 0) }})
	if err != nil {
		w.t.Fatal(err)
	}
	server := rpc.NewServer(rpc.Config{Tables: rpc.House(), TrustClaims: true})
	service.Register(server)
	if !tcp {
		runs(w.t, func(ctx context.Context) error { return server.Serve(ctx) })
		return server.Local(rpc.Edge)
	}
	l := listen(w.t)
	runs(w.t, func(ctx context.Context) error { return server.Serve(ctx, l) })
	w.proxy = proxytest.New(w.t, func() (string, string) { return "tcp", l.Addr().String() })
	return dialAll(w.t, w.proxy.Addr())
}

// runs runs what ends with the test, before what it uses.
func runs(t testing.TB, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// start runs a backend and an edge that has the cache behind conn.
func (w *cachedWorld) start(conn grpc.ClientConnInterface, config edge.Config) {
	w.t.Helper()
	w.client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	backend := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		n := w.calls.Add(1)
		if answer := w.backend.Load(); answer != nil {
			(*answer)(rw, r)
			return
		}
		rw.Header().Set("X-Call", strconv.FormatInt(n, 10))
		_, _ = fmt.Fprintf(rw, "call %d", n)
	}))
	w.t.Cleanup(backend.Close)
	l := listen(w.t)
	w.url = "http://" + l.Addr().String() + "/_aws/execute-api/a1b2c3d4e5/prod"
	var err error
	if w.edge, err = edge.New(config, edge.Deps{Cache: cachev1.NewCacheClient(conn), Sockets: []edge.Socket{{Listener: l}}, Log: slog.New(slog.DiscardHandler)}); err != nil {
		w.t.Fatal(err)
	}
	runs(w.t, w.edge.Run)
	w.deploy(backend.URL)
	w.publish(func(*snapshotv1.Stage) {})
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (w *cachedWorld) deploy(backend string) {
	method := func(kind, verb, path string) *apigatewayv1.Method {
		return &apigatewayv1.Method{HttpMethod: proto.String(verb), AuthorizationType: proto.String("NONE"),
			MethodResponses: &apigatewayv1.MethodResponseMap{Entries: map[string]*apigatewayv1.MethodResponse{"200": {}}},
			MethodIntegration: &apigatewayv1.Integration{Type: proto.String(kind), HttpMethod: proto.String("GET"), Uri: proto.String(backend + path),
				CacheKeyParameters:   &apigatewayv1.StringList{Items: []string{"method.request.querystring.q"}},
				IntegrationResponses: &apigatewayv1.IntegrationResponseMap{Entries: map[string]*apigatewayv1.IntegrationResponse{"200": {StatusCode: proto.String("200")}}}}}
	}
	resource := func(path, kind string, verbs ...string) *apigatewayv1.Resource {
		r := &apigatewayv1.Resource{Id: proto.String("r" + path[1:]), Path: proto.String(path), ResourceMethods: &apigatewayv1.MethodMap{Entries: map[string]*apigatewayv1.Method{}}}
		for _, v := range verbs {
			r.ResourceMethods.Entries[v] = method(kind, v, path)
		}
		return r
	}
	d := &snapshotv1.Deployment{Account: "111111111111", Region: "us-east-1", ApiId: "a1b2c3d4e5", RestApi: &apigatewayv1.RestApi{Id: proto.String("a1b2c3d4e5")},
		Resources: []*apigatewayv1.Resource{resource("/any", "HTTP_PROXY", "ANY"), resource("/pets", "HTTP_PROXY", "GET", "POST"), resource("/traced", "HTTP", "GET")}}
	var err error
	if w.content, err = proto.Marshal(d); err != nil {
		w.t.Fatal(err)
	}
	sum := sha256.Sum256(w.content)
	w.stage = &snapshotv1.Stage{Account: d.Account, Region: d.Region, ApiId: d.ApiId, DeploymentHash: hex.EncodeToString(sum[:]),
		Stage: &apigatewayv1.Stage{StageName: proto.String("prod"), DeploymentId: proto.String("dep123"), CacheClusterEnabled: proto.Bool(true),
			MethodSettings: &apigatewayv1.MethodSettingMap{Entries: map[string]*apigatewayv1.MethodSetting{"*/*": {CachingEnabled: proto.Bool(true)}}}}}
}

// answers replaces what the backend does.
func (w *cachedWorld) answers(f http.HandlerFunc) { w.backend.Store(&f) }

// publish changes the live settings of the stage.
func (w *cachedWorld) publish(change func(*snapshotv1.Stage)) {
	w.stage = proto.Clone(w.stage).(*snapshotv1.Stage)
	change(w.stage)
	w.edge.Apply(snapshots.Update{Number: 1, Full: true, Content: func(string) ([]byte, bool) { return w.content, true },
		Changed: []*configv1.Resource{{Key: "prod", Body: &configv1.Resource_Stage{Stage: w.stage}}}})
}

// settings replaces the method settings of the stage.
func (w *cachedWorld) settings(entries map[string]*apigatewayv1.MethodSetting) {
	w.publish(func(s *snapshotv1.Stage) { s.Stage.MethodSettings.Entries = entries })
}

type cachedAnswer struct {
	status int
	header http.Header
	body   string
}

func (w *cachedWorld) call(verb, path string, header ...string) cachedAnswer {
	w.t.Helper()
	req, _ := http.NewRequest(verb, w.url+path, nil)
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	res, err := w.client.Do(req)
	if err != nil {
		w.t.Error(err)
		return cachedAnswer{}
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return cachedAnswer{res.StatusCode, res.Header, string(body)}
}

// expect calls and says which backend call must have made the answer.
func (w *cachedWorld) expect(n int, verb, path string, header ...string) cachedAnswer {
	w.t.Helper()
	a := w.call(verb, path, header...)
	if want := fmt.Sprintf("call %d", n); a.body != want || a.status != 200 {
		w.t.Errorf("%s %s: %d %q, want %q", verb, path, a.status, a.body, want)
	}
	return a
}

func (w *cachedWorld) explain(a cachedAnswer, part string) (text string) {
	w.t.Helper()
	r, err := w.edge.Explain(context.Background(), &edgev1.ExplainRequest{RequestId: a.header.Get("x-amzn-RequestId")})
	if err != nil || !strings.Contains(r.GetText(), part) {
		w.t.Errorf("the explanation lacks %q: %v %v", part, r.GetText(), err)
	}
	return r.GetText()
}

func TestCachedAnswerIsTheBackendsWithFreshIDs(t *testing.T) {
	eachCached(t, func(t *testing.T, w *cachedWorld) {
		first := w.expect(1, "GET", "/pets")
		w.explain(first, "not in the cache")
		w.explain(first, "the answer is kept for 300 s")
		second := w.expect(1, "GET", "/pets")
		w.explain(second, "answered from the cache with status 200")
		for _, name := range []string{"X-Call", "Content-Type", "x-amzn-Remapped-Content-Length"} {
			if got, want := second.header.Get(name), first.header.Get(name); got != want || want == "" {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		for _, name := range []string{"x-amzn-RequestId", "x-amz-apigw-id"} {
			if first.header.Get(name) == second.header.Get(name) {
				t.Errorf("%s is not fresh", name)
			}
		}
		first, second = w.expect(2, "GET", "/traced"), w.expect(2, "GET", "/traced")
		if a, b := first.header.Values("X-Amzn-Trace-Id"), second.header.Values("X-Amzn-Trace-Id"); len(a) != 1 || len(b) != 1 || a[0] == b[0] {
			t.Errorf("trace ids %v and %v", a, b)
		}
	})
}

func TestCacheKey(t *testing.T) {
	eachCached(t, func(t *testing.T, w *cachedWorld) {
		w.expect(1, "GET", "/pets?q=1")
		w.expect(2, "GET", "/pets?q=2")
		w.expect(3, "GET", "/pets?q=")
		w.expect(4, "GET", "/pets")
		w.expect(5, "GET", "/pets?q=1&q=2")
		w.expect(1, "GET", "/pets?other=x&q=1")
		w.expect(4, "GET", "/pets?other=x")
		w.expect(6, "POST", "/pets?q=1")
		w.expect(7, "POST", "/pets?q=1")
	})
}

func TestCacheSettingsAreLive(t *testing.T) {
	on := func(more ...func(*apigatewayv1.MethodSetting)) *apigatewayv1.MethodSetting {
		s := &apigatewayv1.MethodSetting{CachingEnabled: proto.Bool(true)}
		for _, change := range more {
			change(s)
		}
		return s
	}
	eachCached(t, func(t *testing.T, w *cachedWorld) {
		for i, form := range []string{"~1pets/POST", "pets/POST"} {
			w.settings(map[string]*apigatewayv1.MethodSetting{form: on()})
			w.publish(func(s *snapshotv1.Stage) { s.CacheEpoch++ })
			w.expect(3*i+1, "POST", "/pets")
			w.expect(3*i+1, "POST", "/pets")
			w.expect(3*i+2, "GET", "/pets")
			w.expect(3*i+3, "GET", "/pets")
		}
		w.settings(map[string]*apigatewayv1.MethodSetting{"*/*": on(), "pets/GET": {}})
		w.expect(7, "GET", "/pets")
		w.expect(8, "GET", "/pets")
		w.expect(9, "GET", "/any")
		w.expect(9, "GET", "/any")
		w.expect(10, "PUT", "/any")
		w.expect(11, "PUT", "/any")
		w.settings(map[string]*apigatewayv1.MethodSetting{"*/*": on(func(s *apigatewayv1.MethodSetting) { s.CacheTtlInSeconds = proto.Int32(0) })})
		w.expect(12, "GET", "/any")
		w.expect(13, "GET", "/any")
		w.publish(func(s *snapshotv1.Stage) { s.Stage.CacheClusterEnabled = proto.Bool(false) })
		w.expect(14, "GET", "/traced")
		w.expect(15, "GET", "/traced")
	})
}

func TestCachedAnswersRunOutAndAreFlushed(t *testing.T) {
	eachCached(t, func(t *testing.T, w *cachedWorld) {
		w.expect(1, "GET", "/pets")
		w.now.Add(299)
		w.expect(1, "GET", "/pets")
		w.now.Add(2)
		w.expect(2, "GET", "/pets")
		w.expect(2, "GET", "/pets")
		w.publish(func(s *snapshotv1.Stage) { s.CacheEpoch++ })
		w.expect(3, "GET", "/pets")
		w.expect(3, "GET", "/pets")
	})
}

func TestWhatIsCached(t *testing.T) {
	tests := []struct {
		name    string
		backend http.HandlerFunc
		status  int
		calls   int64 // after two requests
	}{
		{"a backend's refusal", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(429) }, 429, 1},
		{"a gateway's error is not", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 504, 2},
		{"the largest body", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1_048_000)) }, 200, 1},
		{"a larger one is not", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 1_048_577)) }, 200, 2},
	}
	eachCached(t, func(t *testing.T, w *cachedWorld) {
		for i, tt := range tests {
			w.answers(tt.backend)
			w.calls.Store(0)
			for range 2 {
				if a := w.call("GET", "/pets?q="+strconv.Itoa(i)); a.status != tt.status {
					t.Errorf("%s: status %d, want %d", tt.name, a.status, tt.status)
				}
			}
			if n := w.calls.Load(); n != tt.calls {
				t.Errorf("%s: %d calls, want %d", tt.name, n, tt.calls)
			}
		}
	})
}

func TestCacheControl(t *testing.T) {
	const warning = "199 Cache-control headers were ignored because the caller was unauthorized."
	setting := func(authorize bool, strategy string) map[string]*apigatewayv1.MethodSetting {
		return map[string]*apigatewayv1.MethodSetting{"*/*": {CachingEnabled: proto.Bool(true), RequireAuthorizationForCacheControl: &authorize, UnauthorizedCacheControlHeaderStrategy: &strategy}}
	}
	eachCached(t, func(t *testing.T, w *cachedWorld) {
		w.expect(1, "GET", "/pets")
		ignored := w.expect(1, "GET", "/pets", "Cache-Control", "no-store, Max-Age=0")
		if got := ignored.header.Get("Warning"); got != warning {
			t.Errorf("by default the warning is %q", got)
		}
		w.explain(ignored, "SUCCEED_WITH_RESPONSE_HEADER")
		w.settings(setting(true, "SUCCEED_WITHOUT_RESPONSE_HEADER"))
		if got := w.expect(1, "GET", "/pets", "Cache-Control", "max-age=0").header.Get("Warning"); got != "" {
			t.Errorf("warning %q", got)
		}
		w.settings(setting(true, "FAIL_WITH_403"))
		refused := w.call("GET", "/pets", "Cache-Control", "max-age=0")
		if refused.status != 403 || refused.header.Get("x-amzn-ErrorType") != "AccessDeniedException" {
			t.Errorf("%d %v", refused.status, refused.header)
		}
		w.explain(refused, "FAIL_WITH_403")
		for _, value := range []string{"no-cache", "max-age=00", "max-age=0x", "s-max-age=0"} {
			w.expect(1, "GET", "/pets", "Cache-Control", value)
		}
		w.settings(setting(false, "FAIL_WITH_403"))
		fresh := w.expect(2, "GET", "/pets", "Cache-Control", "no-cache", "Cache-Control", "max-age=0")
		w.explain(fresh, "the cache was passed by: Cache-Control: max-age=0")
		w.expect(2, "GET", "/pets")
	})
}

// TestConcurrentMissesMakeOneCall lets many miss while the backend holds its first answer back.
func TestConcurrentMissesMakeOneCall(t *testing.T) {
	const callers = 40
	eachCached(t, func(t *testing.T, w *cachedWorld) {
		release, arrived := make(chan struct{}), make(chan struct{}, callers)
		w.answers(func(rw http.ResponseWriter, _ *http.Request) {
			arrived <- struct{}{}
			<-release
			_, _ = io.WriteString(rw, "call 1")
		})
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() { w.expect(1, "GET", "/pets") })
		}
		<-arrived
		close(release)
		wg.Wait()
		if n := w.calls.Load(); n != 1 {
			t.Errorf("%d backend calls for one key", n)
		}
	})
}

// TestWhoWaitsForAFailureGoesOn fails the first call while others wait for its answer.
func TestWhoWaitsForAFailureGoesOn(t *testing.T) {
	eachCached(t, func(t *testing.T, w *cachedWorld) {
		release, arrived := make(chan struct{}), make(chan struct{})
		w.answers(func(rw http.ResponseWriter, _ *http.Request) {
			if w.calls.Load() == 1 {
				close(arrived)
				<-release
				panic(http.ErrAbortHandler)
			}
			_, _ = io.WriteString(rw, "call 2")
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			if a := w.call("GET", "/pets"); a.status != 504 {
				t.Errorf("the first caller got %d %s", a.status, a.body)
			}
		})
		<-arrived
		for range 5 {
			wg.Go(func() { w.expect(2, "GET", "/pets") })
		}
		time.AfterFunc(20*time.Millisecond, func() { close(release) }) // most of them wait by then; all are right either way
		wg.Wait()
	})
}

// TestCacheAwayIsAMiss pauses and cuts the connection between an edge and a cache of another process, and mends it.
func TestCacheAwayIsAMiss(t *testing.T) {
	faults := []struct {
		name         string
		break_, mend func(*proxytest.Proxy, testing.TB)
	}{
		{"paused", func(p *proxytest.Proxy, _ testing.TB) { p.Pause() }, func(p *proxytest.Proxy, _ testing.TB) { p.Resume() }},
		{"gone", func(p *proxytest.Proxy, _ testing.TB) { p.Cut() }, func(p *proxytest.Proxy, t testing.TB) { p.Restore(t) }},
	}
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			w := newCachedWorld(t, true, edge.Config{NearCacheBytes: 1})
			w.expect(1, "GET", "/pets")
			w.expect(1, "GET", "/pets")
			fault.break_(w.proxy, t)
			spared := 0
			for i := range 20 {
				a := w.expect(2+i, "GET", "/pets")
				if strings.Contains(w.explain(a, "the cache was passed by: the cache did not answer"), "did not answer a moment ago") {
					spared++
				}
			}
			if spared == 0 {
				t.Error("a cache that does not answer was asked by each of 20 requests")
			}
			fault.mend(w.proxy, t)
			for deadline := time.Now().Add(15 * time.Second); ; {
				if w.call("GET", "/pets").body == "call 1" { // what was kept before is found again
					return
				}
				if time.Now().After(deadline) {
					t.Fatal("the cache is back, but is not asked")
				}
			}
		})
	}
}

// BenchmarkCachedAnswer is a request answered from the cache of the same process, over a kept connection.
func BenchmarkCachedAnswer(b *testing.B) {
	w := newCachedWorld(b, false, edge.Config{NearCacheBytes: 1})
	w.expect(1, "GET", "/pets?q=1")
	c, err := net.Dial("tcp", strings.Split(w.url, "/")[2])
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	request := []byte("GET /_aws/execute-api/a1b2c3d4e5/prod/pets?q=1 HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n")
	answer := make([]byte, 4096)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(request); err != nil {
			b.Fatal(err)
		}
		// The answer is small: it comes in one piece.
		if n, err := c.Read(answer); err != nil || !strings.HasSuffix(string(answer[:n]), "call 1") {
			b.Fatal(err, string(answer[:n]))
		}
	}
}
