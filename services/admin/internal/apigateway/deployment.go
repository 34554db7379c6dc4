package apigateway

import (
	"context"
	"slices"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/patch"
	"github.com/limen-gateway/limen/core/snapshot"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	storev1 "github.com/limen-gateway/limen/proto/store/v1"
	"github.com/limen-gateway/limen/services/admin/internal/deploy"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/operation"
)

var unknownDeployment = fault.NotFound("Invalid Deployment identifier specified")

func deploymentKey(tx *draft.Tx, api, id string) string {
	return tx.Scope.Key(draft.Deployments, api, id)
}

// CreateDeployment freezes the draft, checks it, and publishes it on a stage when the request names one. All problems are
// reported at once; members that are not enforced yet become warnings on the answer and in the log.
func (s *Service) CreateDeployment(ctx context.Context, req *apigatewayv1.CreateDeploymentRequest) (*apigatewayv1.Deployment, error) {
	scope, err := operation.Scope(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkCanary(req); err != nil {
		return nil, err
	}
	frozen, err := s.freeze(ctx, scope, req.GetRestApiId())
	if err != nil {
		return nil, err
	}
	content, err := deploy.Pack(frozen)
	if err != nil {
		return nil, err
	}
	if err := deploy.Write(ctx, s.store.Client(), scope, req.GetRestApiId(), content); err != nil {
		return nil, err
	}
	var d *apigatewayv1.Deployment
	var stage *apigatewayv1.Stage
	err = s.publish(ctx, func(tx *draft.Tx) error {
		return withAPI(tx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(*draft.API) error {
			if err := deploy.Hold(tx, s.store.Client(), req.GetRestApiId(), content); err != nil {
				return err
			}
			d = &apigatewayv1.Deployment{Id: ptr(tx.NewID(shortID)), CreatedDate: s.timestamp()}
			req.CopyTo(d)
			record := &storev1.Record{Account: scope.Account, Region: scope.Region, Parent: req.GetRestApiId(),
				Created: d.CreatedDate, ContentHash: content.Hash, ContentChunks: int32(content.Chunks)}
			if err := tx.Create(deploymentKey(tx, req.GetRestApiId(), d.GetId()), record, d); err != nil {
				return err
			}
			var err error
			stage, err = s.pointStage(tx, req, d.GetId())
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return d, operation.Warn(ctx, req.GetRestApiId(), snapshot.Planned(frozen, stage))
}

// freeze reads the whole draft and checks that it can be served.
func (s *Service) freeze(ctx context.Context, scope draft.Scope, api string) (*snapshotv1.Deployment, error) {
	var frozen *snapshotv1.Deployment
	err := s.readAPI(ctx, api, unknownAPI(ctx, api), func(a *draft.API) error {
		tree, err := a.Load()
		if err != nil {
			return err
		}
		frozen = deploy.Freeze(scope, tree)
		if problems := snapshot.Check(frozen); len(problems) > 0 {
			return fault.BadRequest("%s", snapshot.Message(problems))
		}
		return nil
	})
	return frozen, err
}

func checkCanary(req *apigatewayv1.CreateDeploymentRequest) error {
	if req.CanarySettings == nil || req.GetStageName() != "" {
		return nil
	}
	given := "null"
	if req.StageName != nil {
		given = "" // the value itself, recorded so
	}
	return fault.BadRequest("Invalid deployment content specified.Non null and non empty stageName must be provided for canary deployment. Provided value is %s", given)
}

// pointStage makes or moves the stage that a deployment names; with canary settings the stage keeps its deployment and gets
// this one as its canary.
func (s *Service) pointStage(tx *draft.Tx, req *apigatewayv1.CreateDeploymentRequest, id string) (*apigatewayv1.Stage, error) {
	if req.GetStageName() == "" {
		return nil, nil
	}
	if !stageName.MatchString(req.GetStageName()) {
		return nil, fault.BadRequest("Stage name only allows a-zA-Z0-9_-")
	}
	key := stageKey(tx, req.GetRestApiId(), req.GetStageName())
	stage := &apigatewayv1.Stage{}
	r, err := tx.Get(key, stage)
	if err != nil {
		return nil, err
	}
	switch {
	case r == nil && req.CanarySettings != nil:
		return nil, fault.BadRequest("Invalid deployment content specified.Stage %s must already be created before making a canary release deployment", req.GetStageName())
	case r == nil:
		stage.StageName = req.StageName
		s.completeStage(stage)
	}
	stage.LastUpdatedDate = s.timestamp()
	if c := req.CanarySettings; c != nil {
		stage.CanarySettings = &apigatewayv1.CanarySettings{DeploymentId: &id, PercentTraffic: c.PercentTraffic,
			StageVariableOverrides: c.StageVariableOverrides, UseStageCache: c.UseStageCache}
		orDefault(&stage.CanarySettings.PercentTraffic, 0)
		orDefault(&stage.CanarySettings.UseStageCache, false)
	} else {
		stage.DeploymentId = &id
	}
	applyStageMembers(stage, req)
	if err := checkStageForm(stage); err != nil {
		return nil, err
	}
	return stage, tx.Put(key, r, stage)
}

// applyStageMembers sets what the request says of the stage beyond its deployment.
func applyStageMembers(stage *apigatewayv1.Stage, req *apigatewayv1.CreateDeploymentRequest) {
	if req.StageDescription != nil {
		stage.Description = req.StageDescription
	}
	if req.CacheClusterEnabled != nil {
		stage.CacheClusterEnabled = req.CacheClusterEnabled
	}
	if req.CacheClusterSize != nil {
		stage.CacheClusterSize = req.CacheClusterSize
	}
	if req.TracingEnabled != nil {
		stage.TracingEnabled = req.TracingEnabled
	}
	if req.Variables != nil && req.CanarySettings == nil {
		stage.Variables = req.Variables
	}
}

// GetDeployment answers one deployment, with a summary of its methods when asked.
func (s *Service) GetDeployment(ctx context.Context, req *apigatewayv1.GetDeploymentRequest) (*apigatewayv1.Deployment, error) {
	d := &apigatewayv1.Deployment{}
	err := s.readAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		r, err := a.Tx().Get(deploymentKey(a.Tx(), a.ID, req.GetDeploymentId()), d)
		if err != nil {
			return err
		}
		if r == nil {
			return unknownDeployment
		}
		if !slices.Contains(req.Embed.GetItems(), "apisummary") {
			return nil
		}
		frozen, err := deploy.Read(ctx, s.store.Client(), a.Tx().Scope, a.ID, r.ContentHash)
		if err != nil {
			return err
		}
		d.ApiSummary = summary(frozen)
		return nil
	})
	return d, err
}

// summary is path → verb → what the method asks of its callers.
func summary(frozen *snapshotv1.Deployment) *apigatewayv1.MethodSnapshotMapMap {
	out := &apigatewayv1.MethodSnapshotMapMap{Entries: map[string]*apigatewayv1.MethodSnapshotMap{}}
	for _, r := range frozen.Resources {
		for verb, m := range r.ResourceMethods.GetEntries() {
			if out.Entries[r.GetPath()] == nil {
				out.Entries[r.GetPath()] = &apigatewayv1.MethodSnapshotMap{Entries: map[string]*apigatewayv1.MethodSnapshot{}}
			}
			out.Entries[r.GetPath()].Entries[verb] = &apigatewayv1.MethodSnapshot{AuthorizationType: m.AuthorizationType, ApiKeyRequired: m.ApiKeyRequired}
		}
	}
	return out
}

// GetDeployments pages through the deployments of an API, in the order of their ids.
func (s *Service) GetDeployments(ctx context.Context, req *apigatewayv1.GetDeploymentsRequest) (*apigatewayv1.Deployments, error) {
	out := &apigatewayv1.Deployments{Items: &apigatewayv1.DeploymentList{}}
	err := s.readAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		items, next, err := list(a.Tx(), a.Tx().Scope.Prefix(draft.Deployments, a.ID), req.Position, req.Limit, func() *apigatewayv1.Deployment { return &apigatewayv1.Deployment{} }, nil)
		out.Items.Items, out.Position = items, next
		return err
	})
	return out, err
}

// UpdateDeployment changes the description, the only member of a deployment that can change.
func (s *Service) UpdateDeployment(ctx context.Context, req *apigatewayv1.UpdateDeploymentRequest) (*apigatewayv1.Deployment, error) {
	d := &apigatewayv1.Deployment{}
	err := s.editAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		key := deploymentKey(a.Tx(), a.ID, req.GetDeploymentId())
		d.Reset()
		r, err := a.Tx().Get(key, d)
		if err != nil {
			return err
		}
		if r == nil {
			return unknownDeployment
		}
		if err := patch.Deployment.Apply(d, req.PatchOperations); err != nil {
			return err
		}
		return a.Tx().Put(key, r, d)
	})
	return d, err
}

// DeleteDeployment removes a deployment that no stage uses. Its frozen content goes when no other deployment has the same.
func (s *Service) DeleteDeployment(ctx context.Context, req *apigatewayv1.DeleteDeploymentRequest) (*emptypb.Empty, error) {
	return empty, s.publish(ctx, func(tx *draft.Tx) error {
		return withAPI(tx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
			key := deploymentKey(tx, a.ID, req.GetDeploymentId())
			r, err := tx.Get(key, nil)
			if err != nil {
				return err
			}
			if r == nil {
				return unknownDeployment
			}
			if err := checkUnused(tx, a.ID, req.GetDeploymentId()); err != nil {
				return err
			}
			tx.Delete(key)
			shared, err := operation.SharesContent(tx, a.ID, req.GetDeploymentId(), r.ContentHash)
			if err == nil && !shared {
				tx.DeleteRange(tx.Scope.Prefix(draft.Frozen, a.ID, r.ContentHash))
			}
			if err != nil {
				return err
			}
			return a.Save() // so that a deployment made meanwhile starts over
		})
	})
}

func checkUnused(tx *draft.Tx, api, id string) error {
	stages, err := stagesOf(tx, api)
	if err != nil {
		return err
	}
	for _, stage := range stages {
		if stage.GetDeploymentId() == id {
			return fault.BadRequest("Active stages pointing to this deployment must be moved or deleted")
		}
		if stage.CanarySettings.GetDeploymentId() == id {
			return fault.BadRequest("Active stages with canary settings pointing to this deployment must be moved or deleted")
		}
	}
	return nil
}
