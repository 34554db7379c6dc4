package edge

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/functions"
	"github.com/limen-gateway/limen/platform/snapshots"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	edgev1 "github.com/limen-gateway/limen/proto/edge/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	apiID   = "a1b2c3d4e5"
	apiHost = apiID + ".execute-api.localhost"
	account = "123456789012"
)

// world is an edge with one API on stage prod, its backend and its functions.
type world struct {
	t    testing.TB
	edge *Service
	addr string
	log  *lockedBuffer
	stop func() error
}

type seenRequest struct {
	line    string
	headers []string
	body    string
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// rawBackend answers each request on a socket with what answer returns, and shows the request as it came.
func rawBackend(t testing.TB, answer func(r *seenRequest) string) (addr string, seen chan *seenRequest) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	seen = make(chan *seenRequest, 100)
	var wg sync.WaitGroup
	t.Cleanup(func() {
		_ = l.Close()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				r := bufio.NewReader(c)
				for {
					req := readSeen(r)
					if req == nil {
						return
					}
					seen <- req
					out := answer(req)
					if _, err := io.WriteString(c, out); err != nil || out == "" {
						return
					}
				}
			})
		}
	})
	return l.Addr().String(), seen
}

func readSeen(r *bufio.Reader) *seenRequest {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil
	}
	out, length := &seenRequest{line: strings.TrimSpace(line)}, 0
	for {
		h, err := r.ReadString('\n')
		if err != nil {
			return nil
		}
		if h = strings.TrimRight(h, "\r\n"); h == "" {
			break
		}
		out.headers = append(out.headers, h)
		_, _ = fmt.Sscanf(h, "Content-Length: %d", &length)
	}
	b := make([]byte, length)
	if _, err := io.ReadFull(r, b); err != nil {
		return nil
	}
	out.body = string(b)
	return out
}

type method struct {
	path, verb string
	m          *apigatewayv1.Method
}

func str(m map[string]string) *apigatewayv1.StringMap {
	if m == nil {
		return nil
	}
	return &apigatewayv1.StringMap{Entries: m}
}

func deployment(change func(*snapshotv1.Deployment), methods ...method) *snapshotv1.Deployment {
	d := &snapshotv1.Deployment{Account: account, Region: "us-east-1", ApiId: apiID, RestApi: &apigatewayv1.RestApi{Id: proto.String(apiID)}}
	byPath := map[string]*apigatewayv1.Resource{}
	for _, m := range methods {
		r := byPath[m.path]
		if r == nil {
			r = &apigatewayv1.Resource{Id: proto.String("r" + fmt.Sprint(len(byPath))), Path: proto.String(m.path), ResourceMethods: &apigatewayv1.MethodMap{Entries: map[string]*apigatewayv1.Method{}}}
			byPath[m.path] = r
			d.Resources = append(d.Resources, r)
		}
		m.m.HttpMethod = proto.String(m.verb)
		if m.m.AuthorizationType == nil {
			m.m.AuthorizationType = proto.String("NONE")
		}
		r.ResourceMethods.Entries[m.verb] = m.m
	}
	if change != nil {
		change(d)
	}
	return d
}

func of(in *apigatewayv1.Integration) *apigatewayv1.Method {
	return &apigatewayv1.Method{MethodIntegration: in}
}

func proxyTo(uri string, params map[string]string) *apigatewayv1.Integration {
	return &apigatewayv1.Integration{Type: proto.String("HTTP_PROXY"), HttpMethod: proto.String("ANY"), Uri: proto.String(uri), RequestParameters: str(params), TimeoutInMillis: proto.Int32(2000)}
}

func lambda(name string) *apigatewayv1.Integration {
	return &apigatewayv1.Integration{Type: proto.String("AWS_PROXY"), HttpMethod: proto.String("POST"), TimeoutInMillis: proto.Int32(2000),
		Uri: proto.String("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:" + account + ":function:" + name + "/invocations")}
}

// withResponses makes a method with method responses and integration responses of the same status codes.
func withResponses(in *apigatewayv1.Integration, responses ...*apigatewayv1.IntegrationResponse) *apigatewayv1.Method {
	m := of(in)
	in.IntegrationResponses = &apigatewayv1.IntegrationResponseMap{Entries: map[string]*apigatewayv1.IntegrationResponse{}}
	m.MethodResponses = &apigatewayv1.MethodResponseMap{Entries: map[string]*apigatewayv1.MethodResponse{}}
	for _, r := range responses {
		in.IntegrationResponses.Entries[r.GetStatusCode()] = r
		declared := map[string]bool{}
		for key := range r.GetResponseParameters().GetEntries() {
			declared[key] = true
		}
		m.MethodResponses.Entries[r.GetStatusCode()] = &apigatewayv1.MethodResponse{ResponseParameters: &apigatewayv1.BoolMap{Entries: declared}}
	}
	return m
}

func response(status, pattern string, params, templates map[string]string) *apigatewayv1.IntegrationResponse {
	r := &apigatewayv1.IntegrationResponse{StatusCode: proto.String(status), ResponseParameters: str(params), ResponseTemplates: str(templates)}
	if pattern != "" {
		r.SelectionPattern = proto.String(pattern)
	}
	return r
}

// publish applies deployments: stage name to content.
func publish(s *Service, number int32, variables map[string]string, stages map[string]*snapshotv1.Deployment) {
	contents := map[string][]byte{}
	u := snapshots.Update{Number: number, Full: true, Content: func(h string) ([]byte, bool) { b, ok := contents[h]; return b, ok }}
	for name, d := range stages {
		b, _ := proto.Marshal(d)
		sum := sha256.Sum256(b)
		hash := hex.EncodeToString(sum[:])
		contents[hash] = b
		u.Changed = append(u.Changed, &configv1.Resource{Key: account + "/us-east-1/" + d.GetApiId() + "/" + name, Body: &configv1.Resource_Stage{Stage: &snapshotv1.Stage{
			Account: account, Region: "us-east-1", ApiId: d.GetApiId(), DeploymentHash: hash,
			Stage: &apigatewayv1.Stage{StageName: proto.String(name), DeploymentId: proto.String("dep123"), Variables: str(variables)},
		}}})
	}
	s.Apply(u)
}

type invoker func(arn string, payload []byte) (functions.Result, error)

func (f invoker) Invoke(ctx context.Context, arn string, payload []byte, _ functions.Options) (functions.Result, error) {
	r, err := f(arn, payload)
	if err == errBlocks {
		<-ctx.Done()
		return r, functions.Overdue(ctx)
	}
	return r, err
}

var errBlocks = errors.New("blocks")

func start(t testing.TB, deps Deps) *world {
	t.Helper()
	w := &world{t: t, log: &lockedBuffer{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w.addr = l.Addr().String()
	deps.Sockets = []Socket{{Listener: l}}
	if deps.Log == nil {
		deps.Log, deps.AccessLog = slog.New(slog.NewJSONHandler(w.log, nil)), w.log
	}
	if w.edge, err = New(Config{AccessJSON: true}, deps); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.edge.Run(ctx) }()
	w.stop = sync.OnceValue(func() error {
		cancel()
		return <-done
	})
	t.Cleanup(func() {
		if err := w.stop(); err != nil {
			t.Error(err)
		}
	})
	return w
}

type answer struct {
	status  int
	headers []string // as on the wire
	body    string
}

func (a answer) header(name string) string {
	for _, h := range a.headers {
		if n, v, _ := strings.Cut(h, ": "); strings.EqualFold(n, name) {
			return v
		}
	}
	return ""
}

// send writes a raw request and reads the raw answer.
func (w *world) send(request string) answer {
	w.t.Helper()
	c, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(c, request); err != nil {
		w.t.Fatal(err)
	}
	var raw bytes.Buffer
	verb, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(bufio.NewReader(io.TeeReader(c, &raw)), &http.Request{Method: verb})
	if err != nil {
		w.t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	head, _, _ := strings.Cut(raw.String(), "\r\n\r\n")
	return answer{res.StatusCode, strings.Split(head, "\r\n")[1:], string(body)}
}

func (w *world) get(path string) answer {
	w.t.Helper()
	return w.send("GET " + path + " HTTP/1.1\r\nHost: " + apiHost + "\r\n\r\n")
}

func (w *world) post(path, body string) answer {
	w.t.Helper()
	return w.send(fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", path, apiHost, len(body), body))
}

// explain is the first line of the explanation of an answer.
func (w *world) explain(a answer) string {
	w.t.Helper()
	first, _, _ := strings.Cut(w.explainAll(a), "\n")
	return first
}

// explainAll is the explanation of an answer, asked for by both ids.
func (w *world) explainAll(a answer) string {
	w.t.Helper()
	var texts []string
	for _, name := range []string{"x-amzn-RequestId", "x-amz-apigw-id"} {
		r, err := w.edge.Explain(context.Background(), &edgev1.ExplainRequest{RequestId: a.header(name), Account: account})
		if err != nil || !r.GetFound() {
			w.t.Errorf("no explanation for %s %q", name, a.header(name))
			continue
		}
		texts = append(texts, r.GetText())
	}
	if len(texts) != 2 || texts[0] != texts[1] {
		w.t.Errorf("the ids explain different things: %q", texts)
		return ""
	}
	return texts[0]
}

func unusedAddress(t testing.TB) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

func TestHTTPProxy_passesTheRequestOn(t *testing.T) {
	addr, seen := rawBackend(t, func(*seenRequest) string {
		return "HTTP/1.1 418 Teapot\r\nx-Odd: 1\r\nSet-Cookie: a=1\r\nDate: now\r\nServer: s\r\nX-odd: 2\r\nSet-Cookie: b=2\r\nConnection: keep-alive\r\nVia: v\r\nx-amzn-RequestId: theirs\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntea\r\n0\r\n\r\n"
	})
	w := start(t, Deps{})
	publish(w.edge, 1, map[string]string{"host": addr}, map[string]*snapshotv1.Deployment{"prod": deployment(nil,
		method{"/p/{proxy+}", "ANY", of(proxyTo("http://${stageVariables.host}/base/{proxy}?fixed=1", map[string]string{
			"integration.request.path.proxy": "method.request.path.proxy", "integration.request.header.X-Mapped": "'m'", "integration.request.header.X-Twice": "context.stage",
			"integration.request.querystring.q": "method.request.querystring.a", "integration.request.header.X-None": "method.request.header.Absent",
		}))})})
	a := w.send("PUT /prod/p/a%2Fb/c%20d%25/?a=1+2&b=x%26y&a=3 HTTP/1.1\r\nHost: " + apiHost + "\r\nx-b: 1\r\nX-A: 2\r\nX-Twice: client\r\nx-b: 3\r\nTE: trailers\r\nVia: 1.1 x\r\nContent-Encoding: identity\r\nAuthorization: Bearer t\r\nMax-Forwards: 1\r\nContent-Length: 4\r\nUser-Agent: ua\r\n\r\nbody")
	r := <-seen
	if want := "PUT /base/a/b/c%20d%25?fixed=1&a=1%202&b=x%26y&a=3&q=3 HTTP/1.1"; r.line != want {
		t.Errorf("request line\n got %s\nwant %s", r.line, want)
	}
	trace := regexp.MustCompile(`^X-Amzn-Trace-Id: Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`)
	last := len(r.headers) - 1
	if !trace.MatchString(r.headers[last]) {
		t.Error(r.headers[last])
	}
	want := []string{"Host: " + addr, "x-b: 1", "X-A: 2", "x-b: 3", "Authorization: Bearer t", "User-Agent: ua", "X-Mapped: m", "X-Twice: prod", "Content-Length: 4", "X-Amzn-Apigateway-Api-Id: " + apiID}
	if d := cmp.Diff(want, r.headers[:last]); d != "" {
		t.Error(d)
	}
	if r.body != "body" {
		t.Errorf("%q", r.body)
	}
	if a.status != 418 || a.body != "tea" {
		t.Errorf("%d %q", a.status, a.body)
	}
	var got []string
	for _, h := range a.headers {
		if !strings.HasPrefix(h, "Date: ") && !strings.HasPrefix(h, "x-amzn-RequestId: ") && !strings.HasPrefix(h, "x-amz-apigw-id: ") {
			got = append(got, h)
		}
	}
	want = []string{"Content-Type: text/plain", "Content-Length: 3", "Connection: keep-alive", "x-Odd: 1", "Set-Cookie: a=1", "x-amzn-Remapped-Date: now", "x-amzn-Remapped-Server: s",
		"X-odd: 2", "Set-Cookie: b=2", "x-amzn-Remapped-Connection: keep-alive", "x-amzn-Remapped-x-amzn-RequestId: theirs"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if got := w.explain(a); !strings.HasPrefix(got, "Answered 418: http://"+addr+"/base/a/b/c%20d%25 answered 418 after ") {
		t.Error(got)
	}
}

func TestHTTPProxy_bodiesAreTextUnlessTheirTypeIsBinary(t *testing.T) {
	addr, seen := rawBackend(t, func(r *seenRequest) string {
		return "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 2\r\n\r\n\xff\x00"
	})
	w := start(t, Deps{})
	for _, tt := range []struct {
		binary         []string
		request, reply string
	}{{nil, "a\uFFFD", "\uFFFD\x00"}, {[]string{"image/*"}, "a\xff", "\xff\x00"}} {
		publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(func(d *snapshotv1.Deployment) {
			if tt.binary != nil {
				d.RestApi.BinaryMediaTypes = &apigatewayv1.StringList{Items: tt.binary}
			}
		}, method{"/", "POST", of(proxyTo("http://"+addr, nil))})})
		a := w.send("POST /prod HTTP/1.1\r\nHost: " + apiHost + "\r\nContent-Type: image/png\r\nContent-Length: 2\r\n\r\na\xff")
		if r := <-seen; r.body != tt.request || a.body != tt.reply {
			t.Errorf("%v: %q %q", tt.binary, r.body, a.body)
		}
	}
}

func TestHTTP_sendsOnlyWhatIsMapped(t *testing.T) {
	addr, seen := rawBackend(t, func(r *seenRequest) string {
		if strings.Contains(r.line, "fail") {
			return "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nETag: e\r\n\r\ngone"
		}
		return "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nETag: e1\r\nETag: e2\r\n\r\nok"
	})
	in := &apigatewayv1.Integration{Type: proto.String("HTTP"), HttpMethod: proto.String("POST"), Uri: proto.String("http://" + addr + "/{x}"), RequestParameters: str(map[string]string{
		"integration.request.path.x": "method.request.path.id", "integration.request.header.X-From": "method.request.header.From"})}
	w := start(t, Deps{})
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(nil, method{"/{id}", "POST", withResponses(in,
		response("200", "", map[string]string{"method.response.header.ETag": "integration.response.header.ETag", "method.response.header.Date": "'d'"}, nil),
		response("499", `4\d\d`, nil, map[string]string{"application/json": `{"failed":true}`}))})})

	a := w.send("POST /prod/7 HTTP/1.1\r\nHost: " + apiHost + "\r\nFrom: me\r\nX-Other: x\r\nContent-Length: 2\r\n\r\nhi")
	r := <-seen
	last := len(r.headers) - 1
	want := []string{"Host: " + addr, "Accept: application/json", "Content-Type: application/json", "User-Agent: AmazonAPIGateway_" + apiID, "X-From: me", "Content-Length: 2", "X-Amzn-Apigateway-Api-Id: " + apiID}
	if d := cmp.Diff(want, r.headers[:last]); d != "" || r.line != "POST /7 HTTP/1.1" || r.body != "hi" {
		t.Error(r.line, r.body, d)
	}
	if a.status != 200 || a.body != "ok" || a.header("ETag") != "e2" || a.header("x-amzn-Remapped-Date") != "d" || a.header("Content-Type") != "application/json" || a.header("X-Amzn-Trace-Id") == "" {
		t.Errorf("%+v", a)
	}
	if a := w.send("POST /prod/fail HTTP/1.1\r\nHost: " + apiHost + "\r\n\r\n"); a.status != 499 || a.body != `{"failed":true}` {
		t.Errorf("%+v", a)
	}
}

func mock(template string) *apigatewayv1.Integration {
	in := &apigatewayv1.Integration{Type: proto.String("MOCK"), PassthroughBehavior: proto.String("WHEN_NO_MATCH")}
	if template != "" {
		in.RequestTemplates = str(map[string]string{"application/json": template})
	}
	return in
}

func TestMock(t *testing.T) {
	w := start(t, Deps{})
	responses := []*apigatewayv1.IntegrationResponse{
		response("200", "", map[string]string{"method.response.header.Access-Control-Allow-Origin": "'*'"}, map[string]string{"application/json": `{"ok":true}`, "text/plain": "fine"}),
		response("404", "404", nil, nil),
	}
	never := mock(`{"statusCode": 200}`)
	never.PassthroughBehavior = proto.String("NEVER")
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(nil,
		method{"/ok", "GET", withResponses(mock(`{"statusCode": 200}`), responses...)},
		method{"/lenient", "GET", withResponses(mock(`{statusCode: 404}`), responses...)},
		method{"/empty", "GET", withResponses(mock(""), responses...)},
		method{"/bad", "GET", withResponses(mock(`{"status": 200}`), responses...)},
		method{"/word", "GET", withResponses(mock(`{"a":{"statusCode":1},"statusCode": x}`), responses...)},
		method{"/never", "OPTIONS", withResponses(never, responses...)},
		method{"/none", "GET", withResponses(mock(`{"statusCode": 500}`), response("404", "404", nil, nil))},
	)})
	tests := []struct {
		request string
		status  int
		body    string
		explain string
	}{
		{"GET /prod/ok", 200, `{"ok":true}`, "Answered 200: mock integration gave status 200."},
		{"GET /prod/lenient", 404, "", "Answered 404: mock integration gave status 404."},
		{"GET /prod/empty", 200, `{"ok":true}`, "Answered 200: mock integration gave status 0."},
		{"GET /prod/bad", 500, `{"message": "Internal server error"}`, "The mock integration gave no status: its template must yield an integer statusCode, but its result has no statusCode."},
		{"GET /prod/word", 500, `{"message": "Internal server error"}`, "The mock integration gave no status: its template must yield an integer statusCode, but statusCode is x."},
		{"GET /prod/none", 500, `{"message": "Internal server error"}`, "Integration response missing: the integration answered 500, which no selection pattern matches, and there is no default integration response."},
	}
	for _, tt := range tests {
		a := w.send(tt.request + " HTTP/1.1\r\nHost: " + apiHost + "\r\n\r\n")
		if a.status != tt.status || a.body != tt.body || a.header("X-Amzn-Trace-Id") != "" || a.header("Content-Type") != "application/json" {
			t.Errorf("%s: %+v", tt.request, a)
		}
		if got := w.explain(a); got != tt.explain {
			t.Errorf("%s\n got %s\nwant %s", tt.request, got, tt.explain)
		}
	}
	a := w.send("GET /prod/ok HTTP/1.1\r\nHost: " + apiHost + "\r\nAccept: text/plain\r\n\r\n")
	if a.body != "fine" || a.header("Content-Type") != "text/plain" || a.header("access-control-allow-origin") != "*" {
		t.Errorf("%+v", a)
	}
	a = w.send("OPTIONS /prod/never HTTP/1.1\r\nHost: " + apiHost + "\r\nContent-Type: text/odd; x=y\r\n\r\n")
	if a.status != 415 || a.body != `{"message": "Unsupported Media Type"}` {
		t.Errorf("%+v", a)
	}
	if got := w.explain(a); got != "Unsupported media type: no request template for text/odd, and passthrough behavior is NEVER." {
		t.Error(got)
	}
}

func TestRefusals_areAWSsAndExplained(t *testing.T) {
	closed := unusedAddress(t)
	silent, _ := rawBackend(t, func(*seenRequest) string { return "" })
	release := make(chan struct{})
	slow, _ := rawBackend(t, func(*seenRequest) string { <-release; return "" })
	defer close(release)
	garbage, _ := rawBackend(t, func(*seenRequest) string { return "SSH-2.0-x\r\n\r\n" })
	quick := proxyTo("http://"+slow+"/x", nil)
	quick.TimeoutInMillis = proto.Int32(50)
	forbidden := proxyTo("http://"+closed, map[string]string{"integration.request.header.Content-Length": "'1'"})
	noResponse := withResponses(mock(`{"statusCode": 200}`), response("200", "", nil, nil))
	noResponse.MethodResponses.Entries = map[string]*apigatewayv1.MethodResponse{}
	iam := of(proxyTo("http://"+closed, nil))
	iam.AuthorizationType = proto.String("AWS_IAM")
	keyed := of(proxyTo("http://"+closed, nil))
	keyed.ApiKeyRequired = proto.Bool(true)
	aws := of(&apigatewayv1.Integration{Type: proto.String("AWS"), Uri: proto.String("arn:aws:apigateway:us-east-1:sqs:path/x")})

	w := start(t, Deps{})
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{
		"prod": deployment(nil,
			method{"/pets", "GET", of(proxyTo("http://"+closed+"/p?secret=1", nil))}, method{"/pets", "PUT", of(proxyTo("http://"+closed, nil))},
			method{"/silent", "GET", of(proxyTo("http://"+silent+"/x", nil))}, method{"/slow", "GET", of(quick)}, method{"/garbage", "GET", of(proxyTo("http://"+garbage+"/x", nil))},
			method{"/badport", "GET", of(proxyTo("http://127.0.0.1:99999/", nil))}, method{"/unmapped/{id}", "GET", of(proxyTo("http://"+closed+"/{id}", nil))},
			method{"/nohost", "GET", of(proxyTo("http://${stageVariables.none}/x", nil))}, method{"/forbidden", "GET", of(forbidden)}, method{"/noresponse", "GET", noResponse},
			method{"/iam", "GET", iam}, method{"/keyed", "GET", keyed}, method{"/aws", "GET", aws}, method{"/nofunctions", "GET", of(lambda("f"))},
		),
		"test":    deployment(func(d *snapshotv1.Deployment) { d.RestApi.DisableExecuteApiEndpoint = proto.Bool(true) }, method{"/", "GET", of(mock(""))}),
		"guarded": deployment(func(d *snapshotv1.Deployment) { d.RestApi.Policy = proto.String("{}") }, method{"/", "GET", of(mock(""))}),
		"broken":  deployment(nil, method{"/", "GET", withResponses(mock("#if($x)"), response("200", "", nil, nil))}),
	})
	const (
		mat         = `{"message":"Missing Authentication Token"}`
		forbid      = `{"message":"Forbidden"}`
		internal    = `{"message": "Internal server error"}`
		network     = `{"message": "Network error communicating with endpoint"}`
		timeout     = `{"message": "Endpoint request timed out"}`
		unavailable = `{"message": "Service Unavailable"}`
	)
	tests := []struct {
		host, request string
		status        int
		body, kind    string
		explain       string // regular expression
	}{
		{apiHost, "GET /prod/dogs", 403, mat, "MissingAuthenticationTokenException", "Wrong path: no resource of API a1b2c3d4e5, stage prod matches /dogs\\."},
		{apiHost, "DELETE /prod/pets", 403, mat, "MissingAuthenticationTokenException", "Wrong method: /pets exists, but not for DELETE; the methods there are: GET, PUT\\."},
		{"zzzzzzzzzz.execute-api.localhost", "GET /prod/pets", 403, forbid, "ForbiddenException", "Unknown API: no API with the id zzzzzzzzzz is published on this gateway.*"},
		{apiHost, "GET /dev/pets", 403, forbid, "ForbiddenException", "Unknown stage: API a1b2c3d4e5 has no stage named dev; its stages are: broken, guarded, prod, test\\."},
		{"example.com", "GET /prod/pets", 403, forbid, "ForbiddenException", "Unknown host: example.com is neither .*"},
		{apiHost, "GET /", 403, mat, "MissingAuthenticationTokenException", "The path names no stage: .*"},
		{apiHost, "GET /test", 403, forbid, "ForbiddenException", "The default endpoint of API a1b2c3d4e5 is disabled.*"},
		{apiHost, "GET /broken", 503, unavailable, "ServiceUnavailableException", "Stage broken of API a1b2c3d4e5 cannot be served, because its deployment does not compile: GET /: integration request: .*"},
		{apiHost, "GET /prod/pets", 504, network, "InternalServerErrorException", "Backend unreachable: http://" + closed + "/p: .*connection refused\\."},
		{apiHost, "GET /prod/silent", 504, network, "InternalServerErrorException", "Backend unreachable: http://" + silent + "/x: .*"},
		{apiHost, "GET /prod/garbage", 504, network, "InternalServerErrorException", "The backend http://" + garbage + "/x did not answer with valid HTTP: the status line is malformed\\."},
		{apiHost, "GET /prod/slow", 504, timeout, "InternalServerErrorException", "Backend time-out: http://" + slow + "/x did not answer within 50 ms\\."},
		{apiHost, "GET /prod/badport", 500, internal, "InternalServerErrorException", "Invalid endpoint address: the integration URI became http://127.0.0.1:99999/: its port is not .*"},
		{apiHost, "GET /prod/unmapped/7", 500, internal, "InternalServerErrorException", "Invalid endpoint address: the integration URI became http://" + closed + "/\\{id\\}: it holds a character.*"},
		{apiHost, "GET /prod/nohost", 500, internal, "InternalServerErrorException", "Invalid endpoint address: the integration URI became http:///x: it has no valid host\\."},
		{apiHost, "GET /prod/forbidden", 500, internal, "InternalServerErrorException", "The integration maps the header Content-Length, which may not be mapped for type HTTP_PROXY\\."},
		{apiHost, "GET /prod/noresponse", 500, internal, "InternalServerErrorException", "Method response missing: .*200.*"},
		{apiHost, "GET /prod/iam", 500, internal, "InternalServerErrorException", "The method needs an authorizer \\(authorizationType AWS_IAM\\), .*refused.*"},
		{apiHost, "GET /prod/keyed", 403, `{"message":"Forbidden"}`, "ForbiddenException", "No API key: method GET /keyed requires one, .*"},
		{apiHost, "GET /prod/aws", 500, internal, "InternalServerErrorException", "The method needs an integration of type AWS with another service than Lambda, .*"},
		{apiHost, "GET /guarded", 500, internal, "InternalServerErrorException", "The method needs a resource policy, .*"},
		{apiHost, "GET /prod/nofunctions", 500, internal, "InternalServerErrorException", "Function missing: .*this edge has no function host\\."},
	}
	for _, tt := range tests {
		t.Run(tt.host+" "+tt.request, func(t *testing.T) {
			w.t = t
			a := w.send(tt.request + " HTTP/1.1\r\nHost: " + tt.host + "\r\n\r\n")
			if a.status != tt.status || a.body != tt.body || a.header("x-amzn-ErrorType") != tt.kind || a.header("Content-Type") != "application/json" || a.header("X-Amzn-Trace-Id") != "" {
				t.Errorf("%+v", a)
			}
			if got := w.explain(a); !regexp.MustCompile("^" + tt.explain + "$").MatchString(got) {
				t.Errorf("explained as\n%s\nwant\n%s", got, tt.explain)
			}
		})
	}
	w.t = t
	if strings.Contains(w.log.String(), "secret") {
		t.Error("a query string was logged")
	}
	for _, r := range w.edge.Report() {
		if (r.GetStage() == "broken") != (r.GetError() != "") || (r.GetStage() == "broken") != (r.GetDeploymentHash() == "") {
			t.Errorf("%v", r)
		}
	}
}

func TestLambdaProxy(t *testing.T) {
	var event map[string]any
	results := map[string]functions.Result{
		"good":      {Status: 200, Payload: []byte(`{"statusCode":201,"headers":{"X-A":"1","Date":"d"},"multiValueHeaders":{"Set-Cookie":["a","b"]},"body":"made"}`)},
		"bare":      {Status: 200, Payload: []byte(`{}`)},
		"binary":    {Status: 200, Payload: []byte(`{"statusCode":200,"headers":{"Content-Type":"image/png"},"isBase64Encoded":true,"body":"/wA="}`)},
		"notbase64": {Status: 200, Payload: []byte(`{"statusCode":200,"isBase64Encoded":true,"body":"é+à)("}`)},
		"malformed": {Status: 200, Payload: []byte(`{"statusCode":200,"body":{}}`)},
		"failing":   {Status: 200, FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"boom","errorType":"Error"}`)},
	}
	w := start(t, Deps{Functions: invoker(func(arn string, payload []byte) (functions.Result, error) {
		event = nil
		if err := json.Unmarshal(payload, &event); err != nil {
			return functions.Result{}, err
		}
		name := arn[strings.LastIndex(arn, ":")+1:]
		switch name {
		case "missing":
			return functions.Result{}, &functions.Error{Kind: functions.Missing, Message: "Function not found"}
		case "busy":
			return functions.Result{}, functions.TooMany()
		case "denied":
			return functions.Result{}, &functions.Error{Kind: functions.Denied, Message: "not yours"}
		case "away":
			return functions.Result{}, &functions.Error{Kind: functions.Unreachable, Message: "gone"}
		case "blocked":
			return functions.Result{}, errBlocks
		}
		return results[name], nil
	})})
	var methods []method
	for _, name := range []string{"good", "bare", "binary", "notbase64", "malformed", "failing", "missing", "busy", "denied", "away", "blocked"} {
		in := lambda(name)
		if name == "blocked" {
			in.TimeoutInMillis = proto.Int32(50)
		}
		methods = append(methods, method{"/" + name + "/{proxy+}", "ANY", of(in)})
	}
	get := lambda("good")
	get.HttpMethod = proto.String("GET")
	methods = append(methods, method{"/wrongverb", "GET", of(get)})
	publish(w.edge, 1, map[string]string{"v": "1"}, map[string]*snapshotv1.Deployment{"prod": deployment(func(d *snapshotv1.Deployment) {
		d.RestApi.BinaryMediaTypes = &apigatewayv1.StringList{Items: []string{"image/*"}}
	}, methods...)})

	a := w.send("POST //prod HTTP/1.1\r\nHost: " + apiHost + "\r\n\r\n")
	if a.status != 403 {
		t.Errorf("%+v", a)
	}
	a = w.send("POST /prod//good/a%2Fb/?x=1+2&x=3 HTTP/1.1\r\nHost: " + apiHost + "\r\nX-Forwarded-For: 192.0.2.9\r\nx-Odd: 1\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi")
	if a.status != 201 || a.body != "made" || a.header("X-A") != "1" || a.header("x-amzn-Remapped-Date") != "d" || a.header("Content-Type") != "application/json" || !strings.HasPrefix(a.header("X-Amzn-Trace-Id"), "Root=1-") {
		t.Errorf("%+v", a)
	}
	headers := event["headers"].(map[string]any)
	rc := event["requestContext"].(map[string]any)
	got := fmt.Sprintln(event["resource"], event["path"], event["httpMethod"], event["pathParameters"], event["queryStringParameters"], event["stageVariables"], event["body"],
		rc["path"], rc["stage"], rc["apiId"], rc["accountId"], rc["deploymentId"], headers["X-Forwarded-For"], headers["X-Forwarded-Proto"], headers["x-Odd"], headers["Connection"], rc["requestId"] == a.header("x-amzn-RequestId"))
	want := fmt.Sprintln("/good/{proxy+}", "/good/a%2Fb/", "POST", "map[proxy:a%2Fb]", "map[x:3]", "map[v:1]", "hi", "/prod//good/a%2Fb/", "prod", apiID, account, "dep123", "192.0.2.9, 127.0.0.1", "http", "1", "<nil>", true)
	if got != want {
		t.Errorf("event\n got %s\nwant %s", got, want)
	}
	const internal = `{"message": "Internal server error"}`
	tests := []struct {
		path, accept string
		status       int
		body         string
		explain      string
	}{
		{"bare/x", "", 200, "", "Answered 200: function .*:bare answered after \\d+ µs with status 200\\."},
		{"binary/x", "image/png", 200, "\xff\x00", "Answered 200: .*"},
		{"binary/x", "text/html,image/png", 200, "/wA=", "Answered 200: .*"},
		{"notbase64/x", "image/png", 500, internal, "The body could not be decoded from base64 in the response\\..*"},
		{"notbase64/x", "text/html", 200, "é+à)(", "Answered 200: .*"},
		{"malformed/x", "", 502, internal, "Malformed function result: .*:malformed returned .*"},
		{"failing/x", "", 502, internal, "The function .*:failing failed: Error: boom\\."},
		{"missing/x", "", 500, internal, "Function missing: .*:missing is not a function this gateway can reach: Function not found\\."},
		{"busy/x", "", 500, internal, "The function .*:busy is throttled: .*"},
		{"denied/x", "", 500, internal, "No permission to invoke function .*:denied: not yours\\."},
		{"away/x", "", 500, internal, "The function .*:away could not be invoked: gone\\."},
		{"blocked/x", "", 504, `{"message": "Endpoint request timed out"}`, "Backend time-out: .*:blocked did not answer within 50 ms\\."},
		{"wrongverb", "", 500, internal, "Function missing: .*invoked with POST, and the integration's HTTP method is GET\\."},
	}
	for _, tt := range tests {
		a := w.send("GET /prod/" + tt.path + " HTTP/1.1\r\nHost: " + apiHost + "\r\nAccept: " + tt.accept + "\r\n\r\n")
		if a.status != tt.status || a.body != tt.body {
			t.Errorf("%s: %+v", tt.path, a)
		}
		if tt.path != "wrongverb" && a.header("X-Amzn-Trace-Id") == "" {
			t.Errorf("%s: no trace id", tt.path)
		}
		if got := w.explain(a); !regexp.MustCompile("^" + tt.explain + "$").MatchString(got) {
			t.Errorf("explained as\n%s\nwant\n%s", got, tt.explain)
		}
	}
}

func TestRouting_formsOfAddress(t *testing.T) {
	addr, seen := rawBackend(t, func(*seenRequest) string { return ok })
	w := start(t, Deps{Fallback: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "fallback "+r.RequestURI) })})
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(nil, method{"/{id}", "GET", of(proxyTo("http://"+addr+"/x", nil))}, method{"/{id}", "DELETE", of(proxyTo("http://"+addr+"/deleted", nil))})})
	for _, tt := range []struct{ request, want string }{
		{"GET /prod/1 HTTP/1.1\r\nHost: " + apiHost + ":4566", "ok"},
		{"GET /prod/1 HTTP/1.1\r\nHost: " + apiID + ".execute-api.us-east-1.amazonaws.com", "ok"},
		{"GET /_aws/execute-api/" + apiID + "/prod/1 HTTP/1.1\r\nHost: localhost", "ok"},
		{"GET /restapis/" + apiID + "/prod/_user_request_/1 HTTP/1.1\r\nHost: localhost", "ok"},
		{"GET /prod/1 HTTP/1.1\r\nHost: localhost\r\nX-Apigw-Api-Id: " + apiID, "ok"},
		{"GET http://" + apiHost + "/prod/1 HTTP/1.1\r\nHost: localhost", "ok"},
		{"GET /restapis/" + apiID + "/stages/prod HTTP/1.1\r\nHost: localhost", "fallback /restapis/" + apiID + "/stages/prod"},
	} {
		if a := w.send(tt.request + "\r\n\r\n"); a.status != 200 || a.body != tt.want {
			t.Errorf("%s: %+v", tt.request, a)
		}
	}
	for len(seen) > 0 {
		<-seen
	}
	w.send("POST /prod/1 HTTP/1.1\r\nHost: " + apiHost + "\r\nX-HTTP-Method-Override: DELETE\r\n\r\n")
	if r := <-seen; r.line != "DELETE /deleted HTTP/1.1" || strings.Contains(strings.ToLower(strings.Join(r.headers, "\n")), "override") {
		t.Errorf("%+v", r)
	}
}

// TestMethodOverride_framesNothing: what the client sent decides whether its answer has a body, not what it asked for instead.
func TestMethodOverride_framesNothing(t *testing.T) {
	w := start(t, Deps{})
	answers := withResponses(mock(`{"statusCode": 200}`), response("200", "", nil, map[string]string{"application/json": "$context.httpMethod"}))
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(nil, method{"/a", "GET", answers}, method{"/a", "HEAD", answers})})
	tests := []struct{ verb, override, body string }{{"HEAD", "GET", ""}, {"GET", "HEAD", "HEAD"}, {"GET", "", "GET"}, {"HEAD", "", ""}}

	t.Run("HTTP/1.1, on one connection", func(t *testing.T) {
		c, err := net.Dial("tcp", w.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		r := bufio.NewReader(c)
		for _, tt := range tests {
			if _, err := fmt.Fprintf(c, "%s /prod/a HTTP/1.1\r\nHost: %s\r\nX-HTTP-Method-Override: %s\r\n\r\n", tt.verb, apiHost, tt.override); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(r, &http.Request{Method: tt.verb})
			if err != nil {
				t.Fatalf("%v: %v", tt, err)
			}
			if b, err := io.ReadAll(res.Body); res.StatusCode != 200 || string(b) != tt.body || err != nil || r.Buffered() > 0 {
				t.Fatalf("%v: %d %q %v, and %d bytes behind the answer", tt, res.StatusCode, b, err, r.Buffered())
			}
		}
	})
	t.Run("HTTP/2", func(t *testing.T) {
		var http2 http.Protocols
		http2.SetUnencryptedHTTP2(true)
		transport := &http.Transport{Protocols: &http2}
		defer transport.CloseIdleConnections()
		for _, tt := range tests {
			q, _ := http.NewRequestWithContext(t.Context(), tt.verb, "http://"+w.addr+"/prod/a", nil)
			q.Host = apiHost
			q.Header.Set("X-HTTP-Method-Override", tt.override)
			res, err := transport.RoundTrip(q)
			if err != nil {
				t.Fatalf("%v: %v", tt, err)
			}
			if b, err := io.ReadAll(res.Body); res.StatusCode != 200 || string(b) != tt.body || err != nil {
				t.Errorf("%v: %d %q %v", tt, res.StatusCode, b, err)
			}
			_ = res.Body.Close()
		}
	})
}

func TestPlan_lastGoodStaysAndContentsAreShared(t *testing.T) {
	addr, _ := rawBackend(t, func(*seenRequest) string { return ok })
	good := deployment(nil, method{"/", "GET", of(proxyTo("http://"+addr, nil))})
	bad := deployment(nil, method{"/", "GET", of(&apigatewayv1.Integration{Type: proto.String("ODD")})})
	w := start(t, Deps{})
	publish(w.edge, 3, nil, map[string]*snapshotv1.Deployment{"a": good, "b": good})
	publish(w.edge, 3, nil, map[string]*snapshotv1.Deployment{"a": bad, "b": good})
	a := w.get("/a")
	if a.status != 200 {
		t.Errorf("the last good plan is gone: %+v", a)
	}
	reports := w.edge.Report()
	for _, r := range reports {
		if (r.GetStage() == "a") != strings.Contains(r.GetError(), "unknown integration type") || r.GetDeploymentHash() == "" {
			t.Errorf("%v", r)
		}
	}
	publish(w.edge, 3, nil, map[string]*snapshotv1.Deployment{"a": good})
	if a, b := w.get("/a"), w.get("/b"); a.status != 200 || b.status != 403 {
		t.Errorf("%d %d", a.status, b.status)
	}
	w.edge.Apply(snapshots.Update{Number: 3, Deleted: []string{account + "/us-east-1/" + apiID + "/a"}})
	if a := w.get("/a"); a.status != 403 {
		t.Errorf("%+v", a)
	}
}

func TestGatewayResponses_areCustomised(t *testing.T) {
	w := start(t, Deps{})
	publish(w.edge, 1, map[string]string{"page": "p1"}, map[string]*snapshotv1.Deployment{"prod": deployment(func(d *snapshotv1.Deployment) {
		d.GatewayResponses = []*apigatewayv1.GatewayResponse{{ResponseType: proto.String("DEFAULT_4XX"), StatusCode: proto.String("404"),
			ResponseParameters: str(map[string]string{"gatewayresponse.header.Access-Control-Allow-Origin": "'*'", "gatewayresponse.header.X-Page": "stageVariables.page"}),
			ResponseTemplates:  str(map[string]string{"application/json": `{"no":$context.error.messageString,"id":"$context.requestId"}`})}}
	}, method{"/a", "GET", of(mock(""))})})
	a := w.get("/prod/b")
	if a.status != 404 || a.header("Access-Control-Allow-Origin") != "*" || a.header("X-Page") != "p1" || a.body != `{"no":"Missing Authentication Token","id":"`+a.header("x-amzn-RequestId")+`"}` {
		t.Errorf("%+v", a)
	}
}

func TestBackendConnections_areKeptAndNeverRetried(t *testing.T) {
	var mu sync.Mutex
	count := 0
	addr, seen := rawBackend(t, func(r *seenRequest) string {
		mu.Lock()
		defer mu.Unlock()
		if count++; strings.Contains(r.line, "/drop") {
			return "" // closes after the request arrived
		}
		return ok
	})
	w := start(t, Deps{})
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(nil, method{"/{p}", "GET", of(proxyTo("http://"+addr+"/{p}", map[string]string{"integration.request.path.p": "method.request.path.p"}))})})
	for i, path := range []string{"a", "drop", "b", "a"} {
		a := w.get("/prod/" + path)
		if want := map[bool]int{true: 504, false: 200}[path == "drop"]; a.status != want {
			t.Errorf("%d: %+v", i, a)
		}
	}
	if len(seen) != 4 {
		t.Errorf("the backend saw %d requests, want 4", len(seen))
	}
}

func TestExplain_ofAnotherAccountIsNotFound(t *testing.T) {
	w := start(t, Deps{})
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(nil, method{"/a", "GET", of(mock(""))})})
	a := w.get("/prod/b")
	w.explain(a)
	r, err := w.edge.Explain(context.Background(), &edgev1.ExplainRequest{RequestId: a.header("x-amzn-RequestId"), Account: "999999999999"})
	if err != nil || r.GetFound() {
		t.Errorf("%v %v", r, err)
	}
	if r, _ := w.edge.Explain(context.Background(), &edgev1.ExplainRequest{RequestId: "none"}); r.GetFound() {
		t.Error("an unknown id was found")
	}
}

// TestExplain_ofWhatIsNotUTF8: what a client sent need not be, and an answer of gRPC must be.
func TestExplain_ofWhatIsNotUTF8(t *testing.T) {
	w := start(t, Deps{})
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(nil, method{"/a", "GET", of(mock(""))})})
	a := w.send("GET /prod/a HTTP/1.1\r\nHost: " + apiHost + "\r\nX-HTTP-Method-Override: caf\xe9\r\n\r\n")
	if text := w.explainAll(a); !utf8.ValidString(text) || !strings.Contains(text, "caf\uFFFD") {
		t.Errorf("%q", text)
	}
}

func TestAccessLog_hasOneLinePerRequest(t *testing.T) {
	w := start(t, Deps{})
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(nil, method{"/a/{id}", "GET", withResponses(mock(""), response("200", "", nil, nil))})})
	w.get("/prod/a/1?secret=x")
	w.get("/prod/b")
	if err := w.stop(); err != nil {
		t.Error(err)
	}
	var lines []map[string]any
	for _, l := range strings.Split(strings.TrimSpace(w.log.String()), "\n") {
		var line map[string]any
		if err := json.Unmarshal([]byte(l), &line); err != nil {
			t.Fatal(err, l)
		}
		lines = append(lines, line)
	}
	if len(lines) != 2 || lines[0]["path"] != "/prod/a/1" || lines[0]["route"] != "/a/{id}" || lines[0]["status"] != 200.0 || lines[0]["cause"] != nil || lines[1]["status"] != 403.0 || lines[1]["cause"] == "" {
		t.Error(w.log.String())
	}
}

func TestNew_refusesHalfACertificate(t *testing.T) {
	if _, err := New(Config{CertFile: "x"}, Deps{}); err == nil {
		t.Error("no error")
	}
	s, err := New(Config{}, Deps{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(context.Background()); err == nil {
		t.Error("ran without a socket")
	}
	s, _ = New(Config{Address: "127.0.0.1:0", TLSAddress: "256.0.0.1:1"}, Deps{})
	if err := s.Run(context.Background()); err == nil {
		t.Error("ran without its TLS socket")
	}
}
