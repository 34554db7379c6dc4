package wsconn

import (
	"context"
	"errors"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/limen-gateway/limen/services/wsconn/internal/hub"
)

// counters count what happens to connections.
type counters struct {
	opened, closed, received, sent, pushed, full metric.Int64Counter
}

func newCounters(m metric.Meter, open func() int, malformedProxy func() int64) (*counters, error) {
	if m == nil {
		m = noop.Meter{}
	}
	var problems []error
	counter := func(name, help string) metric.Int64Counter {
		c, err := m.Int64Counter(name, metric.WithDescription(help))
		problems = append(problems, err)
		return c
	}
	c := &counters{
		opened:   counter("limen_websocket_connects", "connections that opened"),
		closed:   counter("limen_websocket_disconnects", "connections that closed, by close code"),
		received: counter("limen_websocket_messages_received", "messages from clients"),
		sent:     counter("limen_websocket_messages_sent", "messages to clients"),
		pushed:   counter("limen_websocket_messages_queued", "messages that were queued for clients"),
		full:     counter("limen_websocket_messages_dropped", "messages that a full queue refused"),
	}
	c.full.Add(context.Background(), 0) // shown from the start, so that its first increase is one
	_, err := m.Int64ObservableCounter("limen_proxy_protocol_malformed", metric.WithDescription("Connections from trusted proxies that were closed for their PROXY header"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(malformedProxy(), metric.WithAttributes(attribute.String("role", "wsconn")))
			return nil
		}))
	problems = append(problems, err)
	_, err = m.Int64ObservableGauge("limen_websocket_connections", metric.WithDescription("connections that are open"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(open()))
			return nil
		}))
	return c, errors.Join(append(problems, err)...)
}

func (c *counters) count(what hub.What, n int) {
	ctx := context.Background()
	switch what {
	case hub.Opened:
		c.opened.Add(ctx, 1)
	case hub.Closed:
		code := "other" // clients may send any of thousands
		if n < 1016 {
			code = strconv.Itoa(n)
		}
		c.closed.Add(ctx, 1, metric.WithAttributes(attribute.String("code", code)))
	case hub.Received:
		c.received.Add(ctx, 1)
	case hub.Sent:
		c.sent.Add(ctx, 1)
	case hub.Pushed:
		c.pushed.Add(ctx, 1)
	case hub.Full:
		c.full.Add(ctx, 1)
	}
}
