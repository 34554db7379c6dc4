package deploy

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/platform/rpc"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// Config answers Follow and Report, and keeps the followers of this admin in etcd. It is safe for concurrent use.
type Config struct {
	configv1.UnimplementedConfigServer
	client draft.Client
	mirror *mirror
	log    *slog.Logger

	// mu guards followers.
	mu        sync.Mutex
	followers map[string]*follower // by role/name, those whose stream this admin serves
	reported  chan struct{}        // closed, and replaced, with every report and every follower that comes or goes
}

// NewConfig makes the server; the store must be open and Run run for it to answer.
func NewConfig(store *draft.Store, log *slog.Logger) *Config {
	m := newMirror(store.Client().Client, log)
	m.history, m.renew = store.Epoch, store.Renew
	return &Config{client: store.Client(), mirror: m, log: log,
		followers: map[string]*follower{}, reported: make(chan struct{})}
}

// Run follows etcd until ctx ends.
func (c *Config) Run(ctx context.Context) error { return c.mirror.run(ctx) }

// Ready tells whether the published state was read.
func (c *Config) Ready() bool { return c.mirror.isReady() }

// Follow streams the published state to one follower.
func (c *Config) Follow(req *configv1.FollowRequest, stream grpc.ServerStreamingServer[configv1.FollowResponse]) error {
	if req.Follower == "" || kinds[req.Role] == nil {
		return status.Error(codes.InvalidArgument, "the request must name its follower and a role that follows something")
	}
	ctx := stream.Context()
	if err := speaksFor(ctx, req.Role); err != nil {
		return err
	}
	for !c.mirror.isReady() {
		select {
		case <-c.mirror.wait():
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
	}
	f, err := c.join(ctx, req)
	if err != nil {
		return status.Errorf(codes.Unavailable, "register follower: %v", err)
	}
	defer c.leave(f)
	return c.serve(req, stream, f)
}

// speaksFor refuses a caller of another role than the one that its request names.
func speaksFor(ctx context.Context, role string) error {
	if caller := rpc.Caller(ctx); string(caller) != role {
		return status.Errorf(codes.PermissionDenied, "a caller of role %q may not follow or report as %q", caller, role)
	}
	return nil
}

func (c *Config) serve(req *configv1.FollowRequest, stream grpc.ServerStreamingServer[configv1.FollowResponse], f *follower) error {
	ctx := stream.Context()
	sent := map[string]bool{}
	for _, hash := range req.Contents {
		sent[hash] = true
	}
	v := c.mirror.since(req.Epoch, req.Revision)
	if err := stream.Send(&configv1.FollowResponse{Event: &configv1.FollowResponse_Welcome{Welcome: &configv1.Welcome{Number: f.number, Full: v.full}}}); err != nil {
		return err
	}
	for {
		if err := c.send(stream, req.Role, v, sent); err != nil {
			return err
		}
		// The follower drops contents that no stage publishes; one that is published again is sent again.
		maps.DeleteFunc(sent, func(hash string, _ bool) bool { return !v.published[hash] })
		select {
		case <-v.wait:
		case <-f.again: // a follower reports after every position
			v.changes = nil
			continue
		case <-ctx.Done():
			return status.FromContextError(ctx.Err()).Err()
		}
		if v = c.mirror.since(v.epoch, v.revision); v.full {
			return status.Error(codes.Unavailable, "the state was read anew; follow again")
		}
	}
}

// kinds are what each role follows, by the first segment of a resource's key: nobody gets more than it needs.
var kinds = map[string][]string{
	"edge":      {draft.Stages, draft.APIKeys, draft.UsagePlans},
	"functions": {draft.Functions},
}

func follows(role string, r *configv1.Resource) bool {
	kind, _, _ := strings.Cut(r.Key, "/")
	return slices.Contains(kinds[role], kind)
}

// send sends changes in the order of their revisions, a content before the first stage that publishes it, then the position.
func (c *Config) send(stream grpc.ServerStreamingServer[configv1.FollowResponse], role string, v view, sent map[string]bool) error {
	sort.Slice(v.changes, func(i, j int) bool { return v.changes[i].Revision < v.changes[j].Revision })
	for _, r := range v.changes {
		if !follows(role, r) {
			continue
		}
		if stage := r.GetStage(); stage != nil && !sent[stage.DeploymentHash] {
			err := c.sendContent(stream, stage, r.Revision)
			if errors.Is(err, errGone) {
				// The follower keeps the last good one of this stage, and all others go on.
				c.log.Error("published content is not in the store", "api_id", stage.ApiId, "stage", stage.Stage.GetStageName(), "deployment_hash", stage.DeploymentHash)
			} else if err != nil {
				return err
			} else {
				sent[stage.DeploymentHash] = true
			}
		}
		if err := sendResource(stream, r); err != nil {
			return err
		}
	}
	position := &configv1.Position{Epoch: v.epoch, Revision: v.revision}
	return stream.Send(&configv1.FollowResponse{Event: &configv1.FollowResponse_Position{Position: position}})
}

// sendContent sends the chunks of what a stage publishes.
func (c *Config) sendContent(stream grpc.ServerStreamingServer[configv1.FollowResponse], stage *snapshotv1.Stage, revision int64) error {
	scope := draft.Scope{Account: stage.Account, Region: stage.Region}
	chunks, err := readChunks(stream.Context(), c.client, scope, stage.ApiId, stage.DeploymentHash)
	if errors.Is(err, errGone) {
		return err
	}
	if err != nil {
		return status.Errorf(codes.Unavailable, "%v", err)
	}
	for i, data := range chunks {
		content := &configv1.Content{Hash: stage.DeploymentHash, Index: int32(i), Total: int32(len(chunks)), Data: data}
		if err := sendResource(stream, &configv1.Resource{Key: stage.DeploymentHash, Revision: revision, Body: &configv1.Resource_Content{Content: content}}); err != nil {
			return err
		}
	}
	return nil
}

func sendResource(stream grpc.ServerStreamingServer[configv1.FollowResponse], r *configv1.Resource) error {
	return stream.Send(&configv1.FollowResponse{Event: &configv1.FollowResponse_Resource{Resource: r}})
}
