package faults

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// protected is a cluster whose parts are a process each, so that each can be taken away alone.
type protected struct {
	*cluster
	parts map[string]*process // nats, metering, authz, cache; metering2 and cache2 where these have two replicas
	key   string              // value of the API key
	id    string              // of the API
	// bought is how many requests of the quota it took to see that every edge has the plan.
	bought int64
}

const throttleBurst = 3

// newProtected starts one of each and some edges, which deny what they cannot count.
func newProtected(t *testing.T, edges int, quota int32, metering ...string) *protected {
	t.Helper()
	return newReplicated(t, edges, 1, quota, metering...)
}

// newReplicated starts one of each, one or two of metering and of the cache, and some edges, which deny what they cannot count.
func newReplicated(t *testing.T, edges, replicas int, quota int32, metering ...string) *protected {
	t.Helper()
	dir := t.TempDir()
	keys, settings := filepath.Join(dir, "keys"), filepath.Join(dir, "limen.yaml")
	for path, text := range map[string]string{
		keys: account + " " + accessKey + " " + secretKey + "\n", settings: "functions:\n  declare:\n    - {name: authorizer, sample: authorizer}\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	at := ports(t, 7+edges)
	c := &cluster{t: t, admin: "http://" + at[0]}
	p := &protected{cluster: c, parts: map[string]*process{}}
	part := func(roles string, settings ...string) *process {
		out := server(t, keys, filepath.Join(dir, roles), roles, settings...)
		p.parts[roles] = out
		return out
	}
	replicated := func(role string, listen string, settings ...string) {
		part(role, append(slices.Clip(settings), role+".grpc_listen="+listen)...).start()
		if replicas == 2 {
			second := server(t, keys, filepath.Join(dir, role+"2"), role, append(slices.Clip(settings), role+".grpc_listen="+secondOf(listen))...)
			p.parts[role+"2"] = second
			second.start()
		}
	}
	// reach is where the others find what may have two replicas: a name with two addresses.
	reach := func(listen string) string { return listen }
	if replicas == 2 {
		names := nameServer(t)
		reach = func(listen string) string { return "dns://" + names + "/replicas.test:" + portOf(listen) }
	}
	part("nats", "nats.listen="+at[3]).start()
	replicated("metering", at[4], append(metering, "nats.url=nats://"+at[3])...)
	c.control = server(t, keys, filepath.Join(dir, "control"), "etcd,admin,functions",
		"admin.listen="+at[0], "admin.grpc_listen="+at[1], "functions.listen="+at[2], "metering_address="+reach(at[4]))
	c.control.args = append(c.control.args, "--config", settings)
	c.control.start()
	part("authz", "authz.grpc_listen="+at[5], "edge.functions_url=http://"+at[2]).start()
	replicated("cache", at[6])
	for i := range edges {
		e := server(t, keys, filepath.Join(dir, fmt.Sprintf("edge%d", i)), "edge", "edge.listen="+at[7+i], "admin_address="+at[1],
			"edge.authz_address="+at[5], "edge.cache_address="+reach(at[6]), "metering_address="+reach(at[4]), "edge.quota_fallback=deny", "edge.access_log=off")
		c.edges, c.urls = append(c.edges, e), append(c.urls, "http://"+at[7+i])
		e.start()
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	// A paused authz is known to be away only when its connection misses a keepalive, after twelve seconds.
	c.http = &http.Client{Transport: transport, Timeout: 3 * callTimeout}
	c.api = apigateway.New(apigateway.Options{BaseEndpoint: aws.String(c.admin), Region: region, HTTPClient: c.http, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, "")})
	p.publish(quota)
	return p
}

// publish makes an API with a path for each thing that is asked on the way: /guarded, /kept, /sold and /throttled, and /pets,
// which asks nobody.
func (p *protected) publish(quota int32) {
	p.t.Helper()
	backend := counting(p.t)
	mock := `"x-amazon-apigateway-integration":{"type":"mock","requestTemplates":{"application/json":"{\"statusCode\": 200}"},"responses":{"default":{"statusCode":"200"}}}`
	get := func(more string) string { return `{"get":{"responses":{"200":{"description":"ok"}},` + more + `}}` }
	document := `{"openapi":"3.0.1","info":{"title":"p","version":"1"},"paths":{"/pets":` + get(mock) + `,"/throttled":` + get(mock) +
		`,"/sold":` + get(`"security":[{"key":[]}],`+mock) + `,"/guarded":` + get(`"security":[{"by":[]}],`+mock) +
		`,"/kept":` + get(`"x-amazon-apigateway-integration":{"type":"http_proxy","httpMethod":"GET","uri":"`+backend+`"}`) + `},
		"components":{"securitySchemes":{"key":{"type":"apiKey","in":"header","name":"x-api-key"},"by":{"type":"apiKey","in":"header","name":"Authorization",
		"x-amazon-apigateway-authtype":"custom","x-amazon-apigateway-authorizer":{"type":"token","authorizerResultTtlInSeconds":0,
		"authorizerUri":"arn:aws:apigateway:` + region + `:lambda:path/2015-03-31/functions/arn:aws:lambda:` + region + `:` + account + `:function:authorizer/invocations"}}}}}`
	ctx := p.t.Context()
	api, err := p.api.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: []byte(document)})
	if err != nil {
		p.t.Fatal(err)
	}
	p.id = *api.Id
	p.deploy(p.id, "live")
	set := func(path string, value any) types.PatchOperation {
		return types.PatchOperation{Op: types.OpReplace, Path: &path, Value: aws.String(fmt.Sprint(value))}
	}
	_, err = p.api.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: &p.id, StageName: aws.String("live"), PatchOperations: []types.PatchOperation{
		set("/cacheClusterEnabled", true), set("/~1kept/GET/caching/enabled", true),
		set("/~1throttled/GET/throttling/rateLimit", 0.001), set("/~1throttled/GET/throttling/burstLimit", throttleBurst)}})
	if err != nil {
		p.t.Fatal(err)
	}
	key, err := p.api.CreateApiKey(ctx, &apigateway.CreateApiKeyInput{Enabled: true})
	if err != nil {
		p.t.Fatal(err)
	}
	p.key = *key.Value
	plan, err := p.api.CreateUsagePlan(ctx, &apigateway.CreateUsagePlanInput{Name: aws.String("p"), ApiStages: []types.ApiStage{{ApiId: &p.id, Stage: aws.String("live")}},
		Quota: &types.QuotaSettings{Limit: quota, Period: types.QuotaPeriodTypeMonth}})
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.api.CreateUsagePlanKey(ctx, &apigateway.CreateUsagePlanKeyInput{UsagePlanId: plan.Id, KeyId: key.Id, KeyType: aws.String("API_KEY")}); err != nil {
		p.t.Fatal(err)
	}
	if out, code := p.wait(p.id, "live", patience); code != 0 {
		p.t.Fatal(out)
	}
	for edge := range p.edges {
		p.until("the edge has the key and its plan", func() bool {
			status, _ := p.ask(edge, "/sold")
			if status == 200 {
				p.bought++
			}
			return status == 200
		})
	}
}

// counting is a backend that answers with the number of its calls.
func counting(t *testing.T) string {
	var calls atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strconv.FormatInt(calls.Add(1), 10))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// ask calls a path of the API with all that any of them needs; a call that is not answered fails the test.
func (p *protected) ask(edge int, path string) (status int, body string) {
	req, err := http.NewRequest(http.MethodGet, p.urls[edge]+"/_aws/execute-api/"+p.id+"/live"+path, nil)
	if err != nil {
		p.t.Error(err)
		return 0, ""
	}
	req.Header.Set("x-api-key", p.key)
	req.Header.Set("Authorization", "Bearer allow")
	res, err := p.http.Do(req)
	if err != nil {
		p.t.Errorf("%s: %v", path, err)
		return 0, ""
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Errorf("%s: %v", path, err)
	}
	return res.StatusCode, string(text)
}

// until calls try until it says so.
func (p *protected) until(what string, try func() bool) {
	p.t.Helper()
	for began := time.Now(); !try(); {
		if time.Since(began) > patience {
			p.t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// answers tells whether a path answers with a status, and fails the test when it answers anything but that or the other.
func (p *protected) answers(path string, status, other int) func() bool {
	return func() bool {
		got, body := p.ask(0, path)
		if got != status && got != other {
			p.t.Errorf("%s: %d %s, want %d or %d", path, got, body, status, other)
		}
		return got == status
	}
}

// keeps tells whether two calls of the cached path were one call of the backend.
func (p *protected) keeps() bool {
	status, first := p.ask(0, "/kept")
	again, second := p.ask(0, "/kept")
	if status != 200 || again != 200 {
		p.t.Errorf("/kept: %d %s, %d %s", status, first, again, second)
	}
	return first == second
}

// TestEachPartTakenAway: authz, cache, metering and NATS are killed and paused in turn while requests run. What asks a part
// that is away gets the stated fallback, everything else goes on, and nothing but the part itself is started again.
func TestEachPartTakenAway(t *testing.T) {
	p := newProtected(t, 1, 1_000_000, "metering.max_lease=5", "metering.quota_lease=1s")
	refused := func(path string, status int) (without, with func()) {
		return func() { p.until(path+" without", p.answers(path, status, 200)) }, func() { p.until(path+" with", p.answers(path, 200, status)) }
	}
	closed, opened := refused("/guarded", 500)
	denied, counted := refused("/sold", 429)
	// By the limits of this edge alone: it passes no more than its own bucket holds.
	throttled := func() {
		passed := 0
		p.until("/throttled without", func() bool {
			status, body := p.ask(0, "/throttled")
			switch status {
			case 200:
				passed++
			case 429:
				return true
			default:
				t.Errorf("/throttled: %d %s", status, body)
			}
			return false
		})
		if passed > throttleBurst {
			t.Errorf("%d passed a burst of %d", passed, throttleBurst)
		}
	}
	parts := []struct {
		name          string
		without, with func()
		unmoved       []string // paths that do not notice
	}{
		{"authz", closed, opened, []string{"/sold", "/kept"}},
		{"cache", func() { p.until("misses", func() bool { return !p.keeps() }) }, func() { p.until("hits", p.keeps) }, []string{"/sold", "/guarded"}},
		{"metering", func() { denied(); throttled() }, counted, []string{"/kept", "/guarded"}},
		{"nats", func() { denied(); throttled() }, counted, []string{"/kept", "/guarded"}},
	}
	warm, stop := p.traffic(0, "/_aws/execute-api/"+p.id+"/live/pets", "")
	for _, part := range parts {
		ways := map[string][2]func(){
			"killed": {p.parts[part.name].kill, p.parts[part.name].start},
			"paused": {func() { p.parts[part.name].signal(syscall.SIGSTOP) }, func() { p.parts[part.name].signal(syscall.SIGCONT) }},
		}
		for way, do := range ways {
			t.Run(part.name+" "+way, func(t *testing.T) {
				part.with()
				do[0]()
				part.without()
				for _, path := range part.unmoved {
					if status, body := p.ask(0, path); status != 200 {
						t.Errorf("%s: %d %s", path, status, body)
					}
				}
				do[1]()
				part.with()
				warm(10)
			})
		}
	}
	answered, failed := stop()
	if len(failed) > 0 {
		t.Errorf("%d of %d calls that ask nobody failed: %s …", len(failed), answered, failed[0])
	}
	// Not "panic" alone: request ids are random text.
	if log := p.edges[0].log.String(); strings.Contains(log, "panicked") || strings.Contains(log, "panic: ") {
		t.Error("the edge panicked")
	}
	t.Logf("%d calls that ask nobody, none failed", answered)
}

var lostRequests = regexp.MustCompile(`an edge did not come back.* requests=(\d+)`)

// lost is what metering has reported as forfeited.
func (p *protected) lost() (n int64) {
	for _, m := range lostRequests.FindAllStringSubmatch(p.parts["metering"].log.String(), -1) {
		more, _ := strconv.ParseInt(m[1], 10, 64)
		n += more
	}
	return n
}

// TestMeteringKilledUnderAQuota: metering is killed three times, and one of two edges once, while both serve one quota. No
// more than the quota passes; what does not pass was lost with the edge that held it, and metering says how much.
func TestMeteringKilledUnderAQuota(t *testing.T) {
	const quota = 2000
	p := newProtected(t, 2, quota, "metering.quota_lease=2s")
	var passed atomic.Int64
	passed.Store(p.bought)
	buy := func(edge int) int {
		status, body := p.ask(edge, "/sold")
		switch {
		case status == 200:
			passed.Add(1)
		case status != 429 || !strings.Contains(body, "Limit Exceeded"):
			t.Errorf("edge %d: %d %s", edge, status, body)
		}
		return status
	}
	until := func(status int) func() bool { return func() bool { return buy(0) == status } }
	p.until("the other edge serves", func() bool { return buy(1) == 200 })
	p.edges[1].kill()
	for range 3 {
		p.until("served", until(200))
		p.parts["metering"].kill()
		p.until("refused while metering is away and the lease is used up", until(429))
		p.parts["metering"].start()
	}
	done := make(chan struct{})
	var load sync.WaitGroup
	for range 3 {
		load.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					buy(0)
				}
			}
		})
	}
	p.until("all of the quota is served, or known to be lost", func() bool { return passed.Load()+p.lost() >= quota })
	close(done)
	load.Wait()
	// The two requests that the dead edge served may be in both: it had not told metering.
	if passed, lost := passed.Load(), p.lost(); passed > quota || passed+lost > quota+2 || lost == 0 {
		t.Errorf("%d passed and %d were reported as lost, of a quota of %d", passed, lost, quota)
	}
	t.Logf("%d of %d passed, %d were lost with the edge that was killed, as metering reported", passed.Load(), quota, p.lost())
}
