package pipeline

import (
	"context"

	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	"github.com/limen-gateway/limen/core/usageplan"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/meter"
)

// apiKey demands a key of a usage plan of the stage, then the plan's throttles and its quota, step 0.9 (spec/rest.md 2.4 and
// 10.1).
func apiKey(m Method, v *Services) exchange.Phase {
	return func(ctx context.Context, x *exchange.Exchange) error {
		p, err := identify(m, x)
		if err != nil {
			return err
		}
		if err := throttlePlan(ctx, v.Meter, x, p); err != nil {
			return err
		}
		return takeQuota(ctx, v.Meter, x, p)
	}
}

// identify finds the key and the plan in which it counts here.
func identify(m Method, x *exchange.Exchange) (*usageplan.Plan, error) {
	value, place := x.HeaderFold("x-api-key"), "the header x-api-key"
	if m.KeyFromAuthorizer {
		value, place = x.UsageKey, "usageIdentifierKey of its authorizer"
	}
	if value == "" {
		return nil, refuseKey(x, executionlog.KeyMissing, m.Name, place)
	}
	key := x.Keys.Find(value)
	switch {
	case key == nil:
		return nil, refuseKey(x, executionlog.KeyUnknown, executionlog.Mask(value))
	case !key.Enabled:
		return nil, refuseKey(x, executionlog.KeyDisabled, key.ID)
	}
	p := x.Keys.Plan(key, x.Scope.API, x.Scope.Stage)
	if p == nil {
		return nil, refuseKey(x, executionlog.KeyInNoPlan, key.ID, x.Scope.API, x.Scope.Stage)
	}
	x.APIKey, x.APIKeyID = value, key.ID
	x.Record.Add(executionlog.PhaseAPIKey, executionlog.KeyAccepted, key.ID, p.ID)
	return p, nil
}

func refuseKey(x *exchange.Exchange, code executionlog.Code, values ...string) error {
	x.Record.Add(executionlog.PhaseAPIKey, code, values...)
	return gatewayresponse.New(gatewayresponse.InvalidAPIKey, nil)
}

// throttlePlan: the plan's limit for the key and method, then for the key and all methods of the stage.
func throttlePlan(ctx context.Context, meters *meter.Meter, x *exchange.Exchange, p *usageplan.Plan) error {
	name := keyName(x, p)
	name.API, name.Stage = x.Scope.API, x.Scope.Stage
	if l, ok := p.Method(x.Scope.API, x.Scope.Stage, x.Method.Name); ok {
		name.Method = x.Method.Name
		if err := take(ctx, meters, x, name, meter.Limit{Throttle: l, Revision: p.Revision}, ofPlanAndMethod); err != nil {
			return err
		}
		name.Method = ""
	}
	if p.Throttle.Unlimited() {
		return nil
	}
	return take(ctx, meters, x, name, meter.Limit{Throttle: p.Throttle, Revision: p.Revision}, ofPlan)
}

func keyName(x *exchange.Exchange, p *usageplan.Plan) meter.Name {
	// All of these outlive the exchange: APIKeyID is the string of the published key.
	return meter.Name{Account: x.Scope.Account, Region: x.Scope.Region, Plan: p.ID, Key: x.APIKeyID}
}

// takeQuota comes last, so that a request that is throttled does not consume the quota (spec/rest.md 10.1).
func takeQuota(ctx context.Context, meters *meter.Meter, x *exchange.Exchange, p *usageplan.Plan) error {
	name := keyName(x, p)
	name.Quota = true
	if p.Quota == nil {
		meters.Served(name)
		x.Plan = p
		return nil
	}
	v := meters.Take(ctx, name, meter.Limit{Quota: p.Quota, Revision: p.Revision})
	if v.Alone {
		x.Record.Add(executionlog.PhaseAPIKey, executionlog.MeteringAway, "the quota of usage plan "+p.ID)
	}
	if !v.Refused {
		x.Plan = p
		return nil
	}
	if v.Alone {
		x.Record.Add(executionlog.PhaseAPIKey, executionlog.QuotaUnknown, x.APIKeyID, p.ID)
	} else {
		x.Record.AddNumber(executionlog.PhaseAPIKey, executionlog.QuotaExhausted, p.Quota.Limit, x.APIKeyID, p.ID, string(p.Quota.Period))
	}
	return gatewayresponse.New(gatewayresponse.QuotaExceeded, nil)
}
