// Package usageplan knows API keys and usage plans: which key belongs to which plan on a stage, which limits then apply and in
// which order, and the periods of quotas (spec/rest.md 10). It counts nothing.
//
// The surprise: a key is known only by the SHA-256 of its value, and everything here is immutable: a change makes a new
// Keys, which shares what did not change.
package usageplan

import (
	"crypto/sha256"
	"maps"
	"strings"

	"github.com/limen-gateway/limen/core/throttle"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

// Key is an API key as edges know it.
type Key struct {
	ID      string
	Enabled bool
	hash    [sha256.Size]byte
}

// Plan is a compiled usage plan.
type Plan struct {
	ID string
	// Revision orders the versions of a plan.
	Revision int64
	Throttle throttle.Limit
	Quota    *Quota // nil: no quota
	stages   map[string]*stage
	keys     map[string]struct{}
}

type stage struct {
	methods map[string]throttle.Limit // by "{VERB} {path}"
}

// Method is the plan's own limit for a method of a stage, by its name "{VERB} {path}".
func (p *Plan) Method(api, stage, name string) (throttle.Limit, bool) {
	s := p.stages[api+":"+stage]
	if s == nil || len(s.methods) == 0 {
		return throttle.None, false
	}
	l, ok := s.methods[name]
	return l, ok && !l.Unlimited()
}

// shards bound what a change of one key copies.
const shards = 64

// Keys are the API keys and usage plans of one account in one region. It is immutable; nil has none.
type Keys struct {
	values [shards]map[[sha256.Size]byte]*Key
	byID   [shards]map[string]*Key
	plans  map[string]*Plan
	stages map[string][]*Plan // by "{api}:{stage}"
}

func shard(id string) int {
	n := 0
	for i := range len(id) {
		n = n*31 + int(id[i])
	}
	return n & (shards - 1)
}

// Find is the key with a value; nil when there is none.
func (k *Keys) Find(value string) *Key {
	if k == nil {
		return nil
	}
	sum := sha256.Sum256([]byte(value))
	return k.values[sum[0]%shards][sum]
}

// Plan is the plan in which a key counts on a stage; nil when there is none. A key is in one plan at most for a stage.
func (k *Keys) Plan(key *Key, api, stage string) *Plan {
	if k == nil || key == nil {
		return nil
	}
	for _, p := range k.stages[api+":"+stage] {
		if _, ok := p.keys[key.ID]; ok {
			return p
		}
	}
	return nil
}

// WithKey is k with a key added or replaced.
func (k *Keys) WithKey(m *snapshotv1.ApiKey) *Keys {
	out := k.WithoutKey(m.GetId())
	key := &Key{ID: m.GetId(), Enabled: m.GetEnabled()}
	if copy(key.hash[:], m.GetValueSha256()) != sha256.Size {
		return out // a key without a value can never be named
	}
	i, j := shard(key.ID), int(key.hash[0]%shards)
	out.byID[i], out.values[j] = cloned(out.byID[i]), cloned(out.values[j])
	out.byID[i][key.ID], out.values[j][key.hash] = key, key
	return out
}

// WithoutKey is k without a key.
func (k *Keys) WithoutKey(id string) *Keys {
	out := k.copy()
	i := shard(id)
	old := out.byID[i][id]
	if old == nil {
		return out
	}
	j := int(old.hash[0] % shards)
	out.byID[i], out.values[j] = cloned(out.byID[i]), cloned(out.values[j])
	delete(out.byID[i], id)
	if out.values[j][old.hash] == old {
		delete(out.values[j], old.hash)
	}
	return out
}

// WithPlan is k with a plan added or replaced; revision orders its versions.
func (k *Keys) WithPlan(m *snapshotv1.UsagePlan, revision int64) *Keys {
	out := k.copy()
	out.plans = cloned(out.plans)
	out.plans[m.GetPlan().GetId()] = compile(m, revision)
	out.index()
	return out
}

// WithoutPlan is k without a plan.
func (k *Keys) WithoutPlan(id string) *Keys {
	out := k.copy()
	out.plans = cloned(out.plans)
	delete(out.plans, id)
	out.index()
	return out
}

func (k *Keys) copy() *Keys {
	if k == nil {
		return &Keys{}
	}
	out := *k
	return &out
}

func (k *Keys) index() {
	k.stages = map[string][]*Plan{}
	for _, p := range k.plans {
		for name := range p.stages {
			k.stages[name] = append(k.stages[name], p)
		}
	}
}

func cloned[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

func compile(m *snapshotv1.UsagePlan, revision int64) *Plan {
	n := m.GetPlan()
	p := &Plan{ID: n.GetId(), Revision: revision, Throttle: throttle.None, stages: map[string]*stage{}, keys: map[string]struct{}{}}
	if t := n.GetThrottle(); t != nil {
		p.Throttle = throttle.Of(t.RateLimit, t.BurstLimit)
	}
	if q := n.GetQuota(); q != nil {
		p.Quota = &Quota{Limit: int64(q.GetLimit()), Offset: int64(q.GetOffset()), Period: Period(q.GetPeriod())}
	}
	for _, id := range m.GetKeyIds() {
		p.keys[id] = struct{}{}
	}
	for _, s := range n.GetApiStages().GetItems() {
		compiled := &stage{methods: map[string]throttle.Limit{}}
		for key, t := range s.GetThrottle().GetEntries() {
			path, verb := SplitMethod(key)
			compiled.methods[verb+" "+path] = throttle.Of(t.RateLimit, t.BurstLimit)
		}
		p.stages[s.GetApiId()+":"+s.GetStage()] = compiled
	}
	return p
}

// SplitMethod takes the key of a method's settings apart. Keys are stored as they were typed: /pets/{id}/GET, pets/{id}/GET
// and ~1pets~1{id}/GET name the same method, and the root is //GET, /GET or ~1/GET (spec/control-plane.md 6.3). "*" stays "*".
func SplitMethod(key string) (path, verb string) {
	at := strings.LastIndexByte(key, '/')
	path, verb = key[:max(at, 0)], key[at+1:]
	path = strings.ReplaceAll(strings.ReplaceAll(path, "~1", "/"), "~0", "~")
	if path != "*" && path != "/*" {
		return "/" + strings.TrimLeft(path, "/"), verb
	}
	return "*", verb
}
