package exchange

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/limen-gateway/limen/core/event"
	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/expression"
	"github.com/limen-gateway/limen/core/routing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	_ expression.Values = Values{}

	uuidV4     = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	extendedID = regexp.MustCompile(`^[A-Za-z0-9_-]{15}=$`)
	newRoot    = regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24}$`)
)

func with(headers ...Field) *Exchange {
	x := New()
	x.Request.Headers = append(x.Request.Headers, headers...)
	x.Request.Received = time.Unix(1583798639, 428e6)
	return x
}

func TestAssignIDs(t *testing.T) {
	x := with()
	x.AssignIDs(513)
	if !uuidV4.MatchString(x.RequestID) || !extendedID.MatchString(x.ExtendedID) {
		t.Errorf("%q %q", x.RequestID, x.ExtendedID)
	}
	if n, ok := EdgeOf(x.ExtendedID); n != 513 || !ok {
		t.Errorf("edge %d %v", n, ok)
	}
	if x.Record.RequestID != x.RequestID || x.Record.ExtendedID != x.ExtendedID {
		t.Error("the record has no ids")
	}
}

func TestAssignIDs_adoptsOnlyUUIDs(t *testing.T) {
	const own = "C6AF9AC6-7b61-11e6-9a41-93e8deadbeef"
	for value, adopted := range map[string]bool{own: true, "not-a-uuid": false, strings.ReplaceAll(own, "-", "x"): false, own + "0": false, strings.Replace(own, "C", "g", 1): false} {
		x := with(Field{"X-Amzn-RequestId", value})
		x.AssignIDs(0)
		if (x.RequestID == value) != adopted {
			t.Errorf("%q gave %q", value, x.RequestID)
		}
	}
}

func TestEdgeOf_refusesForeignIDs(t *testing.T) {
	id := string(AppendExtendedID(nil, 7, 12345))
	for i := range id[:14] {
		b := []byte(id)
		b[i] ^= 1
		if n, ok := EdgeOf(string(b)); ok && n == 7 {
			t.Errorf("%s passes as %s", b, id)
		}
	}
	for _, s := range []string{"", "K2G9wEbUoAMEvag", "????????????????", id + "A"} {
		if _, ok := EdgeOf(s); ok {
			t.Errorf("%q passes", s)
		}
	}
}

func TestTrace(t *testing.T) {
	const root, parent = "1-5e66d96f-7491f09f1234567890abcdef", "53995c3f42cd8ad8"
	tests := []struct {
		name, header, value string
		want                *regexp.Regexp
	}{
		{"no header gets a root only", "", "", newRoot},
		{"all kept", "X-Amzn-Trace-Id", "Root=" + root + ";Parent=" + parent + ";Sampled=1", regexp.MustCompile("^Root=" + root + ";Parent=" + parent + ";Sampled=1$")},
		{"any order and spaces", "x-amzn-trace-id", "Sampled=0; Parent=" + parent + "; Root=" + root + ";Lineage=a:0", regexp.MustCompile("^Root=" + root + ";Parent=" + parent + ";Sampled=0$")},
		{"root alone gets parent and sampled", "X-Amzn-Trace-Id", "Root=" + root, regexp.MustCompile("^Root=" + root + ";Parent=[0-9a-f]{16};Sampled=0$")},
		{"broken root is replaced", "X-Amzn-Trace-Id", "Root=1-x;Parent=" + parent, newRoot},
		{"self is ignored", "X-Amzn-Trace-Id", "Self=" + root, newRoot},
		{"traceparent", "traceparent", "00-5e66d96f7491f09f1234567890abcdef-53995c3f42cd8ad8-01", regexp.MustCompile("^Root=" + root + ";Parent=" + parent + ";Sampled=1$")},
		{"traceparent of a later version", "traceparent", "01-5e66d96f7491f09f1234567890abcdef-53995c3f42cd8ad8-00-more", regexp.MustCompile("^Root=" + root + ";Parent=" + parent + ";Sampled=0$")},
		{"traceparent of no span", "traceparent", "00-5e66d96f7491f09f1234567890abcdef-0000000000000000-01", newRoot},
		{"broken traceparent", "traceparent", "00-zz66d96f7491f09f1234567890abcdef-53995c3f42cd8ad8-01", newRoot},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			x := with(Field{tt.header, tt.value})
			x.AssignIDs(1)
			if !tt.want.MatchString(x.Trace.Header) {
				t.Errorf("%s, want %s", x.Trace.Header, tt.want)
			}
		})
	}
}

func TestQuery(t *testing.T) {
	tests := []struct {
		raw  string
		want []Field
	}{
		{"", nil},
		{"a=1&b=2&a=3", []Field{{"a", "1"}, {"b", "2"}, {"a", "3"}}},
		{"plus=test+alias@gmail.com&p=%2B", []Field{{"plus", "test alias@gmail.com"}, {"p", "+"}}},
		{"key&empty=", []Field{{"key", ""}, {"empty", ""}}},
		{"a=1;b=2", []Field{{"a", "1"}, {"b", "2"}}},
		{"a=b=c&&%zz=%4", []Field{{"a", "b=c"}, {"%zz", "%4"}}},
		{"%C3%A9=%26", []Field{{"é", "&"}}},
	}
	for _, tt := range tests {
		x := with()
		x.Request.RawQuery = tt.raw
		if d := cmp.Diff(tt.want, x.Query()); d != "" {
			t.Errorf("%s: %s", tt.raw, d)
		}
		x.Query()
	}
}

func TestValues(t *testing.T) {
	x := with(Field{"A", "1"}, Field{"a", "2"}, Field{"A", "3"}, Field{"Connection", "close"}, Field{"User-Agent", "curl"})
	x.Request.Method, x.Request.RawQuery = "GET", "q=1&q=2"
	x.Request.Remote = netip.MustParseAddrPort("[::ffff:192.0.2.1]:99")
	x.StoreBody(append(x.BodyBuffer(), "body"...))
	x.DomainName = "abc.execute-api.localhost"
	x.Target = routing.StageTarget(routing.HostForm, "abc", "/prod/pets")
	x.Scope = &Scope{Account: "123456789012", API: "abc", Stage: "prod", DeploymentID: "d1", StageVariables: map[string]string{"v": "1"}}
	x.Method = &Method{ResourceID: "r1", ResourcePath: "/pets", OperationName: "op"}
	x.Match.Params = []routing.Param{{Name: "id", Value: "a%2Fb+c"}}
	x.Backend.Headers = []Field{{"etag", "1"}, {"ETag", "2"}}
	x.Backend.Body = []byte("answer")
	x.AssignIDs(1)
	v := Values{x}
	for expr, want := range map[string]string{
		"method.request.header.A": "3", "method.request.header.a": "2", "method.request.header.Connection": "", "method.request.multivalueheader.A": "1,3",
		"method.request.multivalueheader.connection": "",
		"method.request.querystring.q":               "2", "method.request.multivaluequerystring.q": "1,2", "method.request.querystring.Q": "",
		"method.request.path.id": "a/b+c", "method.request.body": "body", "stageVariables.v": "1", "stageVariables.w": "",
		"context.accountId": "123456789012", "context.apiId": "abc", "context.stage": "prod", "context.deploymentId": "d1", "context.resourceId": "r1",
		"context.resourcePath": "/pets", "context.operationName": "op", "context.httpMethod": "GET", "context.path": "/prod/pets", "context.protocol": "HTTP/1.1",
		"context.identity.sourceIp": "192.0.2.1", "context.identity.userAgent": "curl", "context.requestTime": "10/Mar/2020:00:03:59 +0000",
		"context.requestTimeEpoch": "1583798639428", "context.domainName": "abc.execute-api.localhost", "context.domainPrefix": "abc",
		"context.requestId": x.RequestID, "context.extendedRequestId": x.ExtendedID, "context.xrayTraceId": x.Trace.Root, "context.nothing": "",
	} {
		s, err := expression.Parse(expression.Request, expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Eval(v); got != want {
			t.Errorf("%s = %q, want %q", expr, got, want)
		}
	}
	for expr, want := range map[string]string{"integration.response.header.Etag": "2", "integration.response.multivalueheader.etag": "1,2", "integration.response.body": "answer"} {
		s, _ := expression.Parse(expression.Response, expr)
		if got := s.Eval(v); got != want {
			t.Errorf("%s = %q, want %q", expr, got, want)
		}
	}
	if got, ok := v.Variable("method.request.querystring.q"); got != "2" || !ok {
		t.Error(got)
	}
	if _, ok := v.Variable("other.x"); ok {
		t.Error("an unknown variable was found")
	}
}

func TestContext_beforeTheAPIIsKnown(t *testing.T) {
	x := with()
	for _, name := range []string{"apiId", "stage", "resourcePath"} {
		if got := x.Context(name); got != "" {
			t.Errorf("%s = %q", name, got)
		}
	}
	if x.StageVariable("v") != "" {
		t.Error("a stage variable without a stage")
	}
}

func TestHiddenFromMapping(t *testing.T) {
	for _, h := range []string{"Connection", "content-length", "Content-MD5", "Expect", "Max-Forwards", "Proxy-Authenticate", "Server", "te", "Transfer-Encoding", "Trailer", "Upgrade", "WWW-Authenticate"} {
		if !HiddenFromMapping(h) {
			t.Errorf("%s is visible", h)
		}
	}
	if HiddenFromMapping("Host") || HiddenFromMapping("Accept") {
		t.Error("too much is hidden")
	}
}

func TestRelease_leavesNothingBehind(t *testing.T) {
	x := with(Field{"A", "b"})
	x.AssignIDs(3)
	x.SetResponseHeader("x", "1")
	x.SetResponseHeader("X", "2")
	if d := cmp.Diff([]Field{{"x", "2"}}, x.Response.Headers); d != "" {
		t.Error(d)
	}
	x.StoreBody(make([]byte, keepBytes+1))
	x.StoreReply([]byte("r"))
	x.Authorizer, x.UsageKey = &event.Authorizer{PrincipalID: "another's"}, "another's"
	x.reset()
	if x.Authorizer != nil || x.UsageKey != "" {
		t.Error("the next request would carry this one's caller")
	}
	if len(x.Request.Headers)+len(x.Response.Headers)+len(x.BodyBuffer())+len(x.ReplyBuffer()) != 0 || cap(x.body) != 0 || x.RequestID != "" || len(x.Record.Entries()) != 0 {
		t.Errorf("%+v", x)
	}
}

func TestIDs_doNotAllocate(t *testing.T) {
	x := with()
	if n := testing.AllocsPerRun(100, func() {
		x.reset()
		x.AssignIDs(9)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func record(id string, status int, padding int) *executionlog.Record {
	r := &executionlog.Record{Facts: executionlog.Facts{RequestID: id, ExtendedID: id + "=", Status: status}}
	r.Add(executionlog.PhaseRoute, executionlog.WrongPath, "a", "b", strings.Repeat("x", padding))
	return r
}

func TestRecent_findsByEitherID(t *testing.T) {
	r := NewRecent(0)
	r.Keep(record("one", 200, 1))
	r.Keep(record("two", 403, 1))
	r.Keep(record("one", 201, 1))
	var got executionlog.Record
	for id, status := range map[string]int{"one": 201, "one=": 201, "two": 403, "two=": 403} {
		if !r.Find(id, &got) || got.Status != status {
			t.Errorf("%s: %d", id, got.Status)
		}
	}
	if r.Find("three", &got) {
		t.Error("a record that was never kept")
	}
}

func TestRecent_isBounded(t *testing.T) {
	const budget = 64 << 10
	r := NewRecent(budget)
	r.Keep(record("refused", 403, 10))
	for range 10000 {
		r.Keep(record("served", 200, 100))
	}
	held := 0
	for _, h := range []*history{&r.refused, &r.served} {
		for _, s := range h.ring {
			held += cap(s)
		}
	}
	if held > budget {
		t.Errorf("%d bytes held", held)
	}
	var got executionlog.Record
	if !r.Find("refused", &got) {
		t.Error("successes pushed a refusal out")
	}
	if !r.Find("served", &got) {
		t.Error("the newest success is gone")
	}
	r.Keep(record("huge", 500, 100000))
	small := NewRecent(64)
	small.Keep(record("huge", 500, 400))
	if small.Find("huge", &got) {
		t.Error("a record larger than the budget was kept")
	}
}

func BenchmarkRecent(b *testing.B) {
	b.ReportAllocs()
	r, rec := NewRecent(0), record("0123", 200, 10)
	for b.Loop() {
		r.Keep(rec)
	}
}
