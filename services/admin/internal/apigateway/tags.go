package apigateway

import (
	"context"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/arn"
	"github.com/limen-gateway/limen/core/fault"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/operation"
)

var invalidARN = fault.BadRequest("Invalid ARN specified in the request")

// tagged is a thing with tags within a transaction: where they are, and how the thing is written back.
type tagged struct {
	tags **apigatewayv1.StringMap
	save func() error
}

// taggedBy finds the thing of an ARN. Things of other kinds join here when they are built.
func taggedBy(ctx context.Context, tx *draft.Tx, resource string) (tagged, error) {
	c, err := arn.ParseControl(resource)
	if err != nil || c.Region != tx.Scope.Region || c.Account != "" {
		return tagged{}, invalidARN
	}
	path := c.Segments()
	switch {
	case len(path) == 4 && path[0] == "restapis" && path[2] == "stages":
		stage, out := &apigatewayv1.Stage{}, tagged{}
		err := withAPI(tx, path[1], unknownStage, func(*draft.API) (err error) { // stages of other families are not looked at
			out, err = taggedRecord(tx, stageKey(tx, path[1], path[3]), stage, &stage.Tags, unknownStage)
			return err
		})
		return out, err
	case len(path) != 2:
		return tagged{}, invalidARN
	case path[0] == "apikeys":
		k := &apigatewayv1.ApiKey{}
		return taggedRecord(tx, apiKeyKey(tx, path[1]), k, &k.Tags, unknownAPIKey)
	case path[0] == "usageplans":
		p := &apigatewayv1.UsagePlan{}
		return taggedRecord(tx, planKey(tx, path[1]), p, &p.Tags, unknownPlan)
	case path[0] == "restapis":
		var out tagged
		err := withAPI(tx, path[1], unknownAPI(ctx, path[1]), func(a *draft.API) error {
			out = tagged{&a.RestAPI.Tags, a.Save}
			return nil
		})
		return out, err
	}
	return tagged{}, invalidARN
}

func taggedRecord(tx *draft.Tx, key string, noun proto.Message, tags **apigatewayv1.StringMap, missing error) (tagged, error) {
	r, err := tx.Get(key, noun)
	if err == nil && r == nil {
		err = missing
	}
	return tagged{tags, func() error { return tx.Put(key, r, noun) }}, err
}

// GetTags answers a thing's own tags. It does not page: there are at most 50.
func (s *Service) GetTags(ctx context.Context, req *apigatewayv1.GetTagsRequest) (*apigatewayv1.Tags, error) {
	out := &apigatewayv1.Tags{Tags: &apigatewayv1.StringMap{}}
	err := s.read(ctx, func(tx *draft.Tx) error {
		t, err := taggedBy(ctx, tx, req.GetResourceArn())
		if err == nil && *t.tags != nil {
			out.Tags = *t.tags
		}
		return err
	})
	return out, err
}

// editTags changes a copy of a thing's tags and writes them when they are legal.
func (s *Service) editTags(ctx context.Context, resource string, change func(map[string]string)) (*emptypb.Empty, error) {
	return empty, s.update(ctx, func(tx *draft.Tx) error {
		t, err := taggedBy(ctx, tx, resource)
		if err != nil {
			return err
		}
		entries := map[string]string{}
		for k, v := range (*t.tags).GetEntries() {
			entries[k] = v
		}
		change(entries)
		if err := operation.CheckTags(entries); err != nil {
			return err
		}
		*t.tags = nil
		if len(entries) > 0 {
			*t.tags = &apigatewayv1.StringMap{Entries: entries}
		}
		return t.save()
	})
}

// TagResource sets tags beside those that are there.
func (s *Service) TagResource(ctx context.Context, req *apigatewayv1.TagResourceRequest) (*emptypb.Empty, error) {
	return s.editTags(ctx, req.GetResourceArn(), func(entries map[string]string) {
		for k, v := range req.Tags.GetEntries() {
			entries[k] = v
		}
	})
}

// UntagResource removes tags; keys come repeated, or as one list with commas. A key that is not there is no error.
func (s *Service) UntagResource(ctx context.Context, req *apigatewayv1.UntagResourceRequest) (*emptypb.Empty, error) {
	return s.editTags(ctx, req.GetResourceArn(), func(entries map[string]string) {
		operation.Untag(entries, req.TagKeys.GetItems())
	})
}
