package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"

	"github.com/limen-gateway/limen/test/scenario"
)

// site is a running cluster with what is published on it, and the backend on this machine that it calls.
type site struct {
	*project
	target scenario.Target
	apis   *apigateway.Client
	// rest is an API with a path for each thing that is asked on the way; see publish. key is of its usage plan.
	rest, key string
	// socketAPI is a WebSocket API whose function says again what it is told.
	socketAPI string
	backend   *http.Server
}

// stage is where everything is published.
const stage = "live"

// newSite finds the cluster's addresses and keys and starts the backend.
func newSite(ctx context.Context, p *project) (*site, error) {
	s := &site{project: p}
	s.target.Region = "us-east-1"
	for port, url := range map[string]*string{"4566": &s.target.Control, "8080": &s.target.Data} {
		address, err := p.address(ctx, port)
		if err != nil {
			return nil, err
		}
		*url = "http://" + address
	}
	if err := s.keys(ctx); err != nil {
		return nil, err
	}
	s.target.Command = s.command
	s.apis = s.client(aws.NopRetryer{})
	return s, s.serve(ctx)
}

// client is an SDK client of the control plane.
func (s *site) client(retryer aws.Retryer) *apigateway.Client {
	return apigateway.New(apigateway.Options{
		BaseEndpoint: aws.String(s.target.Control), Region: s.target.Region, Retryer: retryer, HTTPClient: &http.Client{Timeout: 10 * time.Second},
		Credentials: credentials.NewStaticCredentialsProvider(s.target.Key.AccessKeyID, s.target.Key.SecretAccessKey, ""),
	})
}

// keys asks an admin for the root keys that were made at the first start.
func (s *site) keys(ctx context.Context) error {
	for account, key := range map[string]*scenario.Key{"111111111111": &s.target.Key, "222222222222": &s.target.Other} {
		out, err := s.do(ctx, "exec", "-T", "admin", "/limen", "cluster", "keys", "--account", account)
		if err != nil {
			return err
		}
		key.Account = account
		for word := range strings.FieldsSeq(out) {
			switch name, value, _ := strings.Cut(word, "="); name {
			case "AWS_ACCESS_KEY_ID":
				key.AccessKeyID = value
			case "AWS_SECRET_ACCESS_KEY":
				key.SecretAccessKey = value
			}
		}
	}
	return nil
}

// command runs limen's command line on this machine, as a user of the cluster does.
func (s *site) command(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, filepath.Join(s.root, "bin", "limen"), args...)
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+s.target.Control, "AWS_DEFAULT_REGION="+s.target.Region,
		"AWS_ACCESS_KEY_ID="+s.target.Key.AccessKeyID, "AWS_SECRET_ACCESS_KEY="+s.target.Key.SecretAccessKey)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("limen %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return string(out), nil
}

// serve runs the backend where the cluster's network reaches this machine.
func (s *site) serve(ctx context.Context) error {
	gateway, err := s.gateway(ctx)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", net.JoinHostPort(gateway, "0"))
	if err != nil {
		return err
	}
	s.target.Backend = "http://" + l.Addr().String()
	s.backend = &http.Server{Handler: scenario.Echo(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = s.backend.Serve(l) }()
	return nil
}

// publish makes the API that is loaded: /backend asks nobody but the backend, /guarded an authorizer, /kept the cache, and
// /sold needs a key with a quota.
func (s *site) publish(ctx context.Context, quota int32) error {
	mock := `"x-amazon-apigateway-integration":{"type":"mock","requestTemplates":{"application/json":"{\"statusCode\": 200}"},"responses":{"default":{"statusCode":"200"}}}`
	proxy := `"x-amazon-apigateway-integration":{"type":"http_proxy","httpMethod":"GET","uri":"` + s.target.Backend + `/x"}`
	get := func(more string) string { return `{"get":{"responses":{"200":{"description":"ok"}},` + more + `}}` }
	document := `{"openapi":"3.0.1","info":{"title":"loaded","version":"1"},"paths":{"/backend":` + get(proxy) + `,"/kept":` + get(proxy) +
		`,"/sold":` + get(`"security":[{"key":[]}],`+mock) + `,"/guarded":` + get(`"security":[{"by":[]}],`+mock) + `},
		"components":{"securitySchemes":{"key":{"type":"apiKey","in":"header","name":"x-api-key"},"by":{"type":"apiKey","in":"header","name":"Authorization",
		"x-amazon-apigateway-authtype":"custom","x-amazon-apigateway-authorizer":{"type":"token","authorizerResultTtlInSeconds":0,
		"authorizerUri":"arn:aws:apigateway:` + s.target.Region + `:lambda:path/2015-03-31/functions/arn:aws:lambda:` + s.target.Region + `:` + s.target.Key.Account + `:function:authorizer/invocations"}}}}}`
	api, err := s.apis.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: []byte(document)})
	if err != nil {
		return err
	}
	s.rest = *api.Id
	if _, err := s.apis.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: &s.rest, StageName: aws.String(stage)}); err != nil {
		return err
	}
	set := func(path, value string) types.PatchOperation {
		return types.PatchOperation{Op: types.OpReplace, Path: &path, Value: &value}
	}
	_, err = s.apis.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: &s.rest, StageName: aws.String(stage),
		PatchOperations: []types.PatchOperation{set("/cacheClusterEnabled", "true"), set("/~1kept/GET/caching/enabled", "true")}})
	if err != nil {
		return err
	}
	if s.key, err = s.sell(ctx, quota); err != nil {
		return err
	}
	_, err = s.command(ctx, "wait", s.rest, stage)
	return err
}

// sell makes a key with a monthly quota for the API and returns its value.
func (s *site) sell(ctx context.Context, quota int32) (string, error) {
	key, err := s.apis.CreateApiKey(ctx, &apigateway.CreateApiKeyInput{Enabled: true})
	if err != nil {
		return "", err
	}
	plan, err := s.apis.CreateUsagePlan(ctx, &apigateway.CreateUsagePlanInput{Name: aws.String("plan"),
		ApiStages: []types.ApiStage{{ApiId: &s.rest, Stage: aws.String(stage)}},
		Quota:     &types.QuotaSettings{Limit: quota, Period: types.QuotaPeriodTypeMonth}})
	if err != nil {
		return "", err
	}
	_, err = s.apis.CreateUsagePlanKey(ctx, &apigateway.CreateUsagePlanKeyInput{UsagePlanId: plan.Id, KeyId: key.Id, KeyType: aws.String("API_KEY")})
	return *key.Value, err
}

// request is a call of a path of the loaded API, with all that any of them needs.
func (s *site) request(ctx context.Context, path, key string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.target.Data+"/_aws/execute-api/"+s.rest+"/"+stage+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("x-api-key", key)
	req.Header.Set("Authorization", "Bearer allow")
	return req, nil
}
