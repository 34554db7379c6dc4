// Package faults takes parts of a running limen away, the real ones, and watches what its clients see.
package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"

	"github.com/limen-gateway/limen/test/harness"
)

const (
	account     = "111111111111"
	accessKey   = "AKIAFAULTS0000000000"
	secretKey   = "the-secret-of-the-root-key"
	region      = "us-east-1"
	patience    = time.Minute // a machine may be busy
	callTimeout = 10 * time.Second
)

// process is one limen server, running or not. Its methods belong to the test's goroutine.
type process struct {
	t    *testing.T
	args []string
	env  []string
	log  *lines
	cmd  *exec.Cmd
	done chan struct{}
}

// lines is what a process writes; it wakes who waits for a text.
type lines struct {
	mu      sync.Mutex
	buf     bytes.Buffer
	changed chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// await waits until text stands behind an offset of the log.
func (l *lines) await(ctx context.Context, offset int, text string, ended <-chan struct{}) error {
	for {
		l.mu.Lock()
		found, changed := strings.Contains(l.buf.String()[offset:], text), l.changed
		l.mu.Unlock()
		if found {
			return nil
		}
		select {
		case <-changed:
		case <-ended:
			return errors.New("the process ended")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// server makes a process that plays roles; settings are name=value.
func server(t *testing.T, keys, dir, roles string, settings ...string) *process {
	args := []string{"server", "--role", roles, "--data-dir", dir, "--set", "telemetry.listen=127.0.0.1:0", "--set", "trust.insecure=true", "--set", "edge.drain_grace=1ms", "--set", "admin.drain_grace=1ms"}
	for _, s := range settings {
		args = append(args, "--set", s)
	}
	p := &process{t: t, args: args, log: &lines{changed: make(chan struct{})}, env: []string{"LIMEN_ROOT_ACCESS_KEY_FILE=" + keys}}
	t.Cleanup(func() {
		if p.cmd != nil {
			p.kill()
		}
		if strings.Contains(p.log.String(), secretKey) {
			t.Error("the secret of the root key stands in the log")
		}
		if t.Failed() {
			t.Logf("what limen server --role %s wrote:\n%s", roles, p.log)
		}
	})
	return p
}

// start starts the process and waits until it says that it is ready.
func (p *process) start() {
	p.t.Helper()
	offset := len(p.log.String())
	p.cmd = exec.Command(harness.Binary(p.t), p.args...)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "LIMEN_") && !strings.HasPrefix(e, "AWS_") {
			p.cmd.Env = append(p.cmd.Env, e)
		}
	}
	p.cmd.Env = append(p.cmd.Env, p.env...)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	done, cmd := make(chan struct{}), p.cmd
	p.done = done
	go func() { _ = cmd.Wait(); close(done) }()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if err := p.log.await(ctx, offset, "msg=ready ", done); err != nil {
		p.t.Fatalf("limen %s is not ready: %v", strings.Join(p.args[:3], " "), err)
	}
}

func (p *process) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
}

// kill ends the process at once and waits until it is gone.
func (p *process) kill() {
	p.t.Helper()
	p.signal(syscall.SIGKILL)
	<-p.done
	p.cmd = nil
}

// cluster is a control plane with functions, and edges, each a process of its own.
type cluster struct {
	t       *testing.T
	control *process
	edges   []*process
	urls    []string // of the edges
	admin   string   // URL of the control plane
	api     *apigateway.Client
	http    *http.Client
}

// functions are settings that declare what the API's paths invoke.
const functions = `functions:
  declare:
    - {name: hello, sample: hello}
    - {name: slow, sample: slow, timeout: 20s}
`

// newCluster starts a control plane and some edges.
func newCluster(t *testing.T, edges int) *cluster {
	t.Helper()
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys")
	if err := os.WriteFile(keys, []byte(account+" "+accessKey+" "+secretKey+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(dir, "limen.yaml")
	if err := os.WriteFile(settings, []byte(functions), 0o600); err != nil {
		t.Fatal(err)
	}
	address := ports(t, 3+edges)
	c := &cluster{t: t, admin: "http://" + address[0]}
	c.control = server(t, keys, filepath.Join(dir, "control"), "etcd,nats,admin,functions",
		"admin.listen="+address[0], "admin.grpc_listen="+address[1], "functions.listen="+address[2])
	c.control.args = append(c.control.args, "--config", settings)
	c.control.start()
	for i := range edges {
		e := server(t, keys, filepath.Join(dir, fmt.Sprintf("edge%d", i)), "edge",
			"edge.listen="+address[3+i], "admin_address="+address[1], "edge.functions_url=http://"+address[2], "edge.access_log=off")
		c.edges, c.urls = append(c.edges, e), append(c.urls, "http://"+address[3+i])
		e.start()
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 8}
	t.Cleanup(transport.CloseIdleConnections)
	c.http = &http.Client{Transport: transport, Timeout: callTimeout}
	c.api = apigateway.New(apigateway.Options{BaseEndpoint: aws.String(c.admin), Region: region, HTTPClient: c.http, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(accessKey, secretKey, "")})
	return c
}

// ports finds free addresses.
func ports(t *testing.T, n int) []string {
	t.Helper()
	out := make([]string, n)
	for i := range out {
		out[i] = harness.FreeAddress(t)
	}
	return out
}

// call asks an edge and returns status, headers and body.
func (c *cluster) call(edge int, path string) (int, http.Header, string, error) {
	res, err := c.http.Get(c.urls[edge] + path)
	if err != nil {
		return 0, nil, "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, string(body), err
}

// wait runs limen wait for a stage.
func (c *cluster) wait(api, stage string, timeout time.Duration) (out string, code int) {
	c.t.Helper()
	out, stderr, code := harness.Run(c.t, []string{"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey},
		"wait", api, stage, "--endpoint-url", c.admin, "--timeout", timeout.String())
	return out + stderr, code
}

// document is an API whose /pets answers text, and whose other paths invoke functions.
func document(text string) []byte {
	lambda := func(name string) string {
		return fmt.Sprintf(`{"get":{"x-amazon-apigateway-integration":{"type":"aws_proxy","httpMethod":"POST",
			"uri":"arn:aws:apigateway:%s:lambda:path/2015-03-31/functions/arn:aws:lambda:%s:%s:function:%s/invocations"}}}`, region, region, account, name)
	}
	return fmt.Appendf(nil, `{"openapi":"3.0.1","info":{"title":"a","version":"1"},"paths":{
		"/hello":%s,"/slow":%s,
		"/pets":{"get":{"responses":{"200":{"description":"ok"}},"x-amazon-apigateway-integration":{"type":"mock",
			"requestTemplates":{"application/json":"{\"statusCode\": 200}"},
			"responses":{"default":{"statusCode":"200","responseTemplates":{"application/json":%q}}}}}}}}`, lambda("hello"), lambda("slow"), text)
}

// create makes an API that is deployed to the stage live and returns its id.
func (c *cluster) create(text string) string {
	c.t.Helper()
	out, err := c.api.ImportRestApi(c.t.Context(), &apigateway.ImportRestApiInput{Body: document(text)})
	if err != nil {
		c.t.Fatal(err)
	}
	c.deploy(*out.Id, "live")
	return *out.Id
}

// put changes what an API answers and deploys it.
func (c *cluster) put(api, text string) {
	c.t.Helper()
	if _, err := c.api.PutRestApi(c.t.Context(), &apigateway.PutRestApiInput{RestApiId: &api, Mode: "overwrite", Body: document(text)}); err != nil {
		c.t.Fatal(err)
	}
	c.deploy(api, "live")
}

func (c *cluster) deploy(api, stage string) {
	c.t.Helper()
	if _, err := c.api.CreateDeployment(c.t.Context(), &apigateway.CreateDeploymentInput{RestApiId: &api, StageName: &stage}); err != nil {
		c.t.Fatal(err)
	}
}
