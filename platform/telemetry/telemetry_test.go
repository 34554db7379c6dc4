package telemetry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/limen-gateway/limen/platform/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs telemetry with a side listener and returns its URL.
func start(t *testing.T, c Config) (*Telemetry, string) {
	t.Helper()
	c.Listen = "127.0.0.1:0"
	tel, err := New(c, "limen-test", "0.0.0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tel.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-tel.Ready()
	return tel, "http://" + tel.Address()
}

// get asks without keeping the connection.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestProbes(t *testing.T) {
	tel, url := start(t, Config{})
	var storeDown atomic.Bool
	tel.Health.Check("store", func(context.Context) error {
		if storeDown.Load() {
			return errors.New("no leader")
		}
		return nil
	})
	expect := func(path string, status int, body string) {
		t.Helper()
		if s, b := get(t, url+path); s != status || b != body {
			t.Errorf("%s: %d %q, want %d %q", path, s, b, status, body)
		}
	}
	expect("/livez", 200, "ok\n")
	expect("/startupz", 503, "starting\n")
	expect("/readyz", 503, "starting\n")
	tel.Health.Started()
	expect("/startupz", 200, "ok\n")
	expect("/readyz", 200, "ok\n")
	storeDown.Store(true)
	expect("/readyz", 503, "store: no leader\n")
	expect("/readyz/store", 503, "store: no leader\n")
	expect("/readyz/cache", 404, "there is no check cache\n")
	expect("/livez", 200, "ok\n")
	storeDown.Store(false)
	expect("/readyz/store", 200, "ok\n")
	tel.Health.Drain()
	expect("/readyz", 503, "stopping\n")
	expect("/livez", 200, "ok\n")
}

func TestMetricsPage(t *testing.T) {
	tel, url := start(t, Config{})
	requests, err := tel.Meters.Meter("test").Int64Counter("limen_requests")
	if err != nil {
		t.Fatal(err)
	}
	tel.Health.Started()
	tel.Health.Running("edge")
	tel.Health.Check("store", func(context.Context) error { return errors.New("away") })
	requests.Add(t.Context(), 3, metric.WithAttributes(attribute.String("stage", "prod")))
	status, body := get(t, url+"/metrics")
	if status != 200 {
		t.Fatal(status)
	}
	for _, want := range []string{`limen_requests_total{stage="prod"} 3`, "go_goroutines", `service_name="limen-test"`, `limen_ready{check="edge"} 1`, `limen_ready{check="store"} 0`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
}

func TestProfilesAreServedOnRequestOnly(t *testing.T) {
	for _, on := range []bool{false, true} {
		_, url := start(t, Config{Profiles: on})
		status, _ := get(t, url+"/debug/pprof/cmdline")
		if (status == 200) != on {
			t.Errorf("profiles %v: status %d", on, status)
		}
	}
}

func TestPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tel, err := New(Config{Listen: l.Addr().String()}, "limen-test", "0")
	if err != nil {
		t.Fatal(err)
	}
	if err := tel.Run(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "side listener: ") {
		t.Errorf("error %v", err)
	}
}

func TestLog(t *testing.T) {
	tests := []struct {
		name   string
		config Config
		want   string
	}{
		{"text", Config{LogFormat: "text"}, "level=INFO msg=shown key=1\n"},
		{"json", Config{LogFormat: "json", LogLevel: "info"}, `{"level":"INFO","msg":"shown","key":1}` + "\n"},
		{"level", Config{LogLevel: "error"}, ""},
		{"zero value", Config{}, "level=INFO msg=shown key=1\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			log := NewLog(tt.config, &out)
			log.Debug("hidden")
			log.Info("shown", "key", 1)
			got := out.String()
			// the time is not part of the comparison
			for _, cut := range []struct{ from, to string }{{"time=", " level"}, {`"time":`, `"level"`}} {
				if i := strings.Index(got, cut.from); i >= 0 {
					got = got[:i] + strings.TrimPrefix(got[strings.Index(got, cut.to):], " ")
				}
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	c := struct {
		Telemetry Config `yaml:"telemetry"`
	}{}
	_, err := settings.Load(&c, settings.Sources{Environ: []string{
		"LIMEN_TELEMETRY_LOG_LEVEL=loud", "LIMEN_TELEMETRY_LOG_FORMAT=xml", "LIMEN_TELEMETRY_TRACE_RATIO=2", "LIMEN_OTLP_ENDPOINT=collector:4317",
	}})
	want := `environment LIMEN_TELEMETRY_LOG_LEVEL: telemetry.log_level must be debug, info, warn or error, not "loud"
environment LIMEN_TELEMETRY_LOG_FORMAT: telemetry.log_format must be text or json, not "xml"
environment LIMEN_TELEMETRY_TRACE_RATIO: telemetry.trace_ratio must lie between 0 and 1, not 2
environment LIMEN_OTLP_ENDPOINT: telemetry.otlp_endpoint must begin with http:// or https://, not "collector:4317"`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

// collector is an OTLP collector that passes on the names of the spans it gets.
type collector struct {
	coltrace.UnimplementedTraceServiceServer
	spans chan string
}

func (c *collector) Export(_ context.Context, r *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	for _, rs := range r.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				c.spans <- s.Name
			}
		}
	}
	return &coltrace.ExportTraceServiceResponse{}, nil
}

func TestTracesReachTheCollectorBeforeRunReturns(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	c := &collector{spans: make(chan string, 1)}
	coltrace.RegisterTraceServiceServer(server, c)
	go server.Serve(l)
	defer server.Stop()

	tel, err := New(Config{OTLPEndpoint: "http://" + l.Addr().String()}, "limen-test", "0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tel.Run(ctx) }()
	_, span := tel.Traces.Tracer("test").Start(ctx, "GET /pets")
	span.End()
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	select {
	case name := <-c.spans:
		if name != "GET /pets" {
			t.Errorf("span %q", name)
		}
	default:
		t.Error("the span is lost")
	}
}

func TestWithoutAnEndpointNothingIsTraced(t *testing.T) {
	tel, err := New(Config{}, "limen-test", "0")
	if err != nil {
		t.Fatal(err)
	}
	if tel.Traces != nil || tel.Sampling().Picks(trace.TraceID{}) {
		t.Error("a trace would be recorded")
	}
	if !tel.Log.Enabled(t.Context(), slog.LevelInfo) {
		t.Error("info is not logged")
	}
}

func TestSampling(t *testing.T) {
	low, high := trace.TraceID{8: 0x10}, trace.TraceID{8: 0xf0}
	tests := []struct {
		name      string
		config    Config
		low, high bool
	}{
		{"all by default", Config{}, true, true},
		{"a part", Config{TraceRatio: 0.5}, true, false},
		{"what callers ask for", Config{TracePassive: true}, false, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.config.OTLPEndpoint = "http://127.0.0.1:1"
			tel, err := New(tt.config, "limen-test", "0")
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := tel.Run(ctx); err != nil {
				t.Error(err)
			}
			if s := tel.Sampling(); s.Picks(low) != tt.low || s.Picks(high) != tt.high {
				t.Errorf("picks %v, %v", s.Picks(low), s.Picks(high))
			}
		})
	}
}
