package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// Limits that are counted and never reached.
const (
	unreachedRate  = 1_000_000
	unreachedBurst = 1_000_000
	unreachedQuota = 2_000_000_000
)

// The stages of the API, without and with a cache. Both throttle all methods.
const (
	stagePlain  = "prod"
	stageCached = "cached"
)

// control is a client of limen's control plane.
func (l *limen) control() *apigateway.Client {
	return apigateway.New(apigateway.Options{
		BaseEndpoint: aws.String("http://" + l.address), Region: l.printed["AWS_DEFAULT_REGION"],
		Credentials: credentials.NewStaticCredentialsProvider(l.printed["AWS_ACCESS_KEY_ID"], l.printed["AWS_SECRET_ACCESS_KEY"], ""),
	})
}

// tlsSettings are those of an edge that answers over TLS at this address.
func (s *site) tlsSettings(address string) []string {
	return []string{"--set", "edge.tls_listen=" + address, "--set", "edge.cert_file=" + s.cert + ".crt", "--set", "edge.key_file=" + s.cert + ".key"}
}

// startLimen starts the measured limen and publishes an API of so many routes, on a stage without and one with a cache.
func (s *site) startLimen(ctx context.Context) (*program, error) {
	var secure string
	if err := freeAddresses(&secure); err != nil {
		return nil, err
	}
	l, err := s.launch(ctx, "limen", s.options.peerCPU, s.tlsSettings(secure)...)
	if err != nil {
		return nil, err
	}
	api, err := s.publishAll(ctx, l.control())
	if err != nil {
		l.stop()
		return nil, err
	}
	s.side = l.side
	jobs := s.sharedJobs(hostOf(api), l.address, secure, l.address)
	jobs[jobKey] = jobs[jobPlain].at("/prod/keyed/orders/4711").keyed(apiKeys(planThrottled, throttledKeys))
	jobs[jobQuota] = jobs[jobKey].keyed(apiKeys(planQuota, quotaKeys))
	jobs[jobCache] = jobs[jobPlain].at(cachedPaths(fmt.Sprintf("/cached/service%d", s.options.routes/2))...)
	return &program{nameLimen, l.process, jobs}, nil
}

func hostOf(api string) string { return api + ".execute-api.localhost" }

// publishAll makes what all jobs need.
func (s *site) publishAll(ctx context.Context, client *apigateway.Client) (api string, err error) {
	if api, err = s.publish(ctx, client, s.options.routes); err != nil {
		return "", err
	}
	if err := deploy(ctx, client, api, stageCached, true); err != nil {
		return "", fmt.Errorf("deploy %d routes to %s: %w", s.options.routes, stageCached, err)
	}
	if err := sell(ctx, client, api, planThrottled, throttledKeys, nil); err != nil {
		return "", err
	}
	return api, sell(ctx, client, api, planQuota, quotaKeys, &types.QuotaSettings{Limit: unreachedQuota, Period: types.QuotaPeriodTypeMonth})
}

// publish imports an API of so many routes and deploys it. Answers are held until what they changed is served.
func (s *site) publish(ctx context.Context, client *apigateway.Client, routes int) (api string, err error) {
	document, err := s.document(0, routes)
	if err != nil {
		return "", err
	}
	made, err := client.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: document, FailOnWarnings: true})
	if err != nil {
		return "", fmt.Errorf("import %d routes: %w", routes, err)
	}
	if err := deploy(ctx, client, *made.Id, stagePlain, false); err != nil {
		return "", fmt.Errorf("deploy %d routes to %s: %w", routes, stagePlain, err)
	}
	return *made.Id, nil
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
		replace("throttling/rateLimit", unreachedRate), replace("throttling/burstLimit", unreachedBurst),
		replace("caching/enabled", caches), replace("caching/ttlInSeconds", 3600)}})
	return err
}

// addRoute publishes one route more, beside so many.
func (s *site) addRoute(ctx context.Context, client *apigateway.Client, api string, routes int) error {
	document, err := s.document(routes, routes+1)
	if err != nil {
		return err
	}
	if _, err := client.PutRestApi(ctx, &apigateway.PutRestApiInput{RestApiId: &api, Mode: types.PutModeMerge, Body: document}); err != nil {
		return fmt.Errorf("add a route to %d: %w", routes, err)
	}
	_, err = client.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: &api, StageName: aws.String(stagePlain)})
	return err
}

// sell makes the keys of a plan that throttles, and may have a quota.
func sell(ctx context.Context, client *apigateway.Client, api, name string, count int, quota *types.QuotaSettings) error {
	limit := &types.ThrottleSettings{RateLimit: unreachedRate, BurstLimit: unreachedBurst}
	plan, err := client.CreateUsagePlan(ctx, &apigateway.CreateUsagePlanInput{Name: &name, Throttle: limit, Quota: quota,
		ApiStages: []types.ApiStage{{ApiId: &api, Stage: aws.String(stagePlain)}}})
	if err != nil {
		return err
	}
	var file bytes.Buffer
	rows := csv.NewWriter(&file)
	_ = rows.Write([]string{"name", "key", "enabled", "usageplanIds"}) // a buffer takes all
	for _, key := range apiKeys(name, count) {
		_ = rows.Write([]string{strings.Join(strings.Split(key, "-")[:2], "-"), key, "true", *plan.Id})
	}
	rows.Flush()
	_, err = client.ImportApiKeys(ctx, &apigateway.ImportApiKeysInput{Body: file.Bytes(), Format: types.ApiKeysFormatCsv, FailOnWarnings: true})
	if err != nil {
		return fmt.Errorf("import %d keys: %w", count, err)
	}
	return nil
}

// document describes the routes of these numbers in OpenAPI: GET and, at the one in the middle of the plan, POST
// /service{n}/orders/{id}, each proxied to the upstream's /orders/{id}; and one more that needs an API key.
func (s *site) document(from, to int) ([]byte, error) {
	paths := map[string]any{}
	for i := from; i < to; i++ {
		methods := map[string]any{"get": s.method("GET")}
		if i == s.options.routes/2 {
			methods["post"] = s.method("POST")
		}
		paths[fmt.Sprintf("/service%d/orders/{id}", i)] = methods
	}
	keyed := s.method("GET")
	keyed["security"] = []any{map[string]any{"key": []any{}}}
	paths["/keyed/orders/{id}"] = map[string]any{"get": keyed}
	return json.Marshal(map[string]any{"openapi": "3.0.1", "info": map[string]any{"title": "bench", "version": "1"}, "paths": paths,
		"components": map[string]any{"securitySchemes": map[string]any{"key": map[string]any{"type": "apiKey", "name": "x-api-key", "in": "header"}}}})
}

func (s *site) method(verb string) map[string]any {
	return map[string]any{
		"parameters": []any{map[string]any{"name": "id", "in": "path", "required": true, "schema": map[string]any{"type": "string"}}},
		"responses":  map[string]any{},
		"x-amazon-apigateway-integration": map[string]any{
			"type": "http_proxy", "httpMethod": verb, "uri": "http://" + s.upstream.address + "/orders/{id}",
			"requestParameters":  map[string]string{"integration.request.path.id": "method.request.path.id"},
			"cacheKeyParameters": []string{"method.request.path.id"},
		},
	}
}
