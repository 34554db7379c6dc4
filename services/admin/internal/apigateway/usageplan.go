package apigateway

import (
	"context"
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/patch"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	storev1 "github.com/limen-gateway/limen/proto/store/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/operation"
)

var unknownPlan = fault.NotFound("Invalid Usage Plan ID specified")

func freshPlan() *apigatewayv1.UsagePlan { return &apigatewayv1.UsagePlan{} }

func planKey(tx *draft.Tx, id string) string { return tx.Scope.Key(draft.UsagePlans, id) }

// CreateUsagePlan makes a plan.
func (s *Service) CreateUsagePlan(ctx context.Context, req *apigatewayv1.CreateUsagePlanRequest) (*apigatewayv1.UsagePlan, error) {
	var p *apigatewayv1.UsagePlan
	err := s.publish(ctx, func(tx *draft.Tx) error {
		p = &apigatewayv1.UsagePlan{Id: ptr(tx.NewID(shortID))}
		req.CopyTo(p)
		p = clone(p) // the defaults must not reach the request
		completePlan(p)
		if err := checkPlan(p); err != nil {
			return err
		}
		if err := checkPlanStages(tx, p, nil); err != nil {
			return err
		}
		return tx.Create(planKey(tx, p.GetId()), nil, p)
	})
	if err != nil {
		return nil, err
	}
	return planView(p, false), nil
}

// completePlan fills in AWS's defaults.
func completePlan(p *apigatewayv1.UsagePlan) {
	if p.ApiStages == nil {
		p.ApiStages = &apigatewayv1.ApiStageList{}
	}
	if p.Quota != nil {
		orDefault(&p.Quota.Offset, 0)
	}
	dropEmptyText(&p.Description)
}

// planView is a plan as faces show it: one plan has tags even when it has none, items of lists and fresh plans do not.
func planView(p *apigatewayv1.UsagePlan, alone bool) *apigatewayv1.UsagePlan {
	v := clone(p)
	if len(v.Tags.GetEntries()) == 0 {
		v.Tags = nil
	}
	if v.Tags == nil && alone {
		v.Tags = &apigatewayv1.StringMap{}
	}
	for _, stage := range v.ApiStages.GetItems() {
		if len(stage.Throttle.GetEntries()) == 0 {
			stage.Throttle = nil
		}
	}
	return v
}

// checkPlan finds the first fault of what does not need the store.
func checkPlan(p *apigatewayv1.UsagePlan) error {
	if p.GetName() == "" {
		return fault.BadRequest("Usage Plan name must be non-empty")
	}
	if err := checkThrottle(p.Throttle); err != nil {
		return err
	}
	if q := p.Quota; q != nil {
		switch {
		case q.Limit == nil || q.Period == nil:
			return fault.BadRequest("Usage Plan quota must have a limit and a period")
		case !slices.Contains([]string{"DAY", "WEEK", "MONTH"}, q.GetPeriod()):
			return fault.BadRequest("Invalid quota period specified. Valid options are DAY,WEEK,MONTH")
		case q.GetLimit() < 0 || q.GetOffset() < 0 || q.GetOffset() > q.GetLimit():
			return fault.BadRequest("Usage Plan quota limit and offset can not be negative, and the offset can not exceed the limit")
		}
	}
	seen := map[string]bool{}
	for _, stage := range p.ApiStages.GetItems() {
		name := stage.GetApiId() + ":" + stage.GetStage()
		if stage.GetApiId() == "" || stage.GetStage() == "" || seen[name] {
			return fault.BadRequest("Invalid API Stage specified")
		}
		seen[name] = true
		for _, method := range slices.Sorted(maps.Keys(stage.Throttle.GetEntries())) {
			if err := checkThrottle(stage.Throttle.Entries[method]); err != nil {
				return err
			}
		}
	}
	return operation.CheckTags(p.Tags.GetEntries())
}

// checkThrottle: -1 means no limit (spec/control-plane.md 13, trap 23).
func checkThrottle(t *apigatewayv1.ThrottleSettings) error {
	if t.GetBurstLimit() < -1 || t.GetRateLimit() < -1 {
		return fault.BadRequest("Usage Plan throttle limits can not be less than -1")
	}
	return nil
}

func hasStage(p *apigatewayv1.UsagePlan, api, stage string) bool {
	return slices.ContainsFunc(p.ApiStages.GetItems(), func(s *apigatewayv1.ApiStage) bool {
		return s.GetApiId() == api && s.GetStage() == stage
	})
}

// checkPlanStages: stages that a plan did not have before exist, and no key of the plan is in another plan with the same
// stage.
func checkPlanStages(tx *draft.Tx, p, before *apigatewayv1.UsagePlan) error {
	var added []*apigatewayv1.ApiStage
	for _, stage := range p.ApiStages.GetItems() {
		if before != nil && hasStage(before, stage.GetApiId(), stage.GetStage()) {
			continue
		}
		added = append(added, stage)
		ok, err := tx.Exists(stageKey(tx, stage.GetApiId(), stage.GetStage()))
		if err != nil {
			return err
		}
		if !ok {
			return patch.UnknownPlanStage(stage.GetApiId(), stage.GetStage(), p.GetId())
		}
	}
	if before == nil || len(added) == 0 {
		return nil
	}
	return checkSharedKeys(tx, p, added)
}

// checkSharedKeys looks for keys of a plan in other plans that have one of the stages. Adding a key writes its plan, so
// reading the plans guards their keys. Plans get their stages one after the other: two that got the same one at once would
// not see each other.
func checkSharedKeys(tx *draft.Tx, p *apigatewayv1.UsagePlan, stages []*apigatewayv1.ApiStage) error {
	turn := tx.Scope.Key(draft.PlanStages, "turn")
	if _, err := tx.Bytes(turn); err != nil {
		return err
	}
	tx.PutBytes(turn, nil)
	entries, err := tx.Range(tx.Scope.Prefix(draft.UsagePlans))
	if err != nil {
		return err
	}
	plans, err := draft.Nouns(entries, freshPlan)
	if err != nil {
		return err
	}
	mine, err := tx.Names(tx.Scope.Prefix(draft.PlanKeys, p.GetId()))
	if err != nil || len(mine) == 0 {
		return err
	}
	for _, other := range plans {
		i := slices.IndexFunc(stages, func(s *apigatewayv1.ApiStage) bool { return hasStage(other, s.GetApiId(), s.GetStage()) })
		if i < 0 || other.GetId() == p.GetId() {
			continue
		}
		if _, err := tx.Get(planKey(tx, other.GetId()), nil); err != nil {
			return err
		}
		theirs, err := tx.Names(tx.Scope.Prefix(draft.PlanKeys, other.GetId()))
		if err != nil {
			return err
		}
		for _, key := range mine {
			if slices.Contains(theirs, key) {
				return sharedKey(key, other.GetId(), stages[i])
			}
		}
	}
	return nil
}

// sharedKey: a key counts in one plan for each stage (spec/rest.md 10.2).
func sharedKey(key, plan string, stage *apigatewayv1.ApiStage) error {
	return fault.Conflict("API Key %s is already in Usage Plan %s with the API Stage %s:%s: a key can be in only one plan for a stage", key, plan, stage.GetApiId(), stage.GetStage())
}

// planOf reads a plan and its record.
func planOf(tx *draft.Tx, id string) (*apigatewayv1.UsagePlan, *storev1.Record, error) {
	p := &apigatewayv1.UsagePlan{}
	r, err := tx.Get(planKey(tx, id), p)
	if err == nil && r == nil {
		err = unknownPlan
	}
	return p, r, err
}

// GetUsagePlan answers one plan.
func (s *Service) GetUsagePlan(ctx context.Context, req *apigatewayv1.GetUsagePlanRequest) (*apigatewayv1.UsagePlan, error) {
	var out *apigatewayv1.UsagePlan
	err := s.read(ctx, func(tx *draft.Tx) error {
		p, _, err := planOf(tx, req.GetUsagePlanId())
		out = planView(p, true)
		return err
	})
	return out, err
}

// GetUsagePlans pages through the plans, or those of one key, in the order of their ids.
func (s *Service) GetUsagePlans(ctx context.Context, req *apigatewayv1.GetUsagePlansRequest) (*apigatewayv1.UsagePlans, error) {
	out := &apigatewayv1.UsagePlans{Items: &apigatewayv1.UsagePlanList{}}
	err := s.read(ctx, func(tx *draft.Tx) error {
		entries, next, err := pageOf(tx, tx.Scope.Prefix(draft.UsagePlans), req.Position, req.Limit, func(e draft.Entry) (bool, error) {
			if req.KeyId == nil {
				return true, nil
			}
			return tx.Exists(planKeyKey(tx, e.Name, req.GetKeyId()))
		})
		if err != nil {
			return err
		}
		plans, err := draft.Nouns(entries, freshPlan)
		for _, p := range plans {
			out.Items.Items = append(out.Items.Items, planView(p, false))
		}
		out.Position = next
		return err
	})
	return out, err
}

// UpdateUsagePlan patches a plan.
func (s *Service) UpdateUsagePlan(ctx context.Context, req *apigatewayv1.UpdateUsagePlanRequest) (*apigatewayv1.UsagePlan, error) {
	var out *apigatewayv1.UsagePlan
	err := s.publish(ctx, func(tx *draft.Tx) error {
		p, r, err := planOf(tx, req.GetUsagePlanId())
		if err != nil {
			return err
		}
		before := clone(p)
		if err := patch.UsagePlan.Apply(p, req.PatchOperations); err != nil {
			return err
		}
		if err := checkPlan(p); err != nil {
			return err
		}
		if err := checkPlanStages(tx, p, before); err != nil {
			return err
		}
		out = planView(p, true)
		return tx.Put(planKey(tx, p.GetId()), r, p)
	})
	return out, err
}

// DeleteUsagePlan removes a plan that no stage is associated with; its keys stay, without it.
func (s *Service) DeleteUsagePlan(ctx context.Context, req *apigatewayv1.DeleteUsagePlanRequest) (*emptypb.Empty, error) {
	return empty, s.publish(ctx, func(tx *draft.Tx) error {
		p, _, err := planOf(tx, req.GetUsagePlanId())
		if err != nil {
			return err
		}
		if stages := p.ApiStages.GetItems(); len(stages) > 0 {
			return fault.BadRequest("Cannot delete Usage Plan %s because there are API Stages associated with it, including %s:%s",
				p.GetId(), stages[0].GetApiId(), stages[0].GetStage())
		}
		keys, err := tx.Names(tx.Scope.Prefix(draft.PlanKeys, p.GetId()))
		if err != nil {
			return err
		}
		tx.Delete(planKey(tx, p.GetId()))
		tx.DeleteRange(tx.Scope.Prefix(draft.PlanKeys, p.GetId()))
		for _, key := range keys {
			if tx.Large() {
				break // plansOf passes over what is left, and it goes with its key
			}
			tx.Delete(keyPlanKey(tx, key, p.GetId()))
		}
		return nil
	})
}
