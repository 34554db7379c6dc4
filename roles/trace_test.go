package roles

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonv1 "go.opentelemetry.io/proto/otlp/common/v1"
	tracev1 "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"

	"github.com/limen-gateway/limen/platform/telemetry"
)

// collector is an OTLP collector that keeps the spans it gets.
type collector struct {
	coltrace.UnimplementedTraceServiceServer
	address string

	mu    sync.Mutex // guards spans
	spans []*tracev1.Span
}

func startCollector(t *testing.T) *collector {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, server := &collector{address: l.Addr().String()}, grpc.NewServer()
	coltrace.RegisterTraceServiceServer(server, c)
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *collector) Export(_ context.Context, r *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range r.GetResourceSpans() {
		for _, ss := range rs.GetScopeSpans() {
			c.spans = append(c.spans, ss.GetSpans()...)
		}
	}
	return &coltrace.ExportTraceServiceResponse{}, nil
}

// ofTrace lists the spans of a trace as the way from the first one down, each with its kind; the span in front of the first
// one is the client's.
func (c *collector) ofTrace(t *testing.T, id, client string) (ways []string, attributes map[string]map[string]string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	byID := map[string]*tracev1.Span{}
	for _, s := range c.spans {
		if hex.EncodeToString(s.GetTraceId()) == id {
			byID[hex.EncodeToString(s.GetSpanId())] = s
		}
	}
	var way func(s *tracev1.Span) string
	way = func(s *tracev1.Span) string {
		kind := strings.ToLower(strings.TrimPrefix(s.GetKind().String(), "SPAN_KIND_"))
		text := s.GetName() + " (" + kind + ")"
		parent := hex.EncodeToString(s.GetParentSpanId())
		if above := byID[parent]; above != nil {
			return way(above) + " > " + text
		}
		if parent != client {
			t.Errorf("%s has the parent %q, of which nobody knows", text, parent)
		}
		return text
	}
	attributes = map[string]map[string]string{}
	for _, s := range byID {
		ways = append(ways, way(s))
		attributes[s.GetName()] = texts(s.GetAttributes())
	}
	slices.Sort(ways)
	return slices.Compact(ways), attributes
}

func texts(list []*commonv1.KeyValue) map[string]string {
	out := map[string]string{}
	for _, kv := range list {
		switch v := kv.GetValue().GetValue().(type) {
		case *commonv1.AnyValue_StringValue:
			out[kv.GetKey()] = v.StringValue
		case *commonv1.AnyValue_IntValue:
			out[kv.GetKey()] = fmt.Sprint(v.IntValue)
		}
	}
	return out
}

// tracedWhole is every role in one process, with an API that needs everything that can be asked on a request's way.
func tracedWhole(t *testing.T, c telemetry.Config) (w *whole, stop func(), api, key string) {
	t.Helper()
	w, stop = startWholeWith(t, Config{DataDir: filepath.Join(t.TempDir(), "data"), Telemetry: c})
	uri := func(name string) string {
		return "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:" + w.key.Account + ":function:" + name + "/invocations"
	}
	api = w.call("POST", "/restapis?mode=import", `{"openapi":"3.0.1","info":{"title":"t","version":"1"},"paths":{"/pets/{id}":{"get":{
		"security":[{"key":[]},{"by":[]}],"x-amazon-apigateway-integration":{"type":"aws_proxy","httpMethod":"POST","uri":"`+uri("trace")+`"}}}},
		"components":{"securitySchemes":{"key":{"type":"apiKey","in":"header","name":"x-api-key"},
		"by":{"type":"apiKey","in":"header","name":"Authorization","x-amazon-apigateway-authtype":"custom",
		"x-amazon-apigateway-authorizer":{"type":"token","authorizerUri":"`+uri("authorizer")+`"}}}}}`)["id"].(string)
	w.call("POST", "/restapis/"+api+"/deployments", `{"stageName":"live"}`)
	k := w.call("POST", "/apikeys", `{"name":"k","enabled":true}`)
	plan := w.call("POST", "/usageplans", `{"name":"p","apiStages":[{"apiId":"`+api+`","stage":"live"}],"quota":{"limit":100,"period":"DAY"}}`)["id"].(string)
	w.call("POST", "/usageplans/"+plan+"/keys", `{"keyId":"`+k["id"].(string)+`","keyType":"API_KEY"}`)
	w.call("PATCH", "/restapis/"+api+"/stages/live", `{"patchOperations":[{"op":"replace","path":"/cacheClusterEnabled","value":"true"},
		{"op":"replace","path":"/*/*/caching/enabled","value":"true"}]}`)
	return w, stop, api, k["value"].(string)
}

const (
	clientTrace  = "5e66d96f7491f09f1234567890abcdef"
	clientRoot   = "1-5e66d96f-7491f09f1234567890abcdef"
	clientSpan   = "53995c3f42cd8ad8"
	sampledFlags = "01"
)

// traced calls the API inside a trace and returns what the function saw of it.
func (w *whole) traced(api, key string, header http.Header) string {
	w.t.Helper()
	req, err := http.NewRequest(http.MethodGet, w.url+"/_aws/execute-api/"+api+"/live/pets/1?secret=planted", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header = header
	req.Header.Set("x-api-key", key)
	req.Header.Set("Authorization", "Bearer allow")
	res, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		w.t.Fatalf("%d %s %v", res.StatusCode, body, err)
	}
	var saw struct{ Trace string }
	if err := json.Unmarshal(body, &saw); err != nil {
		w.t.Fatal(err)
	}
	return saw.Trace
}

// TestOneTraceOfARequest: from the client's span through edge, authz, metering, cache and both functions, read back from a
// collector.
func TestOneTraceOfARequest(t *testing.T) {
	edge := "GET /pets/{id} (server)"
	rpcs := func(names ...string) (out []string) {
		for _, n := range names {
			out = append(out, edge+" > "+n+" (client)", edge+" > "+n+" (client) > "+n+" (server)")
		}
		return out
	}
	authz := edge + " > limen.authz.v1.Authz/Authorize (client) > limen.authz.v1.Authz/Authorize (server)"
	want := append(rpcs("limen.authz.v1.Authz/Authorize", "limen.metering.v1.Metering/Lease", "limen.cache.v1.Cache/Get", "limen.cache.v1.Cache/Put"),
		edge, authz+" > invoke authorizer (client)", authz+" > invoke authorizer (client) > authorizer (server)",
		edge+" > invoke trace (client)", edge+" > invoke trace (client) > trace (server)")
	slices.Sort(want)
	tests := map[string]http.Header{
		"traceparent":     {"Traceparent": {"00-" + clientTrace + "-" + clientSpan + "-" + sampledFlags}},
		"X-Amzn-Trace-Id": {"X-Amzn-Trace-Id": {"Root=" + clientRoot + ";Parent=" + clientSpan + ";Sampled=1"}},
	}
	for name, header := range tests {
		t.Run(name, func(t *testing.T) {
			c := startCollector(t)
			// What no caller decides is not traced: the control plane's calls would be noise here.
			w, stop, api, key := tracedWhole(t, telemetry.Config{OTLPEndpoint: "http://" + c.address, TracePassive: true})
			saw := w.traced(api, key, header)
			if !strings.HasPrefix(saw, "Root="+clientRoot+";Parent=") || !strings.HasSuffix(saw, ";Sampled=1") {
				t.Errorf("the function saw %s", saw)
			}
			stop() // exports what is left
			ways, attributes := c.ofTrace(t, clientTrace, clientSpan)
			if got := strings.Join(ways, "\n"); got != strings.Join(want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
			}
			checkAttributes(t, attributes, map[string]map[string]string{
				"GET /pets/{id}":                 {"http.request.method": "GET", "http.route": "/pets/{id}", "http.response.status_code": "200", "aws.api_gateway.rest_api_id": api, "aws.api_gateway.stage": "live"},
				"limen.authz.v1.Authz/Authorize": {"rpc.system.name": "grpc", "rpc.method": "limen.authz.v1.Authz/Authorize", "rpc.response.status_code": "OK"},
				"invoke trace":                   {"faas.invoked_name": "trace", "faas.invoked_region": "us-east-1"},
				"trace":                          {"faas.name": "trace", "faas.version": "$LATEST"},
			})
			for span, facts := range attributes {
				if text := fmt.Sprint(facts); strings.Contains(text, "planted") || strings.Contains(text, key) || strings.Contains(text, "Bearer") {
					t.Errorf("%s tells a secret: %s", span, text)
				}
			}
		})
	}
}

func checkAttributes(t *testing.T, got, want map[string]map[string]string) {
	t.Helper()
	for span, facts := range want {
		for name, value := range facts {
			if got[span][name] != value {
				t.Errorf("%s: %s is %q, want %q", span, name, got[span][name], value)
			}
		}
	}
}

// TestWhoDecidesWhatIsTraced: the caller, else the setting.
func TestWhoDecidesWhatIsTraced(t *testing.T) {
	tests := []struct {
		name    string
		passive bool
		header  http.Header
		want    bool
	}{
		{"the caller says no", false, http.Header{"X-Amzn-Trace-Id": {"Root=" + clientRoot + ";Parent=" + clientSpan + ";Sampled=0"}}, false},
		{"the caller says nothing, and all are picked", false, http.Header{"X-Amzn-Trace-Id": {"Root=" + clientRoot}}, true},
		{"the caller says nothing, and none is picked", true, http.Header{"X-Amzn-Trace-Id": {"Root=" + clientRoot}}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := startCollector(t)
			w, stop, api, key := tracedWhole(t, telemetry.Config{OTLPEndpoint: "http://" + c.address, TracePassive: tt.passive})
			if saw := w.traced(api, key, tt.header); !strings.HasPrefix(saw, "Root="+clientRoot+";Parent=") {
				t.Errorf("the function saw %s", saw)
			}
			stop()
			// Without a client's span the request is the first of its trace.
			if ways, _ := c.ofTrace(t, clientTrace, ""); (len(ways) > 0) != tt.want {
				t.Errorf("recorded %q", ways)
			}
		})
	}
}

// TestOneTraceOfAConnection: the handshake, a message and the end of a WebSocket connection are one trace.
func TestOneTraceOfAConnection(t *testing.T) {
	c := startCollector(t)
	w, stop := startWholeWith(t, Config{DataDir: filepath.Join(t.TempDir(), "data"),
		Telemetry: telemetry.Config{OTLPEndpoint: "http://" + c.address, TracePassive: true}})
	api := w.socketAPI()
	conn, _, err := (&websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return net.Dial("tcp", strings.TrimPrefix(w.url, "http://")) }}).
		Dial("ws://"+api+".execute-api.localhost/live", http.Header{"Traceparent": {"00-" + clientTrace + "-" + clientSpan + "-" + sampledFlags}})
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.WriteMessage(websocket.TextMessage, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	_, reply, err := conn.ReadMessage()
	if err != nil || !bytes.Contains(reply, []byte("Root="+clientRoot+";Parent=")) {
		t.Errorf("the function saw %s, %v", reply, err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	stop()
	ways, attributes := c.ofTrace(t, clientTrace, clientSpan)
	const connect = "GET $connect (server)"
	event := func(name, route string) []string {
		span := connect + " > " + name + " (server)"
		invoke := " > limen.edge.v1.Edge/Invoke"
		event := span + invoke + " (client)" + invoke + " (server) > " + route + " (internal)"
		return []string{span, span + invoke + " (client)", span + invoke + " (client)" + invoke + " (server)", event,
			event + " > invoke trace (client)", event + " > invoke trace (client) > trace (server)"}
	}
	want := append(event("message", "MESSAGE $default"), event("disconnect", "DISCONNECT $disconnect")...)
	want = append(want, connect, connect+" > invoke trace (client)", connect+" > invoke trace (client) > trace (server)")
	slices.Sort(want)
	if got := strings.Join(ways, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	checkAttributes(t, attributes, map[string]map[string]string{
		"message":          {"network.protocol.name": "websocket", "aws.api_gateway.rest_api_id": api},
		"MESSAGE $default": {"http.route": "$default"},
	})
}

// socketAPI makes a WebSocket API all of whose routes are the function trace, and deploys it to the stage live.
func (w *whole) socketAPI() string {
	w.t.Helper()
	api := w.call("POST", "/v2/apis", `{"name":"s","protocolType":"WEBSOCKET","routeSelectionExpression":"$request.body.action"}`)["apiId"].(string)
	integration := w.call("POST", "/v2/apis/"+api+"/integrations", `{"integrationType":"AWS_PROXY","integrationMethod":"POST","integrationUri":
		"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:`+w.key.Account+`:function:trace/invocations"}`)["integrationId"].(string)
	for _, key := range []string{"$connect", "$default", "$disconnect"} {
		body := `{"routeKey":"` + key + `","target":"integrations/` + integration + `"}`
		if key == "$default" {
			body = strings.TrimSuffix(body, "}") + `,"routeResponseSelectionExpression":"$default"}`
		}
		route := w.call("POST", "/v2/apis/"+api+"/routes", body)["routeId"].(string)
		if key == "$default" {
			w.call("POST", "/v2/apis/"+api+"/routes/"+route+"/routeresponses", `{"routeResponseKey":"$default"}`)
		}
	}
	w.call("POST", "/v2/apis/"+api+"/stages", `{"stageName":"live"}`)
	w.call("POST", "/v2/apis/"+api+"/deployments", `{"stageName":"live"}`)
	return api
}
