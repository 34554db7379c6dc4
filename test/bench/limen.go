package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// limen is a `limen dev` and what it printed when it was ready.
type limen struct {
	*process
	readyAfter time.Duration
	printed    map[string]string
	side       string // address of /metrics and profiles
}

// startsMeasured is how often limen is started for the time until it is ready.
const startsMeasured = 5

// The rows of limen: every request is throttled by stage and account; the second is one with an API key of a usage plan that
// throttles and has a quota; the third is answered from the cache.
const (
	rowPlain  = "limen"
	rowKeyed  = "API key, plan throttle and quota"
	rowCached = "cached GET"
)

// Limits that are counted and never reached.
const (
	unreachedRate  = 1_000_000
	unreachedBurst = 1_000_000
	unreachedQuota = 2_000_000_000
)

// launch starts limen with an empty data folder and waits until it is ready. Its log, access log included, is a file.
func (s *site) launch(ctx context.Context, name, cpus string, args ...string) (*limen, error) {
	side, err := freeAddress()
	if err != nil {
		return nil, err
	}
	env := []string{"LIMEN_TELEMETRY_LISTEN=" + side, "LIMEN_TELEMETRY_PROFILES=true",
		fmt.Sprintf("LIMEN_EDGE_ACCOUNT_RATE=%d", unreachedRate), fmt.Sprintf("LIMEN_EDGE_ACCOUNT_BURST=%d", unreachedBurst)}
	ready := make(chan map[string]string, 1)
	begin := time.Now()
	p, err := s.start(name, cpus, env, func(r io.Reader) { readPrinted(r, ready) },
		append([]string{s.options.binary, "dev", "--data-dir", filepath.Join(s.dir, name), "--listen", "127.0.0.1:0"}, args...)...)
	if err != nil {
		return nil, err
	}
	select {
	case printed := <-ready:
		l := &limen{process: p, readyAfter: time.Since(begin), printed: printed, side: side}
		l.address = strings.TrimPrefix(printed["AWS_ENDPOINT_URL"], "http://")
		return l, nil
	case <-p.ended:
		return nil, errors.New("limen ended before it was ready")
	case <-time.After(startTimeout):
		p.stop()
		return nil, errors.New("limen does not become ready")
	case <-ctx.Done():
		p.stop()
		return nil, ctx.Err()
	}
}

// readPrinted collects NAME=value lines until limen says that it is ready.
func readPrinted(r io.Reader, ready chan<- map[string]string) {
	printed := map[string]string{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok {
			printed[name] = value
		}
		if strings.HasPrefix(lines.Text(), "limen ready in ") {
			ready <- printed
			return
		}
	}
}

// startLimen starts the measured limen and publishes an API of so many routes, on a stage without and one with a cache.
func (s *site) startLimen(ctx context.Context) ([]*peer, error) {
	l, err := s.launch(ctx, "limen", s.options.peerCPU)
	if err != nil {
		return nil, err
	}
	api, key, err := s.publish(ctx, l)
	if err != nil {
		l.stop()
		return nil, err
	}
	s.footing.withRoutes = residentOf(l.pid())
	s.footing.side = l.side
	out := &peer{name: rowPlain, process: l.process, address: l.address, path: s.requestPath(), host: api + ".execute-api.localhost"}
	cached := "/cached" + strings.TrimPrefix(s.requestPath(), "/prod")
	return []*peer{out, out.at(rowKeyed, "/prod/keyed/orders/4711", key), out.at(rowCached, cached, "")}, nil
}

// publish imports the API, deploys it to its stages and sells a key. Answers are held until what they changed is served.
func (s *site) publish(ctx context.Context, l *limen) (id, key string, err error) {
	document, err := s.document()
	if err != nil {
		return "", "", err
	}
	client := apigateway.New(apigateway.Options{
		BaseEndpoint: aws.String("http://" + l.address), Region: l.printed["AWS_DEFAULT_REGION"],
		Credentials: credentials.NewStaticCredentialsProvider(l.printed["AWS_ACCESS_KEY_ID"], l.printed["AWS_SECRET_ACCESS_KEY"], ""),
	})
	api, err := client.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: document, FailOnWarnings: true})
	if err != nil {
		return "", "", fmt.Errorf("import %d routes: %w", s.options.routes, err)
	}
	for stage, caches := range map[string]bool{"prod": false, "cached": true} {
		if err := deploy(ctx, client, *api.Id, stage, caches); err != nil {
			return "", "", fmt.Errorf("deploy %d routes to %s: %w", s.options.routes, stage, err)
		}
	}
	key, err = sell(ctx, client, *api.Id)
	return *api.Id, key, err
}

// deploy publishes a stage that throttles all methods, and caches them or not.
func deploy(ctx context.Context, client *apigateway.Client, api, stage string, caches bool) error {
	if _, err := client.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: &api, StageName: &stage, CacheClusterEnabled: aws.Bool(caches)}); err != nil {
		return err
	}
	replace := func(path string, value any) types.PatchOperation {
		return types.PatchOperation{Op: types.OpReplace, Path: aws.String("/*/*/" + path), Value: aws.String(fmt.Sprint(value))}
	}
	_, err := client.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: &api, StageName: &stage, PatchOperations: []types.PatchOperation{
		replace("throttling/rateLimit", unreachedRate), replace("throttling/burstLimit", unreachedBurst), replace("caching/enabled", caches)}})
	return err
}

// sell makes a key of a plan that throttles and has a quota.
func sell(ctx context.Context, client *apigateway.Client, api string) (string, error) {
	key, err := client.CreateApiKey(ctx, &apigateway.CreateApiKeyInput{Name: aws.String("bench"), Enabled: true})
	if err != nil {
		return "", err
	}
	limit := &types.ThrottleSettings{RateLimit: unreachedRate, BurstLimit: unreachedBurst}
	plan, err := client.CreateUsagePlan(ctx, &apigateway.CreateUsagePlanInput{Name: aws.String("bench"), Throttle: limit,
		Quota:     &types.QuotaSettings{Limit: unreachedQuota, Period: types.QuotaPeriodTypeMonth},
		ApiStages: []types.ApiStage{{ApiId: &api, Stage: aws.String("prod")}}})
	if err != nil {
		return "", err
	}
	_, err = client.CreateUsagePlanKey(ctx, &apigateway.CreateUsagePlanKeyInput{UsagePlanId: plan.Id, KeyId: key.Id, KeyType: aws.String("API_KEY")})
	return aws.ToString(key.Value), err
}

// document describes the routes in OpenAPI: GET /service{n}/orders/{id}, each proxied to the upstream's /orders/{id}; and one
// more that needs an API key.
func (s *site) document() ([]byte, error) {
	paths := map[string]any{}
	for i := range s.options.routes {
		paths[fmt.Sprintf("/service%d/orders/{id}", i)] = map[string]any{"get": s.method()}
	}
	keyed := s.method()
	keyed["security"] = []any{map[string]any{"key": []any{}}}
	paths["/keyed/orders/{id}"] = map[string]any{"get": keyed}
	return json.Marshal(map[string]any{"openapi": "3.0.1", "info": map[string]any{"title": "bench", "version": "1"}, "paths": paths,
		"components": map[string]any{"securitySchemes": map[string]any{"key": map[string]any{"type": "apiKey", "name": "x-api-key", "in": "header"}}}})
}

func (s *site) method() map[string]any {
	return map[string]any{
		"parameters": []any{map[string]any{"name": "id", "in": "path", "required": true, "schema": map[string]any{"type": "string"}}},
		"responses":  map[string]any{},
		"x-amazon-apigateway-integration": map[string]any{
			"type": "http_proxy", "httpMethod": "GET", "uri": "http://" + s.upstream.address + "/orders/{id}",
			"requestParameters":  map[string]string{"integration.request.path.id": "method.request.path.id"},
			"cacheKeyParameters": []string{"method.request.path.id"},
		},
	}
}

// footprint is what limen takes before anybody asks it anything.
type footprint struct {
	ready      []time.Duration // sorted
	idle       int64           // bytes resident, nothing configured
	withRoutes int64           // bytes resident, the bench's API published
	binary     int64           // bytes of the stripped program
	side       string
}

// measureFootprint starts limen a few times with nothing in it, on all cores as its users do.
func (s *site) measureFootprint(ctx context.Context) (footprint, error) {
	var f footprint
	info, err := os.Stat(s.options.binary)
	if err != nil {
		return f, err
	}
	f.binary = info.Size()
	for i := range startsMeasured {
		l, err := s.launch(ctx, fmt.Sprintf("limen-start%d", i), "")
		if err != nil {
			return f, err
		}
		f.ready = append(f.ready, l.readyAfter)
		if i == startsMeasured-1 {
			sleep(ctx, 2*time.Second) // what the start needed is given back
			f.idle = residentOf(l.pid())
		}
		l.stop()
	}
	slices.Sort(f.ready)
	return f, nil
}

// takeProfile writes a CPU profile of limen under load, when one is wanted.
func (s *site) takeProfile(ctx context.Context) error {
	if s.options.profile == "" {
		return nil
	}
	i := slices.IndexFunc(s.peers, func(p *peer) bool { return p.name == s.options.profiled })
	if i < 0 {
		return fmt.Errorf("there is no row %q to profile", s.options.profiled)
	}
	return s.profiled(ctx, s.footing.side, func(span time.Duration) error {
		_, err := s.load(ctx, s.peers[i], span)
		return err
	})
}

// profiled writes a CPU profile of a limen while a load runs.
func (s *site) profiled(ctx context.Context, side string, load func(span time.Duration) error) error {
	const span = 8 * time.Second
	profile := make(chan error, 1)
	go func() {
		profile <- s.fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", side, int((span-2*time.Second)/time.Second)))
	}()
	err := load(span)
	return errors.Join(err, <-profile)
}

func (s *site) fetch(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s: %.200s", response.Status, b.String())
	}
	return os.WriteFile(s.options.profile, b.Bytes(), 0o600)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
