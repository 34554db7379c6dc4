package apigatewayv2

import (
	"context"
	"maps"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/arn"
	"github.com/limen-gateway/limen/core/fault"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/operation"
)

var invalidARN = fault.BadRequest("Invalid ARN specified in the request")

// tagged is a thing with tags within a transaction: where they are, and how the thing is written back.
type tagged struct {
	tags **apigatewayv2v1.StringMap
	save func() error
}

// taggedBy finds the thing of an ARN: an API or a stage. Things of other kinds join here when they are built.
func taggedBy(ctx context.Context, tx *draft.Tx, resource string) (out tagged, err error) {
	c, err := arn.ParseControl(resource)
	if err != nil || c.Region != tx.Scope.Region || c.Account != "" {
		return tagged{}, invalidARN
	}
	path := c.Segments()
	if path[0] != "apis" || len(path) != 2 && (len(path) != 4 || path[2] != "stages") {
		return tagged{}, invalidARN
	}
	err = withAPI(ctx, tx, path[1], func(a *draft.API) error {
		if len(path) == 2 {
			out = tagged{&a.V2.Tags, a.Save}
			return nil
		}
		stage, r, err := stageOf(a, path[3])
		out = tagged{&stage.Tags, func() error { return tx.Put(stageKey(tx, a.ID, path[3]), r, stage) }}
		return err
	})
	return out, err
}

// GetTags answers a thing's own tags. It does not page: there are at most 50.
func (s *Service) GetTags(ctx context.Context, req *apigatewayv2v1.GetTagsRequest) (*apigatewayv2v1.GetTagsResponse, error) {
	out := &apigatewayv2v1.GetTagsResponse{Tags: &apigatewayv2v1.StringMap{}}
	err := s.run.Read(ctx, func(tx *draft.Tx) error {
		t, err := taggedBy(ctx, tx, req.GetResourceArn())
		if err == nil && *t.tags != nil {
			out.Tags = *t.tags
		}
		return err
	})
	return out, err
}

// editTags changes a copy of a thing's tags and writes them when they are legal.
func (s *Service) editTags(ctx context.Context, resource string, change func(map[string]string)) error {
	return s.run.Update(ctx, func(tx *draft.Tx) error {
		t, err := taggedBy(ctx, tx, resource)
		if err != nil {
			return err
		}
		entries := map[string]string{}
		maps.Copy(entries, (*t.tags).GetEntries())
		change(entries)
		if err := operation.CheckTags(entries); err != nil {
			return err
		}
		*t.tags = nil
		if len(entries) > 0 {
			*t.tags = &apigatewayv2v1.StringMap{Entries: entries}
		}
		return t.save()
	})
}

// TagResource sets tags beside those that are there.
func (s *Service) TagResource(ctx context.Context, req *apigatewayv2v1.TagResourceRequest) (*apigatewayv2v1.TagResourceResponse, error) {
	return &apigatewayv2v1.TagResourceResponse{}, s.editTags(ctx, req.GetResourceArn(), func(entries map[string]string) {
		maps.Copy(entries, req.Tags.GetEntries())
	})
}

// UntagResource removes tags. A key that is not there is no error.
func (s *Service) UntagResource(ctx context.Context, req *apigatewayv2v1.UntagResourceRequest) (*emptypb.Empty, error) {
	return empty, s.editTags(ctx, req.GetResourceArn(), func(entries map[string]string) {
		operation.Untag(entries, req.TagKeys.GetItems())
	})
}
