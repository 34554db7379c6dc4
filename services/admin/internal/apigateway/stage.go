package apigateway

import (
	"context"
	"maps"
	"regexp"
	"slices"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/patch"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	storev1 "github.com/limen-gateway/limen/proto/store/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/operation"
)

var (
	unknownStage = fault.NotFound("Invalid stage identifier specified")
	stageName    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
)

func stageKey(tx *draft.Tx, api, name string) string { return tx.Scope.Key(draft.Stages, api, name) }

// CreateStage names a deployment.
func (s *Service) CreateStage(ctx context.Context, req *apigatewayv1.CreateStageRequest) (*apigatewayv1.Stage, error) {
	stage := &apigatewayv1.Stage{}
	req.CopyTo(stage)
	err := s.publish(ctx, func(tx *draft.Tx) error {
		return withAPI(tx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(*draft.API) error {
			if err := checkStage(tx, req.GetRestApiId(), stage); err != nil {
				return err
			}
			exists, err := tx.Exists(stageKey(tx, req.GetRestApiId(), stage.GetStageName()))
			if err != nil {
				return err
			}
			if exists {
				return fault.Conflict("Stage already exists")
			}
			s.completeStage(stage)
			return tx.Create(stageKey(tx, req.GetRestApiId(), stage.GetStageName()), nil, stage)
		})
	})
	return stageView(stage), err
}

// completeStage fills in AWS's defaults. spec/control-plane.md 5.1.
func (s *Service) completeStage(stage *apigatewayv1.Stage) {
	orDefault(&stage.CacheClusterEnabled, false)
	orDefault(&stage.TracingEnabled, false)
	if stage.MethodSettings == nil {
		stage.MethodSettings = &apigatewayv1.MethodSettingMap{}
	}
	if c := stage.CanarySettings; c != nil {
		orDefault(&c.PercentTraffic, 0)
		orDefault(&c.UseStageCache, false)
		if c.DeploymentId == nil {
			c.DeploymentId = stage.DeploymentId
		}
	}
	stage.CreatedDate = s.timestamp()
	stage.LastUpdatedDate = stage.CreatedDate
}

// smallestCluster is the cache cluster of a stage that names no size.
const smallestCluster = "0.5"

// stageView derives what depends on other members. A cache cluster is there as soon as it is wanted: all stages share one
// cache, and a size is remembered but buys nothing.
func stageView(stage *apigatewayv1.Stage) *apigatewayv1.Stage {
	v := clone(stage)
	v.CacheClusterStatus = ptr("NOT_AVAILABLE")
	if v.GetCacheClusterEnabled() {
		v.CacheClusterStatus = ptr("AVAILABLE")
		orDefault(&v.CacheClusterSize, smallestCluster)
	}
	if len(v.Tags.GetEntries()) == 0 {
		v.Tags = nil
	}
	if len(v.Variables.GetEntries()) == 0 {
		v.Variables = nil
	}
	return v
}

// checkStageForm checks what does not need the store.
func checkStageForm(stage *apigatewayv1.Stage) error {
	if !stageName.MatchString(stage.GetStageName()) {
		return fault.BadRequest("Stage name only allows a-zA-Z0-9_-")
	}
	for _, name := range slices.Sorted(maps.Keys(stage.Variables.GetEntries())) {
		if err := patch.CheckVariable(name, stage.Variables.Entries[name]); err != nil {
			return err
		}
	}
	return operation.CheckTags(stage.Tags.GetEntries())
}

// checkStage checks the form of a stage and that the deployments it names exist.
func checkStage(tx *draft.Tx, api string, stage *apigatewayv1.Stage) error {
	if err := checkStageForm(stage); err != nil {
		return err
	}
	ids := []string{stage.GetDeploymentId()}
	if c := stage.CanarySettings; c != nil && c.DeploymentId != nil {
		ids = append(ids, c.GetDeploymentId())
	}
	for _, id := range ids {
		ok, err := tx.Exists(deploymentKey(tx, api, id))
		if err != nil {
			return err
		}
		if !ok {
			return fault.BadRequest("Deployment id does not exist")
		}
	}
	return nil
}

// GetStage answers one stage.
func (s *Service) GetStage(ctx context.Context, req *apigatewayv1.GetStageRequest) (*apigatewayv1.Stage, error) {
	stage := &apigatewayv1.Stage{}
	err := s.readAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		r, err := a.Tx().Get(stageKey(a.Tx(), a.ID, req.GetStageName()), stage)
		if err == nil && r == nil {
			return unknownStage
		}
		return err
	})
	return stageView(stage), err
}

// GetStages answers all stages of an API, or those of one deployment; it does not page.
func (s *Service) GetStages(ctx context.Context, req *apigatewayv1.GetStagesRequest) (*apigatewayv1.Stages, error) {
	out := &apigatewayv1.Stages{Item: &apigatewayv1.StageList{}}
	err := s.readAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		stages, err := stagesOf(a.Tx(), a.ID)
		for _, stage := range stages {
			if req.DeploymentId == nil || req.GetDeploymentId() == stage.GetDeploymentId() {
				out.Item.Items = append(out.Item.Items, stageView(stage))
			}
		}
		return err
	})
	return out, err
}

func stagesOf(tx *draft.Tx, api string) ([]*apigatewayv1.Stage, error) {
	entries, err := tx.Range(tx.Scope.Prefix(draft.Stages, api))
	if err != nil {
		return nil, err
	}
	return draft.Nouns(entries, func() *apigatewayv1.Stage { return &apigatewayv1.Stage{} })
}

// UpdateStage patches a stage; it is live, no deployment is needed.
func (s *Service) UpdateStage(ctx context.Context, req *apigatewayv1.UpdateStageRequest) (*apigatewayv1.Stage, error) {
	stage := &apigatewayv1.Stage{}
	err := s.publish(ctx, func(tx *draft.Tx) error {
		return withAPI(tx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(*draft.API) error {
			key := stageKey(tx, req.GetRestApiId(), req.GetStageName())
			stage.Reset()
			r, err := tx.Get(key, stage)
			if err != nil {
				return err
			}
			if r == nil {
				return unknownStage
			}
			if err := patch.Stage.Apply(stage, req.PatchOperations); err != nil {
				return err
			}
			if err := checkStage(tx, req.GetRestApiId(), stage); err != nil {
				return err
			}
			stage.LastUpdatedDate = s.timestamp()
			return tx.Put(key, r, stage)
		})
	})
	return stageView(stage), err
}

// DeleteStage takes a stage away; its deployment stays.
func (s *Service) DeleteStage(ctx context.Context, req *apigatewayv1.DeleteStageRequest) (*emptypb.Empty, error) {
	return empty, s.publish(ctx, func(tx *draft.Tx) error {
		return withAPI(tx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(*draft.API) error {
			key := stageKey(tx, req.GetRestApiId(), req.GetStageName())
			ok, err := tx.Exists(key)
			if err != nil {
				return err
			}
			if !ok {
				return unknownStage
			}
			tx.Delete(key)
			return nil
		})
	})
}

// FlushStageAuthorizersCache forgets what authorizers answered for the stage: keys of a new epoch find nothing.
func (s *Service) FlushStageAuthorizersCache(ctx context.Context, req *apigatewayv1.FlushStageAuthorizersCacheRequest) (*emptypb.Empty, error) {
	return empty, s.flush(ctx, req.GetRestApiId(), req.GetStageName(), func(r *storev1.Record) { r.AuthorizerEpoch++ })
}

// FlushStageCache forgets the cached answers of the stage: keys of a new epoch find nothing.
func (s *Service) FlushStageCache(ctx context.Context, req *apigatewayv1.FlushStageCacheRequest) (*emptypb.Empty, error) {
	return empty, s.flush(ctx, req.GetRestApiId(), req.GetStageName(), func(r *storev1.Record) { r.CacheEpoch++ })
}

// flush counts one epoch of a stage up.
func (s *Service) flush(ctx context.Context, api, name string, count func(*storev1.Record)) error {
	return s.publish(ctx, func(tx *draft.Tx) error {
		return withAPI(tx, api, unknownAPI(ctx, api), func(*draft.API) error {
			key := stageKey(tx, api, name)
			stage := &apigatewayv1.Stage{}
			r, err := tx.Get(key, stage)
			if err != nil {
				return err
			}
			if r == nil {
				return unknownStage
			}
			count(r)
			return tx.Put(key, r, stage)
		})
	})
}
