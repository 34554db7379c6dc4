package entry

import (
	"context"
	"errors"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"
)

// counts are the numbers of one route, read when metrics are collected.
type counts struct {
	open    atomic.Int64
	passed  atomic.Int64
	refused atomic.Int64
	failed  atomic.Int64 // replicas that did not answer
}

// observe registers the instruments.
func (s *Service) observe(m metric.Meter) error {
	if m == nil {
		m = noop.Meter{}
	}
	var problems []error
	counter := func(name, help string) metric.Int64ObservableCounter {
		c, err := m.Int64ObservableCounter(name, metric.WithDescription(help))
		problems = append(problems, err)
		return c
	}
	gauge := func(name, help string) metric.Int64ObservableGauge {
		g, err := m.Int64ObservableGauge(name, metric.WithDescription(help))
		problems = append(problems, err)
		return g
	}
	connections := counter("limen_entry_connections", "connections of clients, by what became of them: passed, refused")
	failures := counter("limen_entry_dial_failures", "replicas that did not take a connection")
	open := gauge("limen_entry_open_connections", "connections of clients that are open")
	replicas := gauge("limen_entry_replicas", "replicas behind a target, by whether they get new connections: ready, unready")
	if err := errors.Join(problems...); err != nil {
		return err
	}
	_, err := m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		for _, r := range s.routes {
			route := attribute.String("route", r.Route.String())
			with := func(key, value string) metric.MeasurementOption {
				return metric.WithAttributes(route, attribute.String(key, value))
			}
			ready, all := r.upstream.Ready()
			o.ObserveInt64(connections, r.counts.passed.Load(), with("result", "passed"))
			o.ObserveInt64(connections, r.counts.refused.Load(), with("result", "refused"))
			o.ObserveInt64(failures, r.counts.failed.Load(), metric.WithAttributes(route))
			o.ObserveInt64(open, r.counts.open.Load(), metric.WithAttributes(route))
			o.ObserveInt64(replicas, int64(ready), with("state", "ready"))
			o.ObserveInt64(replicas, int64(all-ready), with("state", "unready"))
		}
		return nil
	}, connections, failures, open, replicas)
	return err
}
