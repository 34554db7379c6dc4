package authz_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/functions"
	"github.com/limen-gateway/limen/platform/rpc"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	authzv1 "github.com/limen-gateway/limen/proto/authz/v1"
	"github.com/limen-gateway/limen/services/authz"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// function stands for the function host: it answers what the test says, and counts.
type function struct {
	calls  atomic.Int64
	mu     sync.Mutex
	answer func(event string) (functions.Result, error)
}

func (f *function) Invoke(_ context.Context, _ string, payload []byte, _ functions.Options) (functions.Result, error) {
	f.calls.Add(1)
	f.mu.Lock()
	answer := f.answer
	f.mu.Unlock()
	return answer(string(payload))
}

func (f *function) answers(payload string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = func(string) (functions.Result, error) {
		return functions.Result{Status: 200, Payload: []byte(payload)}, nil
	}
}

const arn = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/test/GET/"

func allowing(resource string) string {
	return `{"principalId":"u","policyDocument":{"Version":"2012-10-17","Statement":[{"Action":"execute-api:Invoke","Effect":"Allow","Resource":"` + resource + `"}]},"context":{"n":1},"usageIdentifierKey":"k"}`
}

// fixture is a service reached in the process or over TCP.
type fixture struct {
	client   authzv1.AuthzClient
	function *function
	now      atomic.Int64 // seconds
}

func each(t *testing.T, test func(*testing.T, *fixture)) {
	for _, transport := range []string{"local", "tcp"} {
		t.Run(transport, func(t *testing.T) { test(t, start(t, transport)) })
	}
}

func start(t *testing.T, transport string) *fixture {
	t.Helper()
	f := &fixture{function: &function{}}
	service, err := authz.New(authz.Config{}, authz.Deps{Functions: f.function, Now: func() time.Time { return time.Unix(f.now.Load(), 0) }})
	if err != nil {
		t.Fatal(err)
	}
	server := rpc.NewServer(rpc.Config{Tables: rpc.House(), TrustClaims: true})
	service.Register(server)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	var conn grpc.ClientConnInterface = server.Local(rpc.Edge)
	if transport == "tcp" {
		dialed, err := rpc.Dial(l.Addr().String(), rpc.ClientConfig{Tables: rpc.House(), Claim: rpc.Edge})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { dialed.Close() })
		conn = dialed
	}
	f.client = authzv1.NewAuthzClient(conn)
	return f
}

// ask asks with a definition whose results are kept for ttl seconds.
func (f *fixture) ask(t *testing.T, ttl int32, path string, epoch int64, identity ...string) *authzv1.AuthorizeResponse {
	t.Helper()
	d := &apigatewayv1.Authorizer{Id: proto.String("a"), Type: proto.String("REQUEST"), AuthorizerResultTtlInSeconds: &ttl}
	b, _ := proto.MarshalOptions{Deterministic: true}.Marshal(d)
	sum := sha256.Sum256(b)
	req := &authzv1.AuthorizeRequest{Account: "1", Region: "r", ApiId: "a", Stage: "s", DefinitionHash: sum[:], Epoch: epoch,
		MethodArn: arn + path, FunctionArn: "f", Event: []byte("{}")}
	for _, value := range identity {
		req.Identity = append(req.Identity, []byte(value))
	}
	res, err := f.client.Authorize(t.Context(), req)
	if err == nil && res.Verdict == authzv1.Verdict_VERDICT_DEFINITION_NEEDED {
		req.Authorizer = d
		res, err = f.client.Authorize(t.Context(), req)
	}
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// TestHeadersAreBytes: what a client sends need not be UTF-8, and is judged as it stands.
func TestHeadersAreBytes(t *testing.T) {
	const name = "M\xfcller" // in Latin-1
	each(t, func(t *testing.T, f *fixture) {
		f.function.answers(strings.Replace(allowing("*"), `"Effect"`, `"Condition":{"StringLike":{"aws:UserAgent":"M*ller"}},"Effect"`, 1))
		d := &apigatewayv1.Authorizer{Id: proto.String("a"), Type: proto.String("REQUEST"), AuthorizerResultTtlInSeconds: proto.Int32(0)}
		definition, _ := proto.MarshalOptions{Deterministic: true}.Marshal(d)
		hash := sha256.Sum256(definition)
		res, err := f.client.Authorize(t.Context(), &authzv1.AuthorizeRequest{Authorizer: d, DefinitionHash: hash[:], Identity: [][]byte{[]byte(name)}, TraceId: []byte(name),
			Conditions: map[string][]byte{"aws:UserAgent": []byte(name)}, MethodArn: arn, FunctionArn: "f", Event: []byte("{}")})
		if err != nil || res.GetVerdict() != authzv1.Verdict_VERDICT_ALLOW {
			t.Errorf("authorize: %v, %v", res, err)
		}
		for _, header := range []string{"User-Agent", "Authorization"} {
			sum := sha256.Sum256(nil)
			if _, err := f.client.VerifySignature(t.Context(), &authzv1.VerifySignatureRequest{Method: "GET", Path: "/", BodySha256: sum[:],
				Services: []string{"execute-api"}, Headers: []*authzv1.ContextValue{{Name: header, Value: []byte("AWS4-HMAC-SHA256 " + name)}}}); err != nil {
				t.Errorf("%s: %v", header, err)
			}
		}
	})
}

func TestVerdicts(t *testing.T) {
	failing := func(message string) func(string) (functions.Result, error) {
		return func(string) (functions.Result, error) {
			return functions.Result{Status: 200, FunctionError: "Unhandled", Payload: []byte(`{"errorMessage":"` + message + `","errorType":"Error"}`)}, nil
		}
	}
	tests := []struct {
		name    string
		answer  func(string) (functions.Result, error)
		payload string
		want    authzv1.Verdict
		reason  string
	}{
		{"allow", nil, allowing(arn + "*"), authzv1.Verdict_VERDICT_ALLOW, "allow"},
		{"another resource", nil, allowing(arn + "other"), authzv1.Verdict_VERDICT_IMPLICIT_DENY, ""},
		{"deny", nil, strings.Replace(allowing("*"), `"Allow"`, `"Deny"`, 1), authzv1.Verdict_VERDICT_EXPLICIT_DENY, "Deny"},
		{"unauthorized", failing("Unauthorized"), "", authzv1.Verdict_VERDICT_UNAUTHORIZED, "Unauthorized"},
		{"almost unauthorized", failing("unauthorized"), "", authzv1.Verdict_VERDICT_CONFIGURATION_ERROR, "unauthorized"},
		{"another field", nil, `{"errorType":"x","policyDocument":{}}`, authzv1.Verdict_VERDICT_CONFIGURATION_ERROR, `unrecognized field "errorType"`},
		{"no policy", nil, `{"policyDocument":{"Statement":[{"Effect":"Maybe"}]}}`, authzv1.Verdict_VERDICT_CONFIGURATION_ERROR, "policyDocument"},
		{"not there", func(string) (functions.Result, error) { return functions.Result{}, errors.New("gone") }, "", authzv1.Verdict_VERDICT_CONFIGURATION_ERROR, "gone"},
	}
	each(t, func(t *testing.T, f *fixture) {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				f.function.answers(tt.payload)
				if tt.answer != nil {
					f.function.answer = tt.answer
				}
				res := f.ask(t, 0, "pets", 0, "token")
				if res.Verdict != tt.want || !strings.Contains(res.Reason, tt.reason) {
					t.Errorf("%v %q, want %v with %q", res.Verdict, res.Reason, tt.want, tt.reason)
				}
			})
		}
	})
}

func TestAllowCarriesWhatTheFunctionSaid(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.function.answers(allowing("*"))
		res := f.ask(t, 300, "pets", 0, "token")
		if res.PrincipalId != "u" || res.UsageIdentifierKey != "k" || len(res.Context) != 1 || string(res.Context[0].Value) != "1" {
			t.Errorf("answer %v", res)
		}
	})
}

func TestResultsAreKept(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.function.answers(allowing(arn + "pets"))
		count := func(want int64, what string) {
			t.Helper()
			if got := f.function.calls.Load(); got != want {
				t.Errorf("%s: %d invocations, want %d", what, got, want)
			}
		}
		f.ask(t, 60, "pets", 0, "a")
		if !f.ask(t, 60, "pets", 0, "a").Cached {
			t.Error("the second answer was not kept")
		}
		count(1, "same identity")
		if got := f.ask(t, 60, "dogs", 0, "a").Verdict; got != authzv1.Verdict_VERDICT_IMPLICIT_DENY {
			t.Errorf("the kept policy is evaluated for each method: %v", got)
		}
		count(1, "another method")
		f.ask(t, 60, "pets", 0, "b")
		count(2, "another identity")
		f.ask(t, 60, "pets", 0, "a", "")
		count(3, "another number of identity values")
		f.ask(t, 60, "pets", 1, "a")
		count(4, "flushed")
		f.now.Add(61)
		f.ask(t, 60, "pets", 1, "a")
		count(5, "run out")
		f.ask(t, 0, "pets", 1, "a")
		f.ask(t, 0, "pets", 1, "a")
		count(7, "not to be kept")
	})
}

func TestErrorsAreNotKept(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		f.function.answers(`{}`)
		f.ask(t, 60, "pets", 0, "a")
		f.function.answers(allowing("*"))
		if got := f.ask(t, 60, "pets", 0, "a").Verdict; got != authzv1.Verdict_VERDICT_ALLOW {
			t.Errorf("verdict %v", got)
		}
	})
}

func TestConcurrentMissesMakeOneInvocation(t *testing.T) {
	each(t, func(t *testing.T, f *fixture) {
		const callers = 20
		entered, release := make(chan struct{}, callers), make(chan struct{})
		f.function.answer = func(string) (functions.Result, error) {
			entered <- struct{}{}
			<-release
			return functions.Result{Status: 200, Payload: []byte(allowing("*"))}, nil
		}
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				if got := f.ask(t, 60, "pets", 0, "a").Verdict; got != authzv1.Verdict_VERDICT_ALLOW {
					t.Errorf("verdict %v", got)
				}
			})
		}
		<-entered // the others join it, or find what it kept
		close(release)
		wg.Wait()
		if got := f.function.calls.Load(); got != 1 {
			t.Errorf("%d invocations", got)
		}
	})
}
