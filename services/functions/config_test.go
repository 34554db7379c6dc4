package functions

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/limen-gateway/limen/platform/functions"
	"github.com/limen-gateway/limen/platform/settings"
)

const file = `
functions:
  dir: /srv/functions
  idle_timeout: 1m
  declare:
    - name: hello
      sample: hello
    - name: pets
      command: pets
      args: [serve]
      timeout: 10s
      reserved_concurrency: 3
      env: {TABLE: pets}
      versions:
        "1": {command: pets-1}
      aliases: {live: "1"}
    - name: far
      url: http://far.example/invoke
`

func load(t *testing.T, text string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "limen.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var c struct {
		Functions Config `yaml:"functions"`
	}
	_, err := settings.Load(&c, settings.Sources{File: path})
	return c.Functions, err
}

func TestSettings(t *testing.T) {
	c, err := load(t, file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := New(c, Deps{}); err != nil {
		t.Fatal(err)
	}
	pets := c.Declare[1]
	if c.InitTimeout != 10*time.Second || c.IdleTimeout != time.Minute || pets.Timeout != 10*time.Second || pets.ReservedConcurrency != 3 ||
		pets.Env["TABLE"] != "pets" || pets.Versions["1"].Command != "pets-1" || pets.Aliases["live"] != "1" || c.Declare[2].URL == "" {
		t.Errorf("loaded %+v", c)
	}
	for change, want := range map[string]string{
		"sample: hello>command: x\n      sample: hello": `functions.declare.0 function "hello": wants exactly one of command, sample and url`,
		"idle_timeout: 1m>idle_timeout: -1m":            "functions.idle_timeout must not be negative",
		"idle_timeout: 1m>init_timeout: -1m":            "functions.init_timeout must not be negative",
	} {
		old, changed, _ := strings.Cut(change, ">")
		if _, err := load(t, strings.Replace(file, old, changed, 1)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v", changed, err)
		}
	}
}

// TestSample: a sample is this program with two arguments.
func TestSample(t *testing.T) {
	s, _ := one(t, Function{Sample: "hello"})
	if got := good(t, invoke(t, s, "f", order{Do: "args"})); !slices.Equal(got.Env, []string{"sample", "hello"}) {
		t.Errorf("started with %q", got.Env)
	}
}

func TestMetrics(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	s, err := New(Config{Declare: []Function{{Name: "f", Command: self(t), ReservedConcurrency: 1}}}, Deps{Meters: sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-s.Ready()
	for _, do := range []string{`{}`, `{}`, `{"do":"error"}`} {
		if _, err := s.Invoke(ctx, home("f"), []byte(do), functions.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	var got metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &got); err != nil {
		t.Fatal(err)
	}
	values := map[string]int64{}
	for _, m := range got.ScopeMetrics[0].Metrics {
		switch data := m.Data.(type) {
		case metricdata.Sum[int64]:
			for _, p := range data.DataPoints {
				result, _ := p.Attributes.Value("result")
				values[m.Name+" "+result.AsString()] = p.Value
			}
		case metricdata.Gauge[int64]:
			values[m.Name] = data.DataPoints[0].Value
		case metricdata.Histogram[float64]:
			for _, p := range data.DataPoints {
				values[m.Name] += int64(p.Count)
			}
		}
	}
	for name, want := range map[string]int64{"limen_functions_invocations ok": 2, "limen_functions_invocations error": 1, "limen_functions_processes": 1, "limen_functions_duration": 3} {
		if values[name] != want {
			t.Errorf("%s is %d in %v", name, values[name], values)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func BenchmarkInvoke(b *testing.B) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(Config{Declare: []Function{{Name: "f", Command: exe}}}, Deps{})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	<-s.Ready()
	f := home("f")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Invoke(ctx, f, []byte(`{"do":"raw"}`), functions.Options{}); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	cancel()
	<-ended
}
