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
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/natstest"
	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/snapshots"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/edge"
	"github.com/limen-gateway/limen/services/metering"
)

// The promise of metering is one of several services together: edges, metering and NATS are real here, and the edges get
// their configuration by hand.

const (
	meteredAPI = "a1b2c3d4e5"
	goodKey    = "a-value-of-an-api-key"
)

// meteredHouse is a NATS, a metering, and what is needed to start edges.
type meteredHouse struct {
	t         *testing.T
	nats      *natstest.Server
	service   *metering.Service
	server    *rpc.Server
	addresses []string // of all replicas
	tcp       bool
	lease     time.Duration // of throttles
}

func overLocalAndTCP(t *testing.T, test func(*meteredHouse)) {
	for _, tcp := range []bool{false, true} {
		t.Run(map[bool]string{false: "local", true: "tcp"}[tcp], func(t *testing.T) {
			h := &meteredHouse{t: t, nats: natstest.Start(t), tcp: tcp}
			h.start()
			test(h)
		})
	}
}

// start starts metering, or one more replica of it.
func (h *meteredHouse) start() {
	var err error
	h.service, err = metering.New(metering.Config{RecallWait: 400 * time.Millisecond, ThrottleLease: h.lease}, metering.Deps{NATS: h.nats.Conn, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		h.t.Fatal(err)
	}
	h.server = rpc.NewServer(rpc.Config{Tables: rpc.House(), TrustClaims: true})
	h.service.Register(h.server)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.addresses = append(h.addresses, l.Addr().String())
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = h.server.Serve(ctx, l) })
	wg.Go(func() { _ = h.service.Run(ctx) })
	h.t.Cleanup(func() {
		cancel()
		wg.Wait()
	})
	<-h.service.Ready()
}

// counted counts leases, and can be cut off as a dead process is.
type counted struct {
	meteringv1.MeteringClient
	leases   atomic.Int64
	dead     atomic.Bool
	standing chan struct{} // closed when the edge can be asked to give back
	begun    func()
}

func (c *counted) Recalls(ctx context.Context, r *meteringv1.RecallsRequest, o ...grpc.CallOption) (grpc.ServerStreamingClient[meteringv1.Recall], error) {
	stream, err := c.MeteringClient.Recalls(ctx, r, o...)
	return &standing{stream, c.begun}, err
}

type standing struct {
	grpc.ServerStreamingClient[meteringv1.Recall]
	begun func()
}

func (s *standing) Recv() (*meteringv1.Recall, error) {
	r, err := s.ServerStreamingClient.Recv()
	if err == nil {
		s.begun()
	}
	return r, err
}

func (c *counted) Lease(ctx context.Context, r *meteringv1.LeaseRequest, o ...grpc.CallOption) (*meteringv1.LeaseResponse, error) {
	if c.dead.Load() {
		return nil, status.Error(codes.Unavailable, "dead")
	}
	c.leases.Add(1)
	return c.MeteringClient.Lease(ctx, r, o...)
}

func (c *counted) Settle(ctx context.Context, r *meteringv1.SettleRequest, o ...grpc.CallOption) (*meteringv1.SettleResponse, error) {
	if c.dead.Load() {
		return nil, status.Error(codes.Unavailable, "dead")
	}
	return c.MeteringClient.Settle(ctx, r, o...)
}

// meteredEdge is an edge with one API: /keyed needs a key, /open is throttled by the stage.
type meteredEdge struct {
	t        *testing.T
	service  *edge.Service
	metering *counted
	url      string
	client   *http.Client
}

func (h *meteredHouse) edge(c edge.Config, plan *apigatewayv1.UsagePlan) *meteredEdge {
	h.t.Helper()
	conn := h.server.Local(rpc.Edge)
	if h.tcp {
		conn = dialAll(h.t, h.addresses...)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	e := &meteredEdge{t: h.t, metering: &counted{MeteringClient: meteringv1.NewMeteringClient(conn)}, url: "http://" + l.Addr().String(),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
	e.metering.standing = make(chan struct{})
	e.metering.begun = sync.OnceFunc(func() { close(e.metering.standing) })
	e.service, err = edge.New(c, edge.Deps{Metering: e.metering, Sockets: []edge.Socket{{Listener: l}}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		h.t.Fatal(err)
	}
	e.service.Apply(meteredConfiguration(plan))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.service.Run(ctx) }()
	h.t.Cleanup(func() {
		e.client.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			h.t.Error(err)
		}
	})
	return e
}

func meteredConfiguration(plan *apigatewayv1.UsagePlan) snapshots.Update {
	const account, region = "123456789012", "us-east-1"
	mock := func(key bool) *apigatewayv1.MethodMap {
		return &apigatewayv1.MethodMap{Entries: map[string]*apigatewayv1.Method{"GET": {
			AuthorizationType: proto.String("NONE"), ApiKeyRequired: proto.Bool(key),
			MethodResponses: &apigatewayv1.MethodResponseMap{Entries: map[string]*apigatewayv1.MethodResponse{"200": {}}},
			MethodIntegration: &apigatewayv1.Integration{Type: proto.String("MOCK"),
				RequestTemplates:     &apigatewayv1.StringMap{Entries: map[string]string{"application/json": `{"statusCode": 200}`}},
				IntegrationResponses: &apigatewayv1.IntegrationResponseMap{Entries: map[string]*apigatewayv1.IntegrationResponse{"200": {StatusCode: proto.String("200")}}}},
		}}}
	}
	content, _ := proto.Marshal(&snapshotv1.Deployment{Account: account, Region: region, ApiId: meteredAPI, RestApi: &apigatewayv1.RestApi{Id: proto.String(meteredAPI)}, Resources: []*apigatewayv1.Resource{
		{Id: proto.String("r1"), Path: proto.String("/keyed"), ResourceMethods: mock(true)},
		{Id: proto.String("r2"), Path: proto.String("/open"), ResourceMethods: mock(false)},
	}})
	sum := sha256.Sum256(content)
	hash := hex.EncodeToString(sum[:])
	plan.Id = proto.String("plan01")
	if plan.ApiStages == nil {
		plan.ApiStages = &apigatewayv1.ApiStageList{Items: []*apigatewayv1.ApiStage{{ApiId: proto.String(meteredAPI), Stage: proto.String("prod")}}}
	}
	stage := func(name string) *configv1.Resource {
		return &configv1.Resource{Key: "stages/" + name, Revision: 3, Body: &configv1.Resource_Stage{Stage: &snapshotv1.Stage{Account: account, Region: region, ApiId: meteredAPI, DeploymentHash: hash,
			Stage: &apigatewayv1.Stage{StageName: proto.String(name), DeploymentId: proto.String("dep123"), MethodSettings: &apigatewayv1.MethodSettingMap{Entries: map[string]*apigatewayv1.MethodSetting{
				"~1open/GET": {ThrottlingBurstLimit: proto.Int32(5), ThrottlingRateLimit: proto.Float64(0.001)}}}}}}}
	}
	key := func(id, value string, enabled bool) *configv1.Resource {
		hash := sha256.Sum256([]byte(value))
		return &configv1.Resource{Key: "apikeys/" + id, Revision: 1, Body: &configv1.Resource_ApiKey{ApiKey: &snapshotv1.ApiKey{Account: account, Region: region, Id: id, ValueSha256: hash[:], Enabled: enabled}}}
	}
	return snapshots.Update{Number: 1, Full: true, Content: func(h string) ([]byte, bool) { return content, h == hash }, Changed: []*configv1.Resource{
		stage("prod"), stage("other"), key("key1", goodKey, true), key("key2", "a-value-in-no-plan-at-all", true), key("key3", "a-value-that-is-disabled", false),
		{Key: "usageplans/plan01", Revision: 2, Body: &configv1.Resource_UsagePlan{UsagePlan: &snapshotv1.UsagePlan{Account: account, Region: region, Plan: plan, KeyIds: []string{"key1", "key3"}}}},
	}}
}

type meteredAnswer struct {
	status     int
	body, kind string
	id         string
}

func (e *meteredEdge) get(path, key string) meteredAnswer {
	e.t.Helper()
	req, err := http.NewRequest("GET", e.url+path, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	req.Host = meteredAPI + ".execute-api.localhost"
	if key != "" {
		req.Header["X-API-Key"] = []string{key}
	}
	res, err := e.client.Do(req)
	if err != nil {
		e.t.Error(err)
		return meteredAnswer{}
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return meteredAnswer{res.StatusCode, string(body), res.Header.Get("x-amzn-ErrorType"), res.Header.Get("x-amzn-RequestId")}
}

func (e *meteredEdge) explain(a meteredAnswer) string {
	r, err := e.service.Explain(context.Background(), &edgev1.ExplainRequest{RequestId: a.id})
	if err != nil || !r.Found {
		e.t.Errorf("no explanation: %v", err)
	}
	first, _, _ := strings.Cut(r.GetText(), "\n")
	return first
}

func quotaOf(limit int32) *apigatewayv1.UsagePlan {
	return &apigatewayv1.UsagePlan{Quota: &apigatewayv1.QuotaSettings{Limit: &limit, Offset: proto.Int32(0), Period: proto.String("DAY")}}
}

// flood sends n requests through an edge from four clients at once and counts the successes.
func (e *meteredEdge) flood(n int) int64 {
	var passed, sent atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for sent.Add(1) <= int64(n) {
				switch a := e.get("/prod/keyed", goodKey); {
				case a.status == 200:
					passed.Add(1)
				case a.status != 429 || a.body != `{"message":"Limit Exceeded"}` || a.kind != "LimitExceededException":
					e.t.Errorf("%+v", a)
				}
			}
		})
	}
	wg.Wait()
	return passed.Load()
}

// TestQuotaIsExact: a plan of 100 requests a day, called through two edges at once, gives exactly 100 successes.
func TestQuotaIsExact(t *testing.T) {
	overLocalAndTCP(t, func(h *meteredHouse) {
		a, b := h.edge(edge.Config{}, quotaOf(100)), h.edge(edge.Config{}, quotaOf(100))
		var wg sync.WaitGroup
		var fromA, fromB int64
		wg.Go(func() { fromA = a.flood(150) })
		wg.Go(func() { fromB = b.flood(150) })
		wg.Wait()
		// What one edge held when the other was refused is still there for whoever asks.
		for end := time.Now().Add(10 * time.Second); fromA+fromB < 100 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
			fromA, fromB = fromA+a.flood(4), fromB+b.flood(4)
		}
		if fromA+fromB != 100 {
			h.t.Errorf("%d and %d succeeded, want 100 together", fromA, fromB)
		}
		if more := a.flood(20) + b.flood(20); more != 0 {
			h.t.Errorf("%d more after the quota", more)
		}
		h.t.Logf("%d + %d = %d of 100, with %d and %d calls to metering", fromA, fromB, fromA+fromB, a.metering.leases.Load(), b.metering.leases.Load())
	})
}

// TestQuotaAndADeadEdge: when an edge dies, its lease is lost, and never more than the quota is served.
func TestQuotaAndADeadEdge(t *testing.T) {
	overLocalAndTCP(t, func(h *meteredHouse) {
		a, b := h.edge(edge.Config{DenyQuota: true}, quotaOf(100)), h.edge(edge.Config{}, quotaOf(100))
		var fromA, fromB int64
		var wg sync.WaitGroup
		killed := make(chan struct{})
		wg.Go(func() {
			for range 5 {
				if a.get("/prod/keyed", goodKey).status == 200 {
					fromA++
				}
			}
			a.metering.dead.Store(true)
			close(killed)
		})
		wg.Go(func() {
			fromB = b.flood(20)
			<-killed
			fromB += b.flood(150)
		})
		wg.Wait()
		if total := fromA + fromB; total > 100 || total < 100-13 {
			h.t.Errorf("%d and %d succeeded, want at most 100, and no more than a lease lost", fromA, fromB)
		}
		h.t.Logf("%d + %d: %d fewer than 100", fromA, fromB, 100-fromA-fromB)
	})
}

// TestWarmLeaseMakesNoCall: tokens of a lease are spent in memory.
func TestWarmLeaseMakesNoCall(t *testing.T) {
	overLocalAndTCP(t, func(h *meteredHouse) {
		e := h.edge(edge.Config{}, quotaOf(10_000))
		e.get("/prod/keyed", goodKey)
		before := e.metering.leases.Load()
		for range 200 {
			if a := e.get("/prod/keyed", goodKey); a.status != 200 {
				h.t.Fatalf("%+v", a)
			}
		}
		if n := e.metering.leases.Load() - before; before != 1 || n != 0 {
			h.t.Errorf("%d calls for the first request, %d for the next 200", before, n)
		}
	})
}

// TestUnusedTokensComeBack: what one edge holds of a throttle and does not use, another one gets before it is refused.
func TestUnusedTokensComeBack(t *testing.T) {
	for _, tcp := range []bool{false, true} {
		t.Run(map[bool]string{false: "local", true: "tcp"}[tcp], func(t *testing.T) {
			h := &meteredHouse{t: t, nats: natstest.Start(t), tcp: tcp, lease: time.Hour} // nothing comes back by itself
			h.start()
			a, b := h.edge(edge.Config{}, quotaOf(1)), h.edge(edge.Config{}, quotaOf(1))
			<-a.metering.standing
			if got := a.get("/prod/open", ""); got.status != 200 {
				t.Fatalf("%+v", got)
			}
			for i := range 4 {
				if got := b.get("/prod/open", ""); got.status != 200 {
					t.Errorf("call %d of a burst of 5: %+v", i+2, got)
				}
			}
			for _, e := range []*meteredEdge{a, b} {
				if got := e.get("/prod/open", ""); got.status != 429 {
					t.Errorf("beyond the burst: %+v", got)
				}
			}
		})
	}
}

func TestRefusalsOfKeysAndLimits(t *testing.T) {
	h := &meteredHouse{t: t, nats: natstest.Start(t)}
	h.start()
	plan := quotaOf(1000)
	plan.Throttle = &apigatewayv1.ThrottleSettings{RateLimit: proto.Float64(0.001), BurstLimit: proto.Int32(8)}
	plan.ApiStages = &apigatewayv1.ApiStageList{Items: []*apigatewayv1.ApiStage{{ApiId: proto.String(meteredAPI), Stage: proto.String("prod"),
		Throttle: &apigatewayv1.ThrottleSettingsMap{Entries: map[string]*apigatewayv1.ThrottleSettings{"/keyed/GET": {RateLimit: proto.Float64(0.001), BurstLimit: proto.Int32(3)}}}}}}
	e := h.edge(edge.Config{}, plan)
	for _, tt := range []struct{ path, key, explain string }{
		{"/prod/keyed", "", "No API key: method GET /keyed requires one, "},
		{"/prod/keyed", "A-value-of-an-api-key", "Wrong API key: ***************pi-key is the value of no API key"},
		{"/prod/keyed", "a-value-that-is-disabled", "The API key key3 is disabled."},
		{"/prod/keyed", "a-value-in-no-plan-at-all", "The API key key2 is in no usage plan that has API a1b2c3d4e5, stage prod."},
		{"/other/keyed", goodKey, "The API key key1 is in no usage plan that has API a1b2c3d4e5, stage other."},
	} {
		a := e.get(tt.path, tt.key)
		if got := e.explain(a); a.status != 403 || a.body != `{"message":"Forbidden"}` || a.kind != "ForbiddenException" || !strings.HasPrefix(got, tt.explain) {
			t.Errorf("%s %s: %+v: %s", tt.path, tt.key, a, got)
		}
	}
	for _, tt := range []struct {
		path    string
		pass    int
		explain string
	}{
		{"/prod/keyed", 3, "Throttled by the usage plan's limit of this key for this method: Limit: 0.00 Burst: 3; API key key1, usage plan plan01."},
		{"/prod/open", 5, "Throttled by the stage's limit for this method, of all callers: Limit: 0.00 Burst: 5; "},
	} {
		for i := range tt.pass + 2 {
			a := e.get(tt.path, goodKey)
			if i < tt.pass && a.status != 200 {
				t.Errorf("%s %d: %+v", tt.path, i, a)
			}
			if i >= tt.pass {
				if got := e.explain(a); a.status != 429 || a.body != `{"message":"Too Many Requests"}` || a.kind != "TooManyRequestsException" || !strings.HasPrefix(got, tt.explain) {
					t.Errorf("%s %d: %+v: %s", tt.path, i, a, got)
				}
			}
		}
	}
}

// TestMeteringAway: NATS stands still, so metering does not answer; limits hold by the edge's own count and the configured
// fallback, and everything is as before when it answers again.
func TestMeteringAway(t *testing.T) {
	h := &meteredHouse{t: t, nats: natstest.Start(t)}
	h.start()
	allow := h.edge(edge.Config{MeteringTimeout: 100 * time.Millisecond}, quotaOf(1))
	deny := h.edge(edge.Config{MeteringTimeout: 100 * time.Millisecond, DenyQuota: true}, quotaOf(1))
	h.nats.Proxy.Pause()
	if a := allow.get("/prod/keyed", goodKey); a.status != 200 {
		t.Errorf("%+v", a)
	}
	before := allow.metering.leases.Load()
	for range 20 {
		if a := allow.get("/prod/keyed", goodKey); a.status != 200 {
			t.Errorf("%+v", a)
		}
	}
	if n := allow.metering.leases.Load() - before; n >= 20 {
		t.Errorf("%d calls for 20 requests to a metering that is known to be away", n)
	}
	a := deny.get("/prod/keyed", goodKey)
	if got := deny.explain(a); a.status != 429 || a.body != `{"message":"Limit Exceeded"}` || !strings.Contains(got, "quota_fallback is deny") {
		t.Errorf("%+v: %s", a, got)
	}
	// Each edge enforces the throttle alone.
	for _, e := range []*meteredEdge{allow, deny} {
		passed := 0
		for range 8 {
			if e.get("/prod/open", "").status == 200 {
				passed++
			}
		}
		if passed != 5 {
			t.Errorf("%d passed a burst of 5", passed)
		}
	}
	h.nats.Proxy.Resume()
	began := time.Now()
	for deny.get("/prod/keyed", goodKey).status != 200 && allow.get("/prod/keyed", goodKey).status == 200 {
		if time.Since(began) > 20*time.Second {
			t.Fatal("no recovery")
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("recovered after %v", time.Since(began).Round(time.Millisecond))
	// What was served meanwhile is in the ledger, and the quota is enforced again.
	for began = time.Now(); allow.get("/prod/keyed", goodKey).status != 429; time.Sleep(20 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatal("the quota is not enforced again")
		}
	}
	usage := meteringv1.NewMeteringClient(h.server.Local(rpc.Admin))
	day := time.Now().Unix() / 86400
	for began = time.Now(); ; time.Sleep(50 * time.Millisecond) {
		u, err := usage.Usage(context.Background(), &meteringv1.UsageRequest{Account: "123456789012", Region: "us-east-1", UsagePlan: "plan01", ApiKeys: []string{"key1"}, FirstDay: day, LastDay: day})
		if err != nil {
			t.Fatal(err)
		}
		if d := u.Keys["key1"].Days[0]; d.Used >= 21 {
			t.Logf("served %s", fmt.Sprint(d.Used))
			return
		}
		if time.Since(began) > 20*time.Second {
			t.Fatalf("served meanwhile, not in the ledger: %v", u)
		}
	}
}
