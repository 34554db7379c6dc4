package apigateway

import (
	"context"
	"math"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// Metering reads and extends usage.
type Metering interface {
	Usage(ctx context.Context, req *meteringv1.UsageRequest, opts ...grpc.CallOption) (*meteringv1.UsageResponse, error)
	Extend(ctx context.Context, req *meteringv1.ExtendRequest, opts ...grpc.CallOption) (*meteringv1.UsageResponse, error)
}

// maxUsageDays is how many days one GetUsage may cover: the ledger reaches back 90 days.
const maxUsageDays = 92

// usageOf is what an operation about usage needs to know of a plan and its keys.
type usageOf struct {
	account, region string
	plan            *apigatewayv1.UsagePlan
	keys            []string
	next            *string
}

// GetUsage answers a pair of used and remaining for each key of a plan and each day, dates included (spec/rest.md 10.4).
func (s *Service) GetUsage(ctx context.Context, req *apigatewayv1.GetUsageRequest) (*apigatewayv1.Usage, error) {
	first, err1 := time.Parse(time.DateOnly, req.GetStartDate())
	last, err2 := time.Parse(time.DateOnly, req.GetEndDate())
	switch {
	case err1 != nil || err2 != nil:
		return nil, fault.BadRequest("Usage Plan usage dates must be of the form YYYY-MM-DD")
	case last.Before(first):
		return nil, fault.BadRequest("The end date can not be before the start date")
	case last.Sub(first) > maxUsageDays*24*time.Hour:
		return nil, fault.BadRequest("The dates can not be more than %d days apart", maxUsageDays)
	}
	var of usageOf
	err := s.read(ctx, func(tx *draft.Tx) (err error) {
		of, err = planUsage(tx, req)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := &apigatewayv1.Usage{UsagePlanId: req.UsagePlanId, StartDate: req.StartDate, EndDate: req.EndDate, Position: of.next,
		Items: &apigatewayv1.Int64ListListMap{Entries: map[string]*apigatewayv1.Int64ListList{}}}
	if len(of.keys) == 0 {
		return out, nil
	}
	if s.metering == nil {
		return nil, noMetering
	}
	res, err := s.metering.Usage(ctx, &meteringv1.UsageRequest{Account: of.account, Region: of.region, UsagePlan: of.plan.GetId(), ApiKeys: of.keys,
		FirstDay: dayOf(first), LastDay: dayOf(last), Quota: quotaOf(of.plan), Revision: math.MaxInt64})
	if err != nil {
		return nil, meteringFault(err)
	}
	for key, usage := range res.GetKeys() {
		out.Items.Entries[key] = pairs(usage)
	}
	return out, nil
}

// planUsage reads a plan and a page of its keys, or the one key that was asked for.
func planUsage(tx *draft.Tx, req *apigatewayv1.GetUsageRequest) (usageOf, error) {
	p, _, err := planOf(tx, req.GetUsagePlanId())
	if err != nil {
		return usageOf{}, err
	}
	of := usageOf{account: tx.Scope.Account, region: tx.Scope.Region, plan: p}
	if req.KeyId != nil {
		ok, err := tx.Exists(planKeyKey(tx, p.GetId(), req.GetKeyId()))
		if err == nil && !ok {
			err = unknownPlanKey
		}
		of.keys = []string{req.GetKeyId()}
		return of, err
	}
	entries, next, err := pageOf(tx, tx.Scope.Prefix(draft.PlanKeys, p.GetId()), req.Position, req.Limit, nil)
	for _, e := range entries {
		of.keys = append(of.keys, e.Name)
	}
	of.next = next
	return of, err
}

// UpdateUsage sets how many requests a key has left in the current period.
func (s *Service) UpdateUsage(ctx context.Context, req *apigatewayv1.UpdateUsageRequest) (*apigatewayv1.Usage, error) {
	remaining, given, err := remainingOf(req.PatchOperations)
	if err != nil {
		return nil, err
	}
	today := s.store.Now().UTC().Format(time.DateOnly)
	get := &apigatewayv1.GetUsageRequest{UsagePlanId: req.UsagePlanId, KeyId: req.KeyId, StartDate: &today, EndDate: &today}
	var of usageOf
	err = s.read(ctx, func(tx *draft.Tx) (err error) {
		of, err = planUsage(tx, get)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case !given:
		return s.GetUsage(ctx, get)
	case of.plan.Quota == nil:
		return nil, fault.BadRequest("Usage Plan %s has no quota", of.plan.GetId())
	case s.metering == nil:
		return nil, noMetering
	}
	_, err = s.metering.Extend(ctx, &meteringv1.ExtendRequest{Account: of.account, Region: of.region, UsagePlan: of.plan.GetId(), ApiKey: req.GetKeyId(),
		Quota: quotaOf(of.plan), Remaining: remaining})
	if err != nil {
		return nil, meteringFault(err)
	}
	return s.GetUsage(ctx, get)
}

// remainingOf reads the only member that can be patched; the last operation counts.
func remainingOf(operations *apigatewayv1.PatchOperationList) (remaining int64, given bool, err error) {
	for _, op := range operations.GetItems() {
		switch {
		case op.GetPath() != "/remaining":
			return 0, false, fault.BadRequest("Invalid patch path %s", op.GetPath())
		case op.GetOp() != "replace":
			return 0, false, fault.BadRequest("Invalid patch operation specified. Must be one of: [replace]")
		}
		remaining, err = strconv.ParseInt(op.GetValue(), 10, 32)
		if err != nil || remaining < 0 {
			return 0, false, fault.BadRequest("Invalid value for /remaining: it must be a whole number that is not negative")
		}
		given = true
	}
	return remaining, given, nil
}

func dayOf(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

func quotaOf(p *apigatewayv1.UsagePlan) *meteringv1.Quota {
	q := p.Quota
	if q == nil {
		return &meteringv1.Quota{Unlimited: true, Period: "DAY"}
	}
	return &meteringv1.Quota{Limit: int64(q.GetLimit()), Offset: int64(q.GetOffset()), Period: q.GetPeriod()}
}

func pairs(u *meteringv1.KeyUsage) *apigatewayv1.Int64ListList {
	out := &apigatewayv1.Int64ListList{}
	for _, d := range u.GetDays() {
		out.Items = append(out.Items, &apigatewayv1.Int64List{Items: []int64{d.GetUsed(), d.GetRemaining()}})
	}
	return out
}

var noMetering = fault.Unavailable("Usage is not counted: this installation has no metering")

// meteringFault: a service that is away is no defect of this one.
func meteringFault(err error) error {
	if c := status.Code(err); c == codes.Unavailable || c == codes.DeadlineExceeded {
		return fault.Unavailable("Usage can not be read, because metering does not answer")
	}
	return err
}
