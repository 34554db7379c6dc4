// Package telemetry is what a process says about itself: structured logs, metrics, traces, and the side listener that
// probes and scrapers ask (/livez /readyz /startupz /metrics, and profiles when they are switched on).
//
// Nothing here is global: logger, meter and tracer are handed to whoever needs them. Without an OTLP endpoint traces
// cost nothing and go nowhere. User access logs are not its business.
//
// Logs have a constant message and snake_case keys, and go to stderr.
package telemetry

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	promexporter "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/limen-gateway/limen/platform/settings"
)

// Config are the settings of a process's telemetry. The zero value logs text at level info and listens nowhere.
type Config struct {
	LogFormat    string  `yaml:"log_format" default:"text" help:"how logs are written: text or json"`
	LogLevel     string  `yaml:"log_level" default:"info" help:"the least level that is logged: debug, info, warn or error"`
	Listen       string  `yaml:"listen" help:"address of the side listener, such as 127.0.0.1:9090; none when empty"`
	Profiles     bool    `yaml:"profiles" help:"serve /debug/pprof on the side listener"`
	OTLPEndpoint string  `yaml:"otlp_endpoint" env:"LIMEN_OTLP_ENDPOINT" help:"where traces go, such as http://collector:4317; nowhere when empty"`
	TraceRatio   float64 `yaml:"trace_ratio" default:"1" help:"the part of requests that is traced of those whose caller does not decide, above 0 and at most 1; a caller decides by Sampled=0 or 1 in X-Amzn-Trace-Id, or by the flag of traceparent"`
	TracePassive bool    `yaml:"trace_passive" help:"trace only requests whose caller asks for it, and no part of the others"`
}

// Check tells which setting breaks which rule.
func (c *Config) Check() error {
	var problems []error
	if _, err := level(c.LogLevel); err != nil {
		problems = append(problems, settings.Refuse("log_level", "must be debug, info, warn or error, not %q", c.LogLevel))
	}
	if c.LogFormat != "" && c.LogFormat != "text" && c.LogFormat != "json" {
		problems = append(problems, settings.Refuse("log_format", "must be text or json, not %q", c.LogFormat))
	}
	if c.TraceRatio < 0 || c.TraceRatio > 1 {
		problems = append(problems, settings.Refuse("trace_ratio", "must lie between 0 and 1, not %v", c.TraceRatio))
	}
	if e := c.OTLPEndpoint; e != "" && !strings.HasPrefix(e, "http://") && !strings.HasPrefix(e, "https://") {
		problems = append(problems, settings.Refuse("otlp_endpoint", "must begin with http:// or https://, not %q", e))
	}
	return errors.Join(problems...)
}

func level(name string) (slog.Level, error) {
	var l slog.Level
	if name == "" {
		return l, nil
	}
	err := l.UnmarshalText([]byte(name))
	return l, err
}

// NewLog makes the logger of a process; out is stderr outside tests. A level that is not one counts as info.
func NewLog(c Config, out io.Writer) *slog.Logger {
	l, err := level(c.LogLevel)
	if err != nil {
		l = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: l}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}

// Telemetry holds the logger, meter and tracer of one process. It is safe for concurrent use.
type Telemetry struct {
	Log    *slog.Logger
	Meters metric.MeterProvider
	// Traces is nil when traces go nowhere. Who begins a trace asks Sampling first: what is begun is exported.
	Traces trace.TracerProvider
	Health *Health

	config   Config
	registry *prometheus.Registry
	flush    []func(context.Context) error
	ready    chan struct{}
	bound    string
}

// New makes the telemetry of the named service (limen, limen-edge). It opens no socket and starts no export; Run does.
func New(c Config, service, version string) (*Telemetry, error) {
	settings.Defaults(&c)
	if err := c.Check(); err != nil {
		return nil, fmt.Errorf("telemetry: %w", err)
	}
	t := &Telemetry{
		Log:      NewLog(c, os.Stderr),
		Health:   NewHealth(),
		config:   c,
		registry: prometheus.NewRegistry(),
		ready:    make(chan struct{}),
	}
	about := resource.NewSchemaless(attribute.String("service.name", service), attribute.String("service.version", version))
	if err := t.meters(about); err != nil {
		return nil, err
	}
	return t, t.traces(about)
}

func (t *Telemetry) meters(about *resource.Resource) error {
	t.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := promexporter.New(promexporter.WithRegisterer(t.registry), promexporter.WithoutScopeInfo())
	if err != nil {
		return fmt.Errorf("telemetry: metrics: %w", err)
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithResource(about))
	t.Meters = provider
	t.flush = append(t.flush, provider.Shutdown)
	return t.Health.instruments(provider.Meter("limen/telemetry"))
}

func (t *Telemetry) traces(about *resource.Resource) error {
	if t.config.OTLPEndpoint == "" {
		return nil
	}
	exporter := otlptracegrpc.NewUnstarted(otlptracegrpc.WithEndpointURL(t.config.OTLPEndpoint))
	if err := exporter.Start(context.Background()); err != nil { // dials in the background
		return fmt.Errorf("telemetry: traces to %s: %w", t.config.OTLPEndpoint, err)
	}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithBatcher(exporter),
		sdktrace.WithResource(about),
		sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.AlwaysSample())),
	)
	t.Traces = provider
	t.flush = append(t.flush, provider.Shutdown)
	return nil
}

// Sampling decides which of the requests are traced whose caller does not decide. The zero value picks none.
type Sampling struct{ bound uint64 }

// Sampling is what the settings say; it picks none when traces go nowhere.
func (t *Telemetry) Sampling() Sampling {
	if t.Traces == nil || t.config.TracePassive {
		return Sampling{}
	}
	return NewSampling(t.config.TraceRatio)
}

// NewSampling picks a part of all traces, between 0 and 1.
func NewSampling(part float64) Sampling { return Sampling{uint64(part * (1 << 63))} }

// Picks decides by the trace id alone, so that whoever decides about a trace decides the same.
func (s Sampling) Picks(id trace.TraceID) bool {
	return binary.BigEndian.Uint64(id[8:])>>1 < s.bound
}
