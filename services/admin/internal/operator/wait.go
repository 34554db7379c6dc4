package operator

import (
	"context"
	"fmt"
	"time"

	"github.com/limen-gateway/limen/core/fault"
	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	"github.com/limen-gateway/limen/services/admin/internal/deploy"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// pollInterval is how often the list of followers is read while somebody waits; reports to this admin wake it at once.
const pollInterval = 100 * time.Millisecond

// maxWait bounds one call; a caller that wants more calls again.
const maxWait = 50 * time.Second

// Wait tells how many edges serve what a stage publishes, or have got to a revision; it returns when all do.
func (s *Service) Wait(ctx context.Context, req *adminv1.WaitRequest) (*adminv1.WaitResponse, error) {
	scope, err := scopeOf(ctx)
	if err != nil {
		return nil, err
	}
	if (req.Revision == 0) == (req.ApiId == "" || req.Stage == "") {
		return nil, fault.BadRequest("either revision or both apiId and stage must be given")
	}
	deadline := s.store.Now().Add(min(time.Duration(req.TimeoutMillis)*time.Millisecond, maxWait))
	for {
		changed := s.config.Watch()
		serves, err := s.condition(ctx, scope, req)
		if err != nil {
			return nil, err
		}
		living, err := s.config.Living(ctx, "edge")
		if err != nil {
			return nil, err
		}
		res := count(living, serves)
		left := deadline.Sub(s.store.Now())
		if res.Edges > 0 && res.Serving == res.Edges || left <= 0 {
			return res, nil
		}
		select {
		case <-changed:
		case <-time.After(min(left, pollInterval)):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// condition makes the question to ask of a follower: "" when it serves what is waited for, else why not.
func (s *Service) condition(ctx context.Context, scope draft.Scope, req *adminv1.WaitRequest) (func(*configv1.Follower) string, error) {
	if req.Revision > 0 {
		return func(f *configv1.Follower) string {
			if at := f.Report.GetRevision(); at < req.Revision {
				return fmt.Sprintf("is at revision %d", at)
			}
			return ""
		}, nil
	}
	hash, err := s.publishedHash(ctx, scope, req.ApiId, req.Stage)
	if err != nil {
		return nil, err
	}
	return func(f *configv1.Follower) string {
		for _, r := range f.Report.GetStages() {
			if r.Account != scope.Account || r.Region != scope.Region || r.ApiId != req.ApiId || r.Stage != req.Stage {
				continue
			}
			if r.DeploymentHash == hash && r.Error == "" {
				return ""
			}
			if r.Error != "" {
				return "keeps the last good plan: " + r.Error
			}
			return "still serves " + short(r.DeploymentHash)
		}
		return "does not know the stage yet"
	}, nil
}

func short(hash string) string { return hash[:min(len(hash), 12)] }

// publishedHash is the content that a stage publishes.
func (s *Service) publishedHash(ctx context.Context, scope draft.Scope, api, name string) (string, error) {
	hash := ""
	err := s.store.Read(ctx, scope, func(tx *draft.Tx) error {
		r, err := tx.Get(scope.Key(draft.Stages, api, name), nil)
		if err != nil {
			return err
		}
		if r == nil {
			return fault.NotFound("Invalid stage identifier specified")
		}
		_, deployment, err := deploy.StageOf(r)
		if err != nil {
			return err
		}
		d, err := tx.Get(scope.Key(draft.Deployments, api, deployment), nil)
		if err == nil && d != nil {
			hash = d.ContentHash
		}
		return err
	})
	return hash, err
}

func count(living []*configv1.Follower, serves func(*configv1.Follower) string) *adminv1.WaitResponse {
	res := &adminv1.WaitResponse{Edges: int32(len(living))}
	for _, f := range living {
		why := serves(f)
		if why == "" {
			res.Serving++
			continue
		}
		res.Pending = append(res.Pending, fmt.Sprintf("edge %d (%s) %s", f.Number, f.Name, why))
	}
	return res
}
