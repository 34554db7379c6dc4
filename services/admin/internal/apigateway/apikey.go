package apigateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/patch"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	storev1 "github.com/limen-gateway/limen/proto/store/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/operation"
)

// The value of an API key is a secret: it lies in the private part of the record, sealed for the record's key, and is shown
// only where AWS shows it. The claim keyvalues/{SHA-256 of the value} makes values unique in an account and region.

var unknownAPIKey = fault.NotFound("Invalid API Key identifier specified")

// Forms of API keys. spec/control-plane.md 4.5 and rest.md 10.3.
const (
	minKeyValue       = 20
	maxKeyValue       = 128
	generatedKeyValue = 40
	maxKeyName        = 1024
	maxKeyDescription = 125000
)

func apiKeyKey(tx *draft.Tx, id string) string { return tx.Scope.Key(draft.APIKeys, id) }

// valueKey is the claim on a value.
func valueKey(tx *draft.Tx, value string) string {
	sum := sha256.Sum256([]byte(value))
	return tx.Scope.Key(draft.KeyValues, hex.EncodeToString(sum[:]))
}

// noKeyring refuses to handle key values in an installation without a master key, rather than to store them readable.
func (s *Service) noKeyring() error {
	if s.keys != nil {
		return nil
	}
	return fault.Unavailable("The values of API keys can not be sealed: this installation has no master key")
}

// openValue reads the value of a stored key.
func (s *Service) openValue(key string, r *storev1.Record) (*string, error) {
	if err := s.noKeyring(); err != nil {
		return nil, err
	}
	plain, err := s.keys.Open(r.Private, key)
	if err != nil {
		return nil, fmt.Errorf("value of %s: %w", key, err)
	}
	return ptr(string(plain)), nil
}

// CreateApiKey makes a key; an empty value is generated. The id is always distinct from the value, whatever
// generateDistinctId says: an id is shown to everybody, the value to nobody.
func (s *Service) CreateApiKey(ctx context.Context, req *apigatewayv1.CreateApiKeyRequest) (*apigatewayv1.ApiKey, error) {
	var k *apigatewayv1.ApiKey
	err := s.publish(ctx, func(tx *draft.Tx) error {
		k = s.newAPIKey(req)
		if err := checkAPIKey(k, k.GetValue()); err != nil {
			return err
		}
		for _, stage := range k.StageKeys.Items {
			if err := checkStageKey(tx, stage); err != nil {
				return err
			}
		}
		return s.putNewAPIKey(tx, k)
	})
	return k, err
}

// newAPIKey is the key that a request asks for, with AWS's defaults.
func (s *Service) newAPIKey(req *apigatewayv1.CreateApiKeyRequest) *apigatewayv1.ApiKey {
	k := &apigatewayv1.ApiKey{StageKeys: &apigatewayv1.StringList{}}
	req.CopyTo(k)
	for _, stage := range req.StageKeys.GetItems() {
		k.StageKeys.Items = append(k.StageKeys.Items, stage.GetRestApiId()+"/"+stage.GetStageName())
	}
	orDefault(&k.Enabled, false)
	k.CreatedDate = s.timestamp()
	k.LastUpdatedDate = k.CreatedDate
	if k.GetValue() == "" {
		k.Value = ptr(s.store.NewID(generatedKeyValue))
	}
	dropEmptyText(&k.Name, &k.Description, &k.CustomerId)
	if len(k.Tags.GetEntries()) == 0 {
		k.Tags = nil
	}
	return k
}

// dropEmptyText leaves out members that AWS does not answer when they are empty.
func dropEmptyText(fields ...**string) {
	for _, f := range fields {
		if deref(*f) == "" {
			*f = nil
		}
	}
}

// putNewAPIKey gives the key an id and writes it with its claim.
func (s *Service) putNewAPIKey(tx *draft.Tx, k *apigatewayv1.ApiKey) error {
	if err := s.noKeyring(); err != nil {
		return err
	}
	claim := valueKey(tx, k.GetValue())
	taken, err := tx.Exists(claim)
	if err != nil {
		return err
	}
	if taken {
		return fault.Conflict("API Key already exists")
	}
	k.Id = ptr(tx.NewID(longID))
	key := apiKeyKey(tx, k.GetId())
	tx.Claim(claim, k.GetId())
	stored := clone(k)
	stored.Value = nil
	record := &storev1.Record{Account: tx.Scope.Account, Region: tx.Scope.Region, Created: k.CreatedDate,
		Private: s.keys.Seal([]byte(k.GetValue()), key)}
	return tx.Create(key, record, stored)
}

// checkAPIKey finds the first fault of a key and of its value; "" is a value that stays as it is.
func checkAPIKey(k *apigatewayv1.ApiKey, value string) error {
	n := utf8.RuneCountInString(value)
	switch {
	case utf8.RuneCountInString(k.GetName()) > maxKeyName:
		return fault.BadRequest("Invalid API Key name, can be at most %d characters.", maxKeyName)
	case utf8.RuneCountInString(k.GetDescription()) > maxKeyDescription:
		return fault.BadRequest("Invalid API Key description specified.")
	case n > 0 && n < minKeyValue:
		return fault.BadRequest("API Key value should be at least %d characters", minKeyValue)
	case n > maxKeyValue:
		return fault.BadRequest("API Key value exceeds maximum size of %d characters", maxKeyValue)
	}
	return operation.CheckTags(k.Tags.GetEntries())
}

// checkStageKey: a key names stages that exist, as {restApiId}/{stage}.
func checkStageKey(tx *draft.Tx, name string) error {
	api, stage, _ := strings.Cut(name, "/")
	ok, err := tx.Exists(stageKey(tx, api, stage))
	if err == nil && !ok {
		err = fault.BadRequest("Invalid stage identifier specified")
	}
	return err
}

// apiKeyOf reads a key and its record.
func apiKeyOf(tx *draft.Tx, id string) (*apigatewayv1.ApiKey, *storev1.Record, error) {
	k := &apigatewayv1.ApiKey{}
	r, err := tx.Get(apiKeyKey(tx, id), k)
	if err == nil && r == nil {
		err = unknownAPIKey
	}
	return k, r, err
}

// GetApiKey answers one key; its value only on request.
func (s *Service) GetApiKey(ctx context.Context, req *apigatewayv1.GetApiKeyRequest) (*apigatewayv1.ApiKey, error) {
	var out *apigatewayv1.ApiKey
	err := s.read(ctx, func(tx *draft.Tx) error {
		k, r, err := apiKeyOf(tx, req.GetApiKey())
		if err != nil {
			return err
		}
		if req.GetIncludeValue() {
			if k.Value, err = s.openValue(apiKeyKey(tx, req.GetApiKey()), r); err != nil {
				return err
			}
		}
		out = k
		return nil
	})
	return out, err
}

// GetApiKeys pages through the keys, in the order of their ids; name is a prefix, customerId is whole.
func (s *Service) GetApiKeys(ctx context.Context, req *apigatewayv1.GetApiKeysRequest) (*apigatewayv1.ApiKeys, error) {
	out := &apigatewayv1.ApiKeys{Items: &apigatewayv1.ApiKeyList{}}
	err := s.read(ctx, func(tx *draft.Tx) error {
		prefix := tx.Scope.Prefix(draft.APIKeys)
		entries, next, err := pageOf(tx, prefix, req.Position, req.Limit, func(e draft.Entry) (bool, error) {
			k := &apigatewayv1.ApiKey{}
			_, err := draft.Decode(e.Value, k)
			return strings.HasPrefix(k.GetName(), req.GetNameQuery()) &&
				(req.CustomerId == nil || k.GetCustomerId() == req.GetCustomerId()), err
		})
		if err != nil {
			return err
		}
		out.Position = next
		for _, e := range entries {
			k := &apigatewayv1.ApiKey{}
			r, err := draft.Decode(e.Value, k)
			if err == nil && req.GetIncludeValues() {
				k.Value, err = s.openValue(prefix+e.Name, r)
			}
			if err != nil {
				return err
			}
			out.Items.Items = append(out.Items.Items, k)
		}
		return nil
	})
	return out, err
}

// UpdateApiKey patches a key; its value never changes and is not shown.
func (s *Service) UpdateApiKey(ctx context.Context, req *apigatewayv1.UpdateApiKeyRequest) (*apigatewayv1.ApiKey, error) {
	var out *apigatewayv1.ApiKey
	err := s.publish(ctx, func(tx *draft.Tx) error {
		k, r, err := apiKeyOf(tx, req.GetApiKey())
		if err != nil {
			return err
		}
		if err := patch.APIKey.Apply(k, req.PatchOperations); err != nil {
			return err
		}
		if err := checkAPIKey(k, ""); err != nil {
			return err
		}
		for _, op := range req.PatchOperations.GetItems() {
			if op.GetPath() == "/stages" && op.GetOp() == "add" {
				if err := checkStageKey(tx, op.GetValue()); err != nil {
					return err
				}
			}
		}
		k.LastUpdatedDate = s.timestamp()
		if err := tx.Put(apiKeyKey(tx, req.GetApiKey()), r, k); err != nil {
			return err
		}
		if out = k; out.Tags == nil {
			out.Tags = &apigatewayv1.StringMap{} // only this answer shows that there are none
		}
		return nil
	})
	return out, err
}

// DeleteApiKey removes a key, from its usage plans too; its value is free again.
func (s *Service) DeleteApiKey(ctx context.Context, req *apigatewayv1.DeleteApiKeyRequest) (*emptypb.Empty, error) {
	return empty, s.publish(ctx, func(tx *draft.Tx) error {
		id := req.GetApiKey()
		_, r, err := apiKeyOf(tx, id)
		if err != nil {
			return err
		}
		value, err := s.openValue(apiKeyKey(tx, id), r)
		if err != nil {
			return err
		}
		plans, err := plansOf(tx, id)
		if err != nil {
			return err
		}
		for _, plan := range plans {
			tx.Delete(planKeyKey(tx, plan.GetId(), id))
		}
		tx.DeleteRange(tx.Scope.Prefix(draft.KeyPlans, id))
		tx.Delete(valueKey(tx, *value))
		tx.Delete(apiKeyKey(tx, id))
		return nil
	})
}
