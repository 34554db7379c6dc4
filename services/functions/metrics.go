package functions

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// metrics are the instruments of the function host.
type metrics struct {
	invocations metric.Int64Counter
	duration    metric.Float64Histogram
}

func newMetrics(p metric.MeterProvider, processes func(count func(function string, n int))) (*metrics, error) {
	if p == nil {
		p = noop.NewMeterProvider()
	}
	meter := p.Meter("github.com/limen-gateway/limen/services/functions")
	var m metrics
	var err error
	if m.invocations, err = meter.Int64Counter("limen_functions_invocations", metric.WithDescription("invocations by function and result: ok, error, throttled")); err != nil {
		return nil, err
	}
	if m.duration, err = meter.Float64Histogram("limen_functions_duration", metric.WithUnit("s"), metric.WithDescription("time from an invocation's start to its answer, without initialisation of the process")); err != nil {
		return nil, err
	}
	_, err = meter.Int64ObservableGauge("limen_functions_processes", metric.WithDescription("processes of a function"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			processes(func(function string, n int) {
				o.Observe(int64(n), metric.WithAttributes(attribute.String("function", function)))
			})
			return nil
		}))
	return &m, err
}

// observe counts one invocation; took is zero for one that never started.
func (m *metrics) observe(function, result string, took time.Duration) {
	labels := metric.WithAttributeSet(attribute.NewSet(attribute.String("function", function), attribute.String("result", result)))
	m.invocations.Add(context.Background(), 1, labels)
	if took > 0 {
		m.duration.Record(context.Background(), took.Seconds(), labels)
	}
}
