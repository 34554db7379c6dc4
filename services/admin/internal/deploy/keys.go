package deploy

import (
	"encoding/hex"
	"maps"
	"slices"

	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// API keys and usage plans are published as one resource each, of several stored records: a key is its record and the claim on
// its value, whose name is the SHA-256 of the value; a plan is its record and one for each of its keys. A transaction brings
// the parts in any order, so what it touched is made after all of them are in. Values of keys never come here.

// usage is the stored state of keys and plans. It belongs to the mirror and its lock.
type usage struct {
	keys    map[string]keyState // by resource key
	plans   map[string]planState
	claims  map[string]string // claim → resource key of the API key that has it
	touched map[string]int64  // resource key → revision of the last change
}

type keyState struct {
	account, region, id string
	stored, enabled     bool
	hash                []byte
}

type planState struct {
	account, region string
	plan            *apigatewayv1.UsagePlan // nil while the record is not there
	keys            map[string]bool
}

func newUsage() usage {
	return usage{map[string]keyState{}, map[string]planState{}, map[string]string{}, map[string]int64{}}
}

// ofKind is the name of the resource of a kind in the scope of a stored key.
func ofKind(p draft.Parsed, kind, id string) string {
	return resourceKey(draft.Parsed{Region: p.Region, Account: p.Account, Segments: []string{kind, id}})
}

func (u *usage) touch(name string, revision int64) { u.touched[name] = max(u.touched[name], revision) }

func (u *usage) key(p draft.Parsed, id string) (string, keyState) {
	name := ofKind(p, draft.APIKeys, id)
	k := u.keys[name]
	k.account, k.region, k.id = p.Account, p.Region, id
	return name, k
}

func (u *usage) plan(p draft.Parsed) (string, planState) {
	name := ofKind(p, draft.UsagePlans, p.Segments[1])
	s := u.plans[name]
	s.account, s.region = p.Account, p.Region
	if s.keys == nil {
		s.keys = map[string]bool{}
	}
	return name, s
}

// put takes over a record of a key or a plan.
func (u *usage) put(key string, p draft.Parsed, value []byte, revision int64) error {
	switch p.Segments[0] {
	case draft.APIKeys:
		noun := &apigatewayv1.ApiKey{}
		if _, err := draft.Decode(value, noun); err != nil {
			return err
		}
		name, k := u.key(p, p.Segments[1])
		k.stored, k.enabled = true, noun.GetEnabled()
		u.keys[name] = k
		u.touch(name, revision)
	case draft.KeyValues:
		hash, err := hex.DecodeString(p.Segments[1])
		if err != nil {
			return err
		}
		name, k := u.key(p, string(value))
		k.hash = hash
		u.keys[name], u.claims[key] = k, name
		u.touch(name, revision)
	case draft.UsagePlans:
		noun := &apigatewayv1.UsagePlan{}
		if _, err := draft.Decode(value, noun); err != nil {
			return err
		}
		name, s := u.plan(p)
		s.plan = noun
		u.plans[name] = s
		u.touch(name, revision)
	case draft.PlanKeys:
		name, s := u.plan(p)
		s.keys[p.Segments[2]] = true
		u.plans[name] = s
		u.touch(name, revision)
	}
	return nil
}

// remove takes a record of a key or a plan away.
func (u *usage) remove(key string, p draft.Parsed, revision int64) {
	switch p.Segments[0] {
	case draft.APIKeys:
		name, k := u.key(p, p.Segments[1])
		k.stored = false
		u.keys[name] = k
		u.touch(name, revision)
	case draft.KeyValues:
		name := u.claims[key]
		delete(u.claims, key)
		if k, ok := u.keys[name]; ok {
			k.hash = nil
			u.keys[name] = k
			u.touch(name, revision)
		}
	case draft.UsagePlans:
		name, s := u.plan(p)
		s.plan = nil
		u.plans[name] = s
		u.touch(name, revision)
	case draft.PlanKeys:
		name, s := u.plan(p)
		delete(s.keys, p.Segments[2])
		u.plans[name] = s
		u.touch(name, revision)
	}
}

// isUsage tells the kinds that usage takes.
func isUsage(kind string) bool {
	return kind == draft.APIKeys || kind == draft.KeyValues || kind == draft.UsagePlans || kind == draft.PlanKeys
}

// publishUsage makes the resources of the keys and plans that were touched; the caller holds mu.
func (m *mirror) publishUsage() {
	for name, revision := range m.usage.touched {
		if k, ok := m.usage.keys[name]; ok {
			m.publishKey(name, k, revision)
		}
		if s, ok := m.usage.plans[name]; ok {
			m.publishPlan(name, s, revision)
		}
	}
	clear(m.usage.touched)
}

func (m *mirror) publishKey(name string, k keyState, revision int64) {
	if !k.stored || k.hash == nil {
		m.forget(name, revision)
		if !k.stored && k.hash == nil {
			delete(m.usage.keys, name)
		}
		return
	}
	m.set(&configv1.Resource{Key: name, Revision: revision, Body: &configv1.Resource_ApiKey{ApiKey: &snapshotv1.ApiKey{
		Account: k.account, Region: k.region, Id: k.id, ValueSha256: k.hash, Enabled: k.enabled,
	}}})
}

func (m *mirror) publishPlan(name string, s planState, revision int64) {
	if s.plan == nil {
		m.forget(name, revision)
		if len(s.keys) == 0 {
			delete(m.usage.plans, name)
		}
		return
	}
	m.set(&configv1.Resource{Key: name, Revision: revision, Body: &configv1.Resource_UsagePlan{UsagePlan: &snapshotv1.UsagePlan{
		Account: s.account, Region: s.region, Plan: s.plan, KeyIds: slices.Sorted(maps.Keys(s.keys)),
	}}})
}
