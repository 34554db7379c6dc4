package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
)

// socketPeer is a program with WebSockets, and where they are.
type socketPeer struct {
	*process
	order socketOrder
	push  string
	side  string // of a limen
}

// idleRow is what an idle connection costs a program.
type idleRow struct {
	name   string
	secure bool
	bytes  int64
}

// socketWarmth is how many connections are open before memory is compared: what a program takes once is not counted.
const socketWarmth = 200

// sockets measures WebSockets beside a bare gorilla server and prints the tables.
func (s *site) sockets(ctx context.Context) error {
	w := &s.out
	rows, err := s.measureSockets(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\n## WebSocket, one core each\n\n%d rounds of %s, %d connections, messages of %d bytes. limen's echo is a MOCK route with a route response of\n"+
		"that length: routed by $request.body.action, answered by a template. limen's push is a signed POST to @connections at the edge, gorilla's one to a handler;\n"+
		"each waits until the message has arrived.\n\n", s.options.rounds, s.options.duration, s.options.conns, len(echoMessage()))
	socketTable(w, rows)
	warn(w, rows)
	idle, err := s.measureIdle(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\n## Resident memory of an idle WebSocket, %d open\n\n", s.options.idle)
	idleTable(w, idle)
	return nil
}

func socketTable(w io.Writer, rows []*result) {
	writeHead(w, []string{"", "messages/s", "of gorilla", "p50", "p99", "CPU s/100k", "CPU, of gorilla", "core used"})
	for _, r := range rows {
		job, _, _ := strings.Cut(r.name, ",")
		base := named(rows, job+", gorilla")
		writeLine(w, []string{
			r.name, fmt.Sprintf("%.0f", r.median(rateOf)), ratio(r, base, rateOf), milliseconds(medianOf(r, p50Of)), milliseconds(medianOf(r, p99Of)),
			fmt.Sprintf("%.2f", r.median(cpuOf)), ratio(r, base, cpuOf), percent(r.median(shareOf)),
		})
	}
	reportFailures(w, rows)
}

// idleTable compares each row with gorilla's of the same kind, with TLS or without.
func idleTable(w io.Writer, rows []idleRow) {
	gorilla := map[bool]int64{}
	for _, r := range rows {
		if strings.HasPrefix(r.name, "gorilla") {
			gorilla[r.secure] = r.bytes
		}
	}
	writeHead(w, []string{"", "per connection", "of gorilla"})
	for _, r := range rows {
		writeLine(w, []string{r.name, fmt.Sprintf("%.1f KiB", float64(r.bytes)/1024), fmt.Sprintf("%.2f", float64(r.bytes)/float64(gorilla[r.secure]))})
	}
}

// measureSockets loads both peers with both jobs in turns.
func (s *site) measureSockets(ctx context.Context) ([]*result, error) {
	l, err := s.startSocketLimen(ctx, "limen-sockets", s.options.peerCPU)
	if err != nil {
		return nil, err
	}
	defer l.stop()
	g, err := s.startGorilla(ctx, s.options.peerCPU)
	if err != nil {
		return nil, err
	}
	defer g.stop()
	type job struct {
		*result
		p     *socketPeer
		order socketOrder
	}
	var jobs []job
	for _, kind := range []string{"echo", "push"} {
		for _, p := range []*socketPeer{l, g} {
			name := "gorilla"
			if p == l {
				name = "limen"
			}
			order := p.order
			order.Conns, order.Span = s.options.conns, s.options.duration
			if kind == "push" {
				order.Push = p.push
			}
			jobs = append(jobs, job{&result{name: kind + ", " + name, process: p.process}, p, order})
		}
	}
	var out []*result
	for round := range s.options.rounds + 1 { // the first warms
		for _, j := range jobs {
			awaitQuiet(ctx, s.options.patience)
			v, err := s.observe(j.p.process, func() (sample, float64, error) { return s.runOrder(ctx, roleSocketLoad, j.order) })
			if err != nil {
				return nil, fmt.Errorf("%s: %w", j.name, err)
			}
			if round > 0 {
				j.samples = append(j.samples, v)
			}
		}
	}
	for _, j := range jobs {
		out = append(out, j.result)
	}
	if s.options.profile == "" || strings.Contains(s.options.parts, "http") {
		return out, nil
	}
	return out, s.profiled(ctx, l.side, func(span time.Duration) error {
		echo := jobs[0].order
		echo.Span = span
		_, _, err := s.runOrder(ctx, roleSocketLoad, echo)
		return err
	})
}

// startGorilla starts a gorilla server; env may name its certificate.
func (s *site) startGorilla(ctx context.Context, cpus string, env ...string) (*socketPeer, error) {
	p, err := s.startSelf(ctx, roleGorilla, cpus, env...)
	if err != nil {
		return nil, err
	}
	return &socketPeer{p, socketOrder{URL: socketURL(len(env) > 0, p.address, "/")}, "http://" + p.address + "/push/", ""}, nil
}

// startSocketLimen starts a limen with the API of these measurements at the stage prod; its WebSockets are at the one port.
func (s *site) startSocketLimen(ctx context.Context, name, cpus string, args ...string) (*socketPeer, error) {
	l, err := s.launch(ctx, name, cpus, args...)
	if err != nil {
		return nil, err
	}
	api, err := publishSockets(ctx, l)
	if err != nil {
		l.stop()
		return nil, err
	}
	path := "/_aws/execute-api/" + api + "/prod"
	return &socketPeer{l.process, socketOrder{URL: socketURL(false, l.address, path), Region: l.printed["AWS_DEFAULT_REGION"],
		AccessKey: l.printed["AWS_ACCESS_KEY_ID"], Secret: l.printed["AWS_SECRET_ACCESS_KEY"]}, "http://" + l.address + path + "/@connections/", l.side}, nil
}

// publishSockets makes an API with two MOCK routes that answer: echo, and id.
func publishSockets(ctx context.Context, l *limen) (string, error) {
	v2 := apigatewayv2.New(apigatewayv2.Options{
		BaseEndpoint: aws.String("http://" + l.address), Region: l.printed["AWS_DEFAULT_REGION"],
		Credentials: credentials.NewStaticCredentialsProvider(l.printed["AWS_ACCESS_KEY_ID"], l.printed["AWS_SECRET_ACCESS_KEY"], ""),
	})
	api, err := v2.CreateApi(ctx, &apigatewayv2.CreateApiInput{Name: aws.String("bench"), ProtocolType: types.ProtocolTypeWebsocket, RouteSelectionExpression: aws.String("$request.body.action")})
	if err != nil {
		return "", err
	}
	for route, answer := range map[string]string{"echo": echoMessage(), "id": `{"id":"$context.connectionId"}`} {
		in, err := v2.CreateIntegration(ctx, &apigatewayv2.CreateIntegrationInput{ApiId: api.ApiId, IntegrationType: types.IntegrationTypeMock,
			TemplateSelectionExpression: aws.String("200"), RequestTemplates: map[string]string{"200": `{"statusCode":200}`}})
		if err != nil {
			return "", err
		}
		_, err1 := v2.CreateIntegrationResponse(ctx, &apigatewayv2.CreateIntegrationResponseInput{ApiId: api.ApiId, IntegrationId: in.IntegrationId,
			IntegrationResponseKey: aws.String("$default"), ResponseTemplates: map[string]string{"$default": answer}})
		r, err2 := v2.CreateRoute(ctx, &apigatewayv2.CreateRouteInput{ApiId: api.ApiId, RouteKey: &route, Target: aws.String("integrations/" + *in.IntegrationId),
			RouteResponseSelectionExpression: aws.String("$default")})
		if err := errors.Join(err1, err2); err != nil {
			return "", err
		}
		if _, err := v2.CreateRouteResponse(ctx, &apigatewayv2.CreateRouteResponseInput{ApiId: api.ApiId, RouteId: r.RouteId, RouteResponseKey: aws.String("$default")}); err != nil {
			return "", err
		}
	}
	d, err := v2.CreateDeployment(ctx, &apigatewayv2.CreateDeploymentInput{ApiId: api.ApiId})
	if err != nil {
		return "", err
	}
	_, err = v2.CreateStage(ctx, &apigatewayv2.CreateStageInput{ApiId: api.ApiId, StageName: aws.String("prod"), DeploymentId: d.DeploymentId})
	return *api.ApiId, err
}

// measureIdle opens many connections to each peer, one fresh program for each row, and compares its resident memory.
func (s *site) measureIdle(ctx context.Context) ([]idleRow, error) {
	var secure, direct, directSecure string
	if err := freeAddresses(&secure, &direct, &directSecure); err != nil {
		return nil, err
	}
	settings := append(s.tlsSettings(secure), "--set", "wsconn.listen="+direct, "--set", "wsconn.tls_listen="+directSecure,
		"--set", "wsconn.cert_file="+s.cert+".crt", "--set", "wsconn.key_file="+s.cert+".key")
	started := 0
	limenAt := func(address string, secure bool) func() (*socketPeer, error) {
		return func() (*socketPeer, error) {
			started++
			l, err := s.startSocketLimen(ctx, fmt.Sprintf("limen-idle%d", started), "", settings...)
			if err == nil && address != "" {
				_, path, _ := strings.Cut(strings.TrimPrefix(l.order.URL, "ws://"), "/")
				l.order.URL = socketURL(secure, address, path)
			}
			return l, err
		}
	}
	var out []idleRow
	for _, row := range []struct {
		name   string
		secure bool
		start  func() (*socketPeer, error)
	}{
		{"limen, direct, plain", false, limenAt(direct, false)},
		{"limen, through the edge, plain", false, limenAt("", false)},
		{"gorilla, plain", false, func() (*socketPeer, error) { return s.startGorilla(ctx, "") }},
		{"limen, direct, TLS", true, limenAt(directSecure, true)},
		{"limen, through the edge, TLS", true, limenAt(secure, true)},
		{"gorilla, TLS", true, func() (*socketPeer, error) { return s.startGorilla(ctx, "", certVariable+"="+s.cert) }},
	} {
		p, err := row.start()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", row.name, err)
		}
		bytes, err := s.idle(ctx, p)
		p.kill() // a limen that is told to end takes its time for its clients
		if err != nil {
			return nil, fmt.Errorf("%s: %w", row.name, err)
		}
		out = append(out, idleRow{row.name, row.secure, bytes})
	}
	return out, nil
}

// idle is the memory that one more idle connection takes.
func (s *site) idle(ctx context.Context, p *socketPeer) (int64, error) {
	warm, err := s.hold(ctx, p, socketWarmth)
	if err != nil {
		return 0, err
	}
	defer warm.kill()
	sleep(ctx, 2*time.Second)
	before := residentOf(p.pid())
	held, err := s.hold(ctx, p, s.options.idle)
	if err != nil {
		return 0, err
	}
	defer held.kill()
	sleep(ctx, 3*time.Second)
	return (residentOf(p.pid()) - before) / int64(s.options.idle), nil
}

// hold opens connections and keeps them until the process is killed.
func (s *site) hold(ctx context.Context, p *socketPeer, n int) (*process, error) {
	o := p.order
	o.Conns = n
	order, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	held, err := s.startSelf(ctx, roleSocketHold, "", orderVariable+"="+string(order))
	if err != nil {
		return nil, fmt.Errorf("%w: %s", err, tail(s.dir+"/"+roleSocketHold+".log"))
	}
	return held, nil
}
