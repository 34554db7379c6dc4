package apigateway

import (
	"context"
	"strings"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	storev1 "github.com/limen-gateway/limen/proto/store/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// A key in a plan is two entries: plankeys/{plan}/{key}, which counts, and keyplans/{key}/{plan}, which finds the plans of a
// key. Adding a key writes the plan and the key too, so that who has read either has read what it is in.

// planKeyType is the only type of key that a plan takes.
const planKeyType = "API_KEY"

// unknownPlanKey is the answer to a key that is not in the plan.
var unknownPlanKey = fault.NotFound("Invalid API Key identifier specified")

func planKeyKey(tx *draft.Tx, plan, key string) string {
	return tx.Scope.Key(draft.PlanKeys, plan, key)
}

func keyPlanKey(tx *draft.Tx, key, plan string) string {
	return tx.Scope.Key(draft.KeyPlans, key, plan)
}

// plansOf reads the plans that a key is in, and guards them.
func plansOf(tx *draft.Tx, key string) ([]*apigatewayv1.UsagePlan, error) {
	names, err := tx.Names(tx.Scope.Prefix(draft.KeyPlans, key))
	if err != nil {
		return nil, err
	}
	var out []*apigatewayv1.UsagePlan
	for _, name := range names {
		p := &apigatewayv1.UsagePlan{}
		r, err := tx.Get(planKey(tx, name), p)
		if err != nil {
			return nil, err
		}
		if r != nil { // a large plan may have been removed without all of its entries here
			out = append(out, p)
		}
	}
	return out, nil
}

// CreateUsagePlanKey puts a key into a plan.
func (s *Service) CreateUsagePlanKey(ctx context.Context, req *apigatewayv1.CreateUsagePlanKeyRequest) (*apigatewayv1.UsagePlanKey, error) {
	var out *apigatewayv1.UsagePlanKey
	err := s.publish(ctx, func(tx *draft.Tx) error {
		p, r, err := planOf(tx, req.GetUsagePlanId())
		if err != nil {
			return err
		}
		if req.GetKeyType() != planKeyType {
			return fault.BadRequest("Invalid key type specified. Valid options are %s", planKeyType)
		}
		k, kr, err := apiKeyOf(tx, req.GetKeyId())
		if err != nil {
			return err
		}
		if err := checkPlanKey(tx, p, k.GetId()); err != nil {
			return err
		}
		if out, err = s.planKeyView(tx, k, kr); err != nil {
			return err
		}
		if err := tx.Put(apiKeyKey(tx, k.GetId()), kr, k); err != nil {
			return err
		}
		return s.joinPlan(tx, p, r, k.Id)
	})
	return out, err
}

// joinPlan writes the entries of a key in a plan, and the plan; the caller writes the key.
func (s *Service) joinPlan(tx *draft.Tx, p *apigatewayv1.UsagePlan, r *storev1.Record, key *string) error {
	record := &storev1.Record{Account: tx.Scope.Account, Region: tx.Scope.Region, Parent: p.GetId(), Created: s.timestamp()}
	entry := &apigatewayv1.UsagePlanKey{Id: key, Type: ptr(planKeyType)}
	if err := tx.Create(planKeyKey(tx, p.GetId(), *key), record, entry); err != nil {
		return err
	}
	tx.PutBytes(keyPlanKey(tx, *key, p.GetId()), nil)
	return tx.Put(planKey(tx, p.GetId()), r, p)
}

// checkPlanKey: the key is not in the plan yet, nor in another plan with one of its stages.
func checkPlanKey(tx *draft.Tx, p *apigatewayv1.UsagePlan, key string) error {
	exists, err := tx.Exists(planKeyKey(tx, p.GetId(), key))
	if err != nil {
		return err
	}
	if exists {
		return fault.Conflict("API Key %s is already in Usage Plan %s", key, p.GetId())
	}
	plans, err := plansOf(tx, key)
	if err != nil {
		return err
	}
	return checkStagesApart(p, plans, key)
}

// checkStagesApart: none of the plans has a stage of p.
func checkStagesApart(p *apigatewayv1.UsagePlan, others []*apigatewayv1.UsagePlan, key string) error {
	for _, other := range others {
		for _, stage := range p.ApiStages.GetItems() {
			if hasStage(other, stage.GetApiId(), stage.GetStage()) {
				return sharedKey(key, other.GetId(), stage)
			}
		}
	}
	return nil
}

// planKeyView is a key as a plan shows it: always with its value (spec/control-plane.md 13, trap 25).
func (s *Service) planKeyView(tx *draft.Tx, k *apigatewayv1.ApiKey, r *storev1.Record) (*apigatewayv1.UsagePlanKey, error) {
	value, err := s.openValue(apiKeyKey(tx, k.GetId()), r)
	return &apigatewayv1.UsagePlanKey{Id: k.Id, Type: ptr(planKeyType), Value: value, Name: k.Name}, err
}

// GetUsagePlanKey answers one key of a plan.
func (s *Service) GetUsagePlanKey(ctx context.Context, req *apigatewayv1.GetUsagePlanKeyRequest) (*apigatewayv1.UsagePlanKey, error) {
	var out *apigatewayv1.UsagePlanKey
	err := s.read(ctx, func(tx *draft.Tx) error {
		if _, _, err := planOf(tx, req.GetUsagePlanId()); err != nil {
			return err
		}
		ok, err := tx.Exists(planKeyKey(tx, req.GetUsagePlanId(), req.GetKeyId()))
		if err != nil {
			return err
		}
		if !ok {
			return unknownPlanKey
		}
		k, r, err := apiKeyOf(tx, req.GetKeyId())
		if err != nil {
			return err
		}
		out, err = s.planKeyView(tx, k, r)
		return err
	})
	return out, err
}

// GetUsagePlanKeys pages through the keys of a plan, in the order of their ids; name is a prefix. A plan that does not exist
// has no keys: it is no error.
func (s *Service) GetUsagePlanKeys(ctx context.Context, req *apigatewayv1.GetUsagePlanKeysRequest) (*apigatewayv1.UsagePlanKeys, error) {
	out := &apigatewayv1.UsagePlanKeys{Items: &apigatewayv1.UsagePlanKeyList{}}
	err := s.read(ctx, func(tx *draft.Tx) error {
		entries, next, err := pageOf(tx, tx.Scope.Prefix(draft.PlanKeys, req.GetUsagePlanId()), req.Position, req.Limit, func(e draft.Entry) (bool, error) {
			k, _, err := apiKeyOf(tx, e.Name)
			return strings.HasPrefix(k.GetName(), req.GetNameQuery()), err
		})
		if err != nil {
			return err
		}
		out.Position = next
		for _, e := range entries {
			k, r, err := apiKeyOf(tx, e.Name)
			if err != nil {
				return err
			}
			v, err := s.planKeyView(tx, k, r)
			if err != nil {
				return err
			}
			out.Items.Items = append(out.Items.Items, v)
		}
		return nil
	})
	return out, err
}

// DeleteUsagePlanKey takes a key out of a plan.
func (s *Service) DeleteUsagePlanKey(ctx context.Context, req *apigatewayv1.DeleteUsagePlanKeyRequest) (*emptypb.Empty, error) {
	return empty, s.publish(ctx, func(tx *draft.Tx) error {
		p, _, err := planOf(tx, req.GetUsagePlanId())
		if err != nil {
			return err
		}
		key := planKeyKey(tx, p.GetId(), req.GetKeyId())
		ok, err := tx.Exists(key)
		if err != nil {
			return err
		}
		if !ok {
			return unknownPlanKey
		}
		tx.Delete(key)
		tx.Delete(keyPlanKey(tx, req.GetKeyId(), p.GetId()))
		return nil
	})
}
