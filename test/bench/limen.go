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

// launch starts limen with an empty data folder and waits until it is ready. Its log, access log included, is a file.
func (s *site) launch(ctx context.Context, name, cpus string, args ...string) (*limen, error) {
	side, err := freeAddress()
	if err != nil {
		return nil, err
	}
	env := []string{"LIMEN_TELEMETRY_LISTEN=" + side, "LIMEN_TELEMETRY_PROFILES=true"}
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

// startLimen starts the measured limen and publishes an API of so many routes.
func (s *site) startLimen(ctx context.Context) (*peer, error) {
	l, err := s.launch(ctx, "limen", s.options.peerCPU)
	if err != nil {
		return nil, err
	}
	api, err := s.publish(ctx, l)
	if err != nil {
		l.stop()
		return nil, err
	}
	s.footing.withRoutes = residentOf(l.pid())
	s.footing.side = l.side
	return &peer{name: "limen", process: l.process, address: l.address, path: s.requestPath(), host: api + ".execute-api.localhost"}, nil
}

// publish imports the API and deploys it to the stage prod. The answer to the deployment is held until it is served.
func (s *site) publish(ctx context.Context, l *limen) (string, error) {
	document, err := s.document()
	if err != nil {
		return "", err
	}
	client := apigateway.New(apigateway.Options{
		BaseEndpoint: aws.String("http://" + l.address), Region: l.printed["AWS_DEFAULT_REGION"],
		Credentials: credentials.NewStaticCredentialsProvider(l.printed["AWS_ACCESS_KEY_ID"], l.printed["AWS_SECRET_ACCESS_KEY"], ""),
	})
	api, err := client.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: document, FailOnWarnings: true})
	if err != nil {
		return "", fmt.Errorf("import %d routes: %w", s.options.routes, err)
	}
	if _, err := client.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: api.Id, StageName: aws.String("prod")}); err != nil {
		return "", fmt.Errorf("deploy %d routes: %w", s.options.routes, err)
	}
	return *api.Id, nil
}

// document describes the routes in OpenAPI: GET /service{n}/orders/{id}, each proxied to the upstream's /orders/{id}.
func (s *site) document() ([]byte, error) {
	paths := map[string]any{}
	for i := range s.options.routes {
		paths[fmt.Sprintf("/service%d/orders/{id}", i)] = map[string]any{"get": map[string]any{
			"parameters": []any{map[string]any{"name": "id", "in": "path", "required": true, "schema": map[string]any{"type": "string"}}},
			"responses":  map[string]any{},
			"x-amazon-apigateway-integration": map[string]any{
				"type": "http_proxy", "httpMethod": "GET", "uri": "http://" + s.upstream.address + "/orders/{id}",
				"requestParameters": map[string]string{"integration.request.path.id": "method.request.path.id"},
			},
		}}
	}
	return json.Marshal(map[string]any{"openapi": "3.0.1", "info": map[string]any{"title": "bench", "version": "1"}, "paths": paths})
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
	i := slices.IndexFunc(s.peers, func(p *peer) bool { return p.name == "limen" })
	if s.options.profile == "" || i < 0 {
		return nil
	}
	const span = 8 * time.Second
	profile := make(chan error, 1)
	go func() {
		profile <- s.fetch(ctx, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", s.footing.side, int((span-2*time.Second)/time.Second)))
	}()
	_, err := s.load(ctx, s.peers[i], span)
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
