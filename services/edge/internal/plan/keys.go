package plan

import (
	"github.com/limen-gateway/limen/core/throttle"
	"github.com/limen-gateway/limen/core/usageplan"
	"github.com/limen-gateway/limen/platform/snapshots"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// keyring is the published API keys and usage plans, by the scope of their account and region.
type keyring struct {
	scopes    map[string]*usageplan.Keys
	resources map[string]*configv1.Resource
}

func newKeyring() *keyring {
	return &keyring{scopes: map[string]*usageplan.Keys{}, resources: map[string]*configv1.Resource{}}
}

func keyScope(account, region string) string { return account + "/" + region }

// apply takes over changes; what a full state does not name is gone.
func (k *keyring) apply(u snapshots.Update) {
	gone := u.Deleted
	if u.Full {
		named := map[string]bool{}
		for _, r := range u.Changed {
			named[r.GetKey()] = true
		}
		for key := range k.resources {
			if !named[key] {
				gone = append(gone[:len(gone):len(gone)], key)
			}
		}
	}
	for _, key := range gone {
		k.remove(key)
	}
	for _, r := range u.Changed {
		k.put(r)
	}
}

func (k *keyring) put(r *configv1.Resource) {
	switch {
	case r.GetApiKey() != nil:
		key := r.GetApiKey()
		s := keyScope(key.GetAccount(), key.GetRegion())
		k.scopes[s] = k.scopes[s].WithKey(key)
	case r.GetUsagePlan() != nil:
		p := r.GetUsagePlan()
		s := keyScope(p.GetAccount(), p.GetRegion())
		k.scopes[s] = k.scopes[s].WithPlan(p, r.GetRevision())
	default:
		return
	}
	k.resources[r.GetKey()] = r
}

func (k *keyring) remove(name string) {
	r := k.resources[name]
	if r == nil {
		return
	}
	delete(k.resources, name)
	if key := r.GetApiKey(); key != nil {
		s := keyScope(key.GetAccount(), key.GetRegion())
		k.scopes[s] = k.scopes[s].WithoutKey(key.GetId())
		return
	}
	p := r.GetUsagePlan()
	s := keyScope(p.GetAccount(), p.GetRegion())
	k.scopes[s] = k.scopes[s].WithoutPlan(p.GetPlan().GetId())
}

// compileThrottles are the stage's limits of its methods, in their order; nil when it has none. A method's own entry counts,
// else that of */*, and nothing is merged (spec/rest.md 8.3).
func compileThrottles(m *snapshotv1.Stage, methods []*exchange.Method) []throttle.Limit {
	byMethod := map[string]*apigatewayv1.MethodSetting{}
	for key, setting := range m.GetStage().GetMethodSettings().GetEntries() {
		path, verb := usageplan.SplitMethod(key)
		byMethod[verb+" "+path] = setting
	}
	var out []throttle.Limit
	for i, method := range methods {
		setting := byMethod[method.Name]
		if setting == nil {
			setting = byMethod["* *"]
		}
		if setting == nil {
			continue
		}
		l := throttle.Of(setting.ThrottlingRateLimit, setting.ThrottlingBurstLimit)
		if l.Unlimited() {
			continue
		}
		if out == nil {
			out = make([]throttle.Limit, len(methods))
			for j := range out {
				out[j] = throttle.None
			}
		}
		out[i] = l
	}
	return out
}
