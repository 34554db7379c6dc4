package edge

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"

	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// series is what requests are counted by. Requests that found no stage or no resource count with empty labels: labels
// made of what clients send would have no bound.
type series struct{ api, stage, route string }

// counts are the numbers of one series, added to without locks and read when metrics are collected.
type counts struct {
	byClass   [6]atomic.Int64 // by the first digit of the status
	latency   atomic.Int64    // microseconds, summed
	backend   atomic.Int64
	bytesSent atomic.Int64
	// Of requests to methods that the stage caches: CacheHitCount and CacheMissCount.
	cacheHits   atomic.Int64
	cacheMisses atomic.Int64
}

type counters struct {
	mu     sync.RWMutex
	series map[series]*counts
}

// newCounters registers the instruments of requests. A nil meter registers none.
func newCounters(m metric.Meter) (*counters, error) {
	c := &counters{series: map[series]*counts{}}
	if m == nil {
		return c, nil
	}
	requests, err := m.Int64ObservableCounter("limen_requests", metric.WithDescription("Requests answered, by status class"))
	if err != nil {
		return nil, fmt.Errorf("edge metrics: %w", err)
	}
	latency, err := m.Int64ObservableCounter("limen_request_latency_microseconds", metric.WithDescription("Time from arrival to answer, summed"))
	if err != nil {
		return nil, fmt.Errorf("edge metrics: %w", err)
	}
	backend, err := m.Int64ObservableCounter("limen_integration_latency_microseconds", metric.WithDescription("Time spent in integrations, summed"))
	if err != nil {
		return nil, fmt.Errorf("edge metrics: %w", err)
	}
	sent, err := m.Int64ObservableCounter("limen_response_bytes", metric.WithDescription("Bytes of response bodies"))
	if err != nil {
		return nil, fmt.Errorf("edge metrics: %w", err)
	}
	cache, err := m.Int64ObservableCounter("limen_cache_lookups", metric.WithDescription("Look-ups in the response cache, by result"))
	if err != nil {
		return nil, fmt.Errorf("edge metrics: %w", err)
	}
	_, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		c.observe(o, requests, latency, backend, sent, cache)
		return nil
	}, requests, latency, backend, sent, cache)
	if err != nil {
		return nil, fmt.Errorf("edge metrics: %w", err)
	}
	return c, nil
}

// observeState registers what else is seen of an edge: connections that a malformed PROXY header ended, WebSockets that are
// relayed at the moment, and whether limits are enforced by this edge alone. A nil meter registers nothing.
func observeState(m metric.Meter, malformedProxy func() int64, relayed func() int, meteringAway func() bool) error {
	if m == nil {
		return nil
	}
	proxy, err := m.Int64ObservableCounter("limen_proxy_protocol_malformed", metric.WithDescription("Connections from trusted proxies that were closed for their PROXY header"))
	if err != nil {
		return fmt.Errorf("edge metrics: %w", err)
	}
	relays, err := m.Int64ObservableGauge("limen_websocket_relays", metric.WithDescription("WebSocket connections relayed to nodes in other processes"))
	if err != nil {
		return fmt.Errorf("edge metrics: %w", err)
	}
	away, err := m.Int64ObservableGauge("limen_metering_away", metric.WithDescription("1 while metering does not answer this edge, which enforces limits alone"))
	if err != nil {
		return fmt.Errorf("edge metrics: %w", err)
	}
	_, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		alone := int64(0)
		if meteringAway() {
			alone = 1
		}
		// A process with wsconn counts these of its sockets too.
		o.ObserveInt64(proxy, malformedProxy(), metric.WithAttributes(attribute.String("role", "edge")))
		o.ObserveInt64(relays, int64(relayed()))
		o.ObserveInt64(away, alone)
		return nil
	}, proxy, relays, away)
	return err
}

func (c *counters) observe(o metric.Observer, requests, latency, backend, sent, cache metric.Int64Observable) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	for s, n := range c.series {
		labels := []attribute.KeyValue{attribute.String("api", s.api), attribute.String("stage", s.stage), attribute.String("route", s.route)}
		for class := range n.byClass {
			if v := n.byClass[class].Load(); v > 0 {
				o.ObserveInt64(requests, v, metric.WithAttributes(append(labels[:3:3], attribute.String("status_class", strconv.Itoa(class)+"xx"))...))
			}
		}
		for result, v := range map[string]int64{"hit": n.cacheHits.Load(), "miss": n.cacheMisses.Load()} {
			if v > 0 {
				o.ObserveInt64(cache, v, metric.WithAttributes(append(labels[:3:3], attribute.String("result", result))...))
			}
		}
		set := metric.WithAttributes(labels...)
		o.ObserveInt64(latency, n.latency.Load(), set)
		o.ObserveInt64(backend, n.backend.Load(), set)
		o.ObserveInt64(sent, n.bytesSent.Load(), set)
	}
}

// count adds one request.
func (c *counters) count(x *exchange.Exchange) {
	var key series
	if x.Scope != nil {
		key.api, key.stage = x.Scope.API, x.Scope.Stage
	}
	if x.Method != nil {
		key.route = x.Method.ResourcePath
	}
	c.mu.RLock()
	n := c.series[key]
	c.mu.RUnlock()
	if n == nil {
		n = c.add(key)
	}
	n.byClass[min(max(x.Record.Status/100, 0), 5)].Add(1)
	n.latency.Add(x.Record.Latency.Microseconds())
	n.backend.Add(x.Record.Backend.Microseconds())
	n.bytesSent.Add(int64(x.Record.Bytes))
	switch x.Cached {
	case exchange.CacheHit:
		n.cacheHits.Add(1)
	case exchange.CacheMiss:
		n.cacheMisses.Add(1)
	}
}

func (c *counters) add(key series) *counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.series[key]; n != nil {
		return n
	}
	n := &counts{}
	c.series[key] = n
	return n
}
