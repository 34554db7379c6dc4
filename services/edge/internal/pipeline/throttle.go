package pipeline

import (
	"context"

	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/core/throttle"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/meter"
)

// Which limit refused, for explanations.
const (
	ofPlanAndMethod = "the usage plan's limit of this key for this method"
	ofPlan          = "the usage plan's limit of this key"
	ofMethod        = "the stage's limit for this method, of all callers"
	ofAccount       = "the account's limit, of all APIs"
)

// throttled is the stage's limit for the method, then the account's, step 0.10.
func throttled(_ Method, v *Services) exchange.Phase {
	return func(ctx context.Context, x *exchange.Exchange) error {
		s := x.Scope
		var err error
		if s.Throttles != nil {
			if l := s.Throttles[x.Match.Route]; !l.Unlimited() {
				name := meter.Name{Account: s.Account, Region: s.Region, API: s.API, Stage: s.Stage, Method: x.Method.Name}
				err = take(ctx, v.Meter, x, name, meter.Limit{Throttle: l, Revision: s.Revision}, ofMethod)
			}
		}
		if err == nil && v.Account != (throttle.Limit{}) {
			err = take(ctx, v.Meter, x, meter.Name{Account: s.Account, Region: s.Region}, meter.Limit{Throttle: v.Account}, ofAccount)
		}
		if err != nil && x.Plan != nil {
			// A throttled request does not consume the quota.
			name := keyName(x, x.Plan)
			name.Quota = true
			v.Meter.Refund(name)
		}
		return err
	}
}

// throttledRoute is the same for a route of a WebSocket API: each connection and each message counts.
func throttledRoute(r Route, v *Services) exchange.Phase {
	phase := throttled(r.Method, v)
	return func(ctx context.Context, x *exchange.Exchange) error {
		x.Match.Route = r.Index
		return phase(ctx, x)
	}
}

// take takes a token of a throttle.
func take(ctx context.Context, meters *meter.Meter, x *exchange.Exchange, n meter.Name, l meter.Limit, which string) error {
	v := meters.Take(ctx, n, l)
	if v.Alone {
		x.Record.Add(executionlog.PhaseThrottle, executionlog.MeteringAway, which)
	}
	if !v.Refused {
		return nil
	}
	x.Record.Add(executionlog.PhaseThrottle, executionlog.Throttled, which, l.Throttle.String(), n.Key, n.Plan)
	return gatewayresponse.New(gatewayresponse.Throttled, nil)
}
