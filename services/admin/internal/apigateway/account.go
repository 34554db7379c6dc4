package apigateway

import (
	"context"

	"github.com/limen-gateway/limen/core/patch"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// Defaults of the account object. spec/control-plane.md 5.1.
const (
	accountBurst  = 5000
	accountRate   = 10000
	apiKeyVersion = "4"
)

func accountKey(tx *draft.Tx) string { return tx.Scope.Key(draft.Account, "settings") }

// accountView is the account's settings: what was set over what is always there.
func accountView(stored *apigatewayv1.Account) *apigatewayv1.Account {
	v := clone(stored)
	v.ThrottleSettings = &apigatewayv1.ThrottleSettings{BurstLimit: ptr[int32](accountBurst), RateLimit: ptr[float64](accountRate)}
	v.ApiKeyVersion = ptr(apiKeyVersion)
	if v.Features == nil {
		v.Features = &apigatewayv1.StringList{Items: []string{"UsagePlans"}}
	}
	return v
}

// GetAccount answers the settings of the caller's account, which are always there.
func (s *Service) GetAccount(ctx context.Context, _ *apigatewayv1.GetAccountRequest) (*apigatewayv1.Account, error) {
	var out *apigatewayv1.Account
	err := s.read(ctx, func(tx *draft.Tx) error {
		a := &apigatewayv1.Account{}
		_, err := tx.Get(accountKey(tx), a)
		out = accountView(a)
		return err
	})
	return out, err
}

// UpdateAccount patches the settings of the caller's account.
func (s *Service) UpdateAccount(ctx context.Context, req *apigatewayv1.UpdateAccountRequest) (*apigatewayv1.Account, error) {
	var out *apigatewayv1.Account
	err := s.update(ctx, func(tx *draft.Tx) error {
		a := &apigatewayv1.Account{}
		r, err := tx.Get(accountKey(tx), a)
		if err != nil {
			return err
		}
		a.Features = accountView(a).Features
		if err := patch.Account.Apply(a, req.PatchOperations); err != nil {
			return err
		}
		out = accountView(a)
		return tx.Put(accountKey(tx), r, a)
	})
	return out, err
}
