package apigatewayv2

import (
	"context"
	"errors"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/snapshot"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	storev1 "github.com/limen-gateway/limen/proto/store/v1"
	"github.com/limen-gateway/limen/services/admin/internal/deploy"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/operation"
)

func freshDeployment() *apigatewayv2v1.Deployment { return &apigatewayv2v1.Deployment{} }

func deploymentKey(tx *draft.Tx, api, id string) string {
	return tx.Scope.Key(draft.Deployments, api, id)
}

// frozen is the draft of an API as it was at a revision.
type frozen struct {
	deployment *snapshotv1.Deployment
	problems   []snapshot.Problem
	content    deploy.Content
	revision   int64
}

// freeze reads a whole draft and looks for problems.
func freeze(a *draft.API) (frozen, error) {
	tree, err := a.LoadV2()
	if err != nil {
		return frozen{}, err
	}
	f := frozen{deployment: deploy.FreezeV2(a.Tx().Scope, tree), revision: a.Revision()}
	f.problems = snapshot.Check(f.deployment)
	if len(f.problems) == 0 {
		f.content, err = deploy.Pack(f.deployment)
	}
	return f, err
}

// storeContent writes the content of a draft that has no problems; nothing points at it yet.
func (s *Service) storeContent(ctx context.Context, api string, f frozen) error {
	scope, err := operation.Scope(ctx)
	if err != nil {
		return err
	}
	return deploy.Write(ctx, s.store.Client(), scope, api, f.content)
}

// deployContent makes the deployment of a stored content.
func (s *Service) deployContent(a *draft.API, f frozen, description *string, auto bool) (*apigatewayv2v1.Deployment, error) {
	tx := a.Tx()
	if err := deploy.Hold(tx, s.store.Client(), a.ID, f.content); err != nil {
		return nil, err
	}
	d := &apigatewayv2v1.Deployment{DeploymentId: ptr(tx.NewID(shortID)), CreatedDate: s.timestamp(), AutoDeployed: &auto,
		DeploymentStatus: ptr("DEPLOYED"), Description: description}
	record := &storev1.Record{Account: tx.Scope.Account, Region: tx.Scope.Region, Parent: a.ID,
		Created: d.CreatedDate, ContentHash: f.content.Hash, ContentChunks: int32(f.content.Chunks)}
	return d, tx.Create(deploymentKey(tx, a.ID, d.GetDeploymentId()), record, d)
}

// CreateDeployment freezes the draft, checks it, and publishes it on a stage when the request names one. All problems are
// reported at once; members that are not enforced yet become warnings on the answer and in the log.
func (s *Service) CreateDeployment(ctx context.Context, req *apigatewayv2v1.CreateDeploymentRequest) (*apigatewayv2v1.Deployment, error) {
	given := &apigatewayv2v1.Deployment{Description: req.Description}
	if err := tidy(given); err != nil {
		return nil, err
	}
	var f frozen
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		if f, err = freeze(a); err == nil && len(f.problems) > 0 {
			err = fault.BadRequest("%s", snapshot.Message(f.problems))
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.storeContent(ctx, req.GetApiId(), f); err != nil {
		return nil, err
	}
	var d *apigatewayv2v1.Deployment
	var stage *apigatewayv2v1.Stage
	err = s.run.Publish(ctx, func(tx *draft.Tx) error {
		return withAPI(ctx, tx, req.GetApiId(), func(a *draft.API) (err error) {
			if d, err = s.deployContent(a, f, given.Description, false); err != nil {
				return err
			}
			stage, err = s.pointStage(tx, a.ID, req.GetStageName(), d.GetDeploymentId())
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return d, operation.Warn(ctx, req.GetApiId(), snapshot.PlannedV2(f.deployment, stage))
}

// pointStage moves the stage that a deployment names. Stages are made by CreateStage alone.
func (s *Service) pointStage(tx *draft.Tx, api, name, deployment string) (*apigatewayv2v1.Stage, error) {
	if name == "" {
		return nil, nil
	}
	key := stageKey(tx, api, name)
	stage := freshStage()
	r, err := tx.Get(key, stage)
	switch {
	case err != nil:
		return nil, err
	case r == nil:
		return nil, unknownStage
	case stage.GetAutoDeploy():
		return nil, deploysItself
	}
	stage.DeploymentId, stage.LastUpdatedDate = &deployment, s.timestamp()
	return stage, tx.Put(key, r, stage)
}

// errOvertaken tells that the draft changed while it was frozen.
var errOvertaken = errors.New("the draft changed meanwhile")

// autoDeploy deploys the present draft on every stage with autoDeploy. done tells that there was one, and then the answer
// carries a revision.
func (s *Service) autoDeploy(ctx context.Context, api string) (done bool, err error) {
	err = draft.Contend(ctx, func() (again bool, err error) {
		done, err = s.tryAutoDeploy(ctx, api)
		return errors.Is(err, errOvertaken), err
	})
	return done, err
}

func (s *Service) tryAutoDeploy(ctx context.Context, api string) (bool, error) {
	var f frozen
	var stages []string
	err := s.run.Read(ctx, func(tx *draft.Tx) error {
		a, err := tx.V2(api)
		if err != nil || a == nil { // deleted meanwhile
			return err
		}
		if stages, err = autoStages(tx, api); err != nil || len(stages) == 0 {
			return err
		}
		f, err = freeze(a)
		return err
	})
	if err != nil || len(stages) == 0 {
		return false, err
	}
	if len(f.problems) == 0 {
		if err := s.storeContent(ctx, api, f); err != nil {
			return false, err
		}
	}
	var moved *apigatewayv2v1.Stage
	err = s.run.Publish(ctx, func(tx *draft.Tx) error {
		a, err := tx.V2(api)
		if err != nil || a == nil {
			return err
		}
		if a.Revision() != f.revision {
			return errOvertaken
		}
		moved, err = s.moveAutoStages(a, f)
		return err
	})
	if err != nil || moved == nil || len(f.problems) > 0 {
		return err == nil, err
	}
	return true, operation.Warn(ctx, api, snapshot.PlannedV2(f.deployment, moved))
}

func autoStages(tx *draft.Tx, api string) ([]string, error) {
	stages, err := stagesOf(tx, api)
	var out []string
	for _, stage := range stages {
		if stage.GetAutoDeploy() {
			out = append(out, stage.GetStageName())
		}
	}
	return out, err
}

// moveAutoStages makes one deployment for all stages with autoDeploy; when the draft has problems they say so and stay
// where they are. It returns one of the stages.
func (s *Service) moveAutoStages(a *draft.API, f frozen) (moved *apigatewayv2v1.Stage, err error) {
	names, err := autoStages(a.Tx(), a.ID)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	var d *apigatewayv2v1.Deployment
	if len(f.problems) == 0 {
		if d, err = s.deployContent(a, f, ptr("Automatic deployment triggered by changes to the Api configuration"), true); err != nil {
			return nil, err
		}
	}
	for _, name := range names {
		stage := freshStage()
		key := stageKey(a.Tx(), a.ID, name)
		r, err := a.Tx().Get(key, stage)
		if err != nil || r == nil {
			return nil, err
		}
		if d == nil {
			stage.LastDeploymentStatusMessage = ptr("Deployment attempt failed: " + snapshot.Message(f.problems))
		} else {
			stage.DeploymentId = d.DeploymentId
			stage.LastDeploymentStatusMessage = ptr("Successfully deployed stage with deployment ID '" + d.GetDeploymentId() + "'")
		}
		stage.LastUpdatedDate = s.timestamp()
		if err := a.Tx().Put(key, r, stage); err != nil {
			return nil, err
		}
		moved = stage
	}
	return moved, nil
}

// deploymentOf reads a deployment with its record.
func deploymentOf(a *draft.API, id string) (*apigatewayv2v1.Deployment, *storev1.Record, error) {
	d := freshDeployment()
	r, err := a.Tx().Get(deploymentKey(a.Tx(), a.ID, id), d)
	if err == nil && r == nil {
		err = unknown("Deployment", id)
	}
	return d, r, err
}

// GetDeployment answers one deployment.
func (s *Service) GetDeployment(ctx context.Context, req *apigatewayv2v1.GetDeploymentRequest) (*apigatewayv2v1.Deployment, error) {
	var out *apigatewayv2v1.Deployment
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		out, _, err = deploymentOf(a, req.GetDeploymentId())
		return err
	})
	return out, err
}

// GetDeployments pages through the deployments of an API.
func (s *Service) GetDeployments(ctx context.Context, req *apigatewayv2v1.GetDeploymentsRequest) (*apigatewayv2v1.GetDeploymentsResponse, error) {
	out := &apigatewayv2v1.GetDeploymentsResponse{Items: &apigatewayv2v1.DeploymentList{}}
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) (err error) {
		out.Items.Items, out.NextToken, err = list(a.Tx(), a.Tx().Scope.Prefix(draft.Deployments, a.ID), req.NextToken, req.MaxResults, freshDeployment)
		return err
	})
	return out, err
}

// UpdateDeployment changes the description, the only member of a deployment that can change.
func (s *Service) UpdateDeployment(ctx context.Context, req *apigatewayv2v1.UpdateDeploymentRequest) (*apigatewayv2v1.Deployment, error) {
	var d *apigatewayv2v1.Deployment
	err := s.run.Update(ctx, func(tx *draft.Tx) error {
		return withAPI(ctx, tx, req.GetApiId(), func(a *draft.API) (err error) {
			var r *storev1.Record
			if d, r, err = deploymentOf(a, req.GetDeploymentId()); err != nil {
				return err
			}
			req.CopyTo(d)
			if err := tidy(d); err != nil {
				return err
			}
			return tx.Put(deploymentKey(tx, a.ID, req.GetDeploymentId()), r, d)
		})
	})
	return d, err
}

// DeleteDeployment removes a deployment that no stage uses. Its frozen content goes when no other deployment has the same.
func (s *Service) DeleteDeployment(ctx context.Context, req *apigatewayv2v1.DeleteDeploymentRequest) (*emptypb.Empty, error) {
	id := req.GetDeploymentId()
	return empty, s.run.Publish(ctx, func(tx *draft.Tx) error {
		return withAPI(ctx, tx, req.GetApiId(), func(a *draft.API) error {
			_, r, err := deploymentOf(a, id)
			if err != nil {
				return err
			}
			stages, err := stagesOf(tx, a.ID)
			if err != nil {
				return err
			}
			for _, stage := range stages {
				if stage.GetDeploymentId() == id {
					return fault.BadRequest("Active stages pointing to this deployment must be moved or deleted")
				}
			}
			tx.Delete(deploymentKey(tx, a.ID, id))
			shared, err := operation.SharesContent(tx, a.ID, id, r.ContentHash)
			if err != nil {
				return err
			}
			if !shared {
				tx.DeleteRange(tx.Scope.Prefix(draft.Frozen, a.ID, r.ContentHash))
			}
			return a.Save() // so that a deployment made meanwhile starts over
		})
	})
}
