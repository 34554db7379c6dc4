package snapshots

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// Instruments registers what is observed of the follower: whether it follows an admin, and of how many resources it serves an
// older version because the newest cannot be taken over.
func (f *Follower) Instruments(m metric.Meter) error {
	followed, err := m.Int64ObservableGauge("limen_configuration_followed", metric.WithDescription("1 while an admin is followed, 0 while the last known configuration is served"))
	failing, err2 := m.Int64ObservableGauge("limen_configuration_failing", metric.WithDescription("Resources whose newest version cannot be taken over; what was served before stays in force"))
	if err := errors.Join(err, err2); err != nil {
		return fmt.Errorf("snapshots metrics: %w", err)
	}
	role := metric.WithAttributes(attribute.String("role", f.c.Role))
	_, err = m.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		on := int64(0)
		if f.following.Load() {
			on = 1
		}
		o.ObserveInt64(followed, on, role)
		o.ObserveInt64(failing, f.failing.Load(), role)
		return nil
	}, followed, failing)
	return err
}
