package snapshots_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/seal"
	"github.com/limen-gateway/limen/platform/snapshots"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const content = "the frozen bytes, with a planted secret"

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// admin is a config server that plays a script: each stream gets the next list of events, then stays open until cut.
type admin struct {
	configv1.UnimplementedConfigServer
	mu       sync.Mutex
	requests []*configv1.FollowRequest
	scripts  [][]*configv1.FollowResponse
	cut      chan struct{}
	reports  chan *configv1.ReportRequest
}

func (a *admin) Follow(req *configv1.FollowRequest, stream grpc.ServerStreamingServer[configv1.FollowResponse]) error {
	a.mu.Lock()
	a.requests = append(a.requests, req)
	var script []*configv1.FollowResponse
	if len(a.scripts) > 0 {
		script, a.scripts = a.scripts[0], a.scripts[1:]
	}
	cut := a.cut
	a.mu.Unlock()
	for _, e := range script {
		if err := stream.Send(e); err != nil {
			return err
		}
	}
	select {
	case <-cut:
		return status.Error(codes.Unavailable, "cut")
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
}

func (a *admin) Report(_ context.Context, req *configv1.ReportRequest) (*configv1.ReportResponse, error) {
	select {
	case a.reports <- req:
	default:
	}
	return &configv1.ReportResponse{}, nil
}

// consumer remembers the stages it was given; revisions from unusable on it cannot take over.
type consumer struct {
	mu       sync.Mutex
	stages   map[string]string // key → content
	unusable int64
	updates  chan snapshots.Update
}

func (c *consumer) Apply(u snapshots.Update) (failing []string) {
	c.mu.Lock()
	if u.Full {
		c.stages = map[string]string{}
	}
	for _, r := range append(u.LastGood, u.Changed...) {
		if c.unusable > 0 && r.Revision >= c.unusable {
			failing = append(failing, r.Key)
			continue
		}
		b, _ := u.Content(r.GetStage().GetDeploymentHash())
		c.stages[r.Key] = string(b)
	}
	for _, k := range u.Deleted {
		delete(c.stages, k)
	}
	c.mu.Unlock()
	c.updates <- u
	return failing
}

func (c *consumer) Report() []*configv1.StageReport {
	return []*configv1.StageReport{{ApiId: "api"}}
}

func (c *consumer) has(t *testing.T, want map[string]string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.stages) != len(want) {
		t.Errorf("has %v, want %v", c.stages, want)
	}
	for k, v := range want {
		if c.stages[k] != v {
			t.Errorf("%s holds %q, want %q", k, c.stages[k], v)
		}
	}
}

type fixture struct {
	t       *testing.T
	admin   *admin
	dir     string
	keyring *seal.Keyring
	client  configv1.ConfigClient
}

func newFixture(t *testing.T, scripts ...[]*configv1.FollowResponse) *fixture {
	t.Helper()
	a := &admin{scripts: scripts, cut: make(chan struct{}), reports: make(chan *configv1.ReportRequest, 100)}
	service := "/" + configv1.Config_ServiceDesc.ServiceName + "/*"
	server := rpc.NewServer(rpc.Config{Tables: rpc.Tables{
		Deadlines: map[string]time.Duration{service: rpc.NoDeadline}, Callers: map[string][]rpc.Role{service: {rpc.Edge}},
	}})
	configv1.RegisterConfigServer(server, a)
	keyring, err := seal.Parse(seal.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{t, a, t.TempDir(), keyring, configv1.NewConfigClient(server.Local(rpc.Edge))}
}

// start runs a follower until the returned function is called.
func (f *fixture) start(client configv1.ConfigClient) (*consumer, *snapshots.Follower, func()) {
	return f.startUnusable(client, 0)
}

// startUnusable runs a follower whose consumer cannot take over what is as new as the revision.
func (f *fixture) startUnusable(client configv1.ConfigClient, revision int64) (*consumer, *snapshots.Follower, func()) {
	c := &consumer{unusable: revision, stages: map[string]string{}, updates: make(chan snapshots.Update, 100)}
	follower := snapshots.New(snapshots.Config{Role: "edge", Dir: f.dir, Keyring: f.keyring, Admin: client, Log: slog.New(slog.NewTextHandler(io.Discard, nil))}, c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- follower.Run(ctx) }()
	return c, follower, func() {
		cancel()
		if err := <-done; err != nil {
			f.t.Error(err)
		}
	}
}

func welcome(full bool) *configv1.FollowResponse {
	return &configv1.FollowResponse{Event: &configv1.FollowResponse_Welcome{Welcome: &configv1.Welcome{Number: 7, Full: full}}}
}

func position(rev int64) *configv1.FollowResponse {
	return &configv1.FollowResponse{Event: &configv1.FollowResponse_Position{Position: &configv1.Position{Epoch: "e", Revision: rev}}}
}

func resource(r *configv1.Resource) *configv1.FollowResponse {
	return &configv1.FollowResponse{Event: &configv1.FollowResponse_Resource{Resource: r}}
}

func chunk(i, total int, data string) *configv1.FollowResponse {
	return resource(&configv1.Resource{Key: hashOf(content), Body: &configv1.Resource_Content{Content: &configv1.Content{Hash: hashOf(content), Index: int32(i), Total: int32(total), Data: []byte(data)}}})
}

func stage(key string) *configv1.FollowResponse {
	return resource(&configv1.Resource{Key: key, Revision: 5, Body: &configv1.Resource_Stage{Stage: &snapshotv1.Stage{DeploymentHash: hashOf(content)}}})
}

func fullState() []*configv1.FollowResponse {
	return []*configv1.FollowResponse{welcome(true), chunk(0, 2, content[:9]), chunk(1, 2, content[9:]), stage("s1"), stage("s2"), position(5)}
}

func TestFollow(t *testing.T) {
	f := newFixture(t, fullState())
	c, _, stop := f.start(f.client)
	defer stop()
	if u := <-c.updates; u.Number != 7 || !u.Full {
		t.Errorf("number %d, full %v", u.Number, u.Full)
	}
	c.has(t, map[string]string{"s1": content, "s2": content})
	if r := <-f.admin.reports; r.Revision != 5 || r.Epoch != "e" || r.Stages[0].ApiId != "api" {
		t.Errorf("report %v", r)
	}
}

func TestResume(t *testing.T) {
	deltas := []*configv1.FollowResponse{welcome(false), resource(&configv1.Resource{Key: "s2", Deleted: true}), stage("s3"), position(9)}
	f := newFixture(t, fullState(), deltas)
	c, _, stop := f.start(f.client)
	defer stop()
	<-c.updates
	close(f.admin.cut)
	f.admin.mu.Lock()
	f.admin.cut = make(chan struct{})
	f.admin.mu.Unlock()
	<-c.updates
	c.has(t, map[string]string{"s1": content, "s3": content})
	f.admin.mu.Lock()
	defer f.admin.mu.Unlock()
	again := f.admin.requests[1]
	if again.Epoch != "e" || again.Revision != 5 || len(again.Contents) != 1 || again.Contents[0] != hashOf(content) || again.Follower != f.admin.requests[0].Follower {
		t.Errorf("resumed with %v", again)
	}
}

// gone is an admin that nobody reaches.
type gone struct{ configv1.ConfigClient }

func (gone) Follow(context.Context, *configv1.FollowRequest, ...grpc.CallOption) (grpc.ServerStreamingClient[configv1.FollowResponse], error) {
	return nil, status.Error(codes.Unavailable, "gone")
}

func TestDiskCopy(t *testing.T) {
	f := newFixture(t, fullState())
	c, follower, stop := f.start(f.client)
	<-c.updates
	<-follower.Synced()
	<-f.admin.reports // the copy is written before the report
	stop()

	t.Run("serves without an admin", func(t *testing.T) {
		c, follower, stop := f.start(gone{})
		defer stop()
		<-follower.Loaded()
		if u := <-c.updates; u.Number != 7 {
			t.Errorf("number %d", u.Number)
		}
		c.has(t, map[string]string{"s1": content, "s2": content})
	})
	t.Run("is sealed", func(t *testing.T) {
		files, _ := filepath.Glob(filepath.Join(f.dir, "*", "*"))
		if len(files) < 4 {
			t.Fatalf("files %v", files)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil || strings.Contains(string(text), "planted") {
				t.Errorf("%s is readable (%v)", file, err)
			}
		}
	})
	t.Run("damage asks for everything", func(t *testing.T) {
		files, _ := filepath.Glob(filepath.Join(f.dir, "*", "content-*"))
		if err := os.WriteFile(files[0], []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		f.admin.mu.Lock()
		f.admin.scripts = [][]*configv1.FollowResponse{fullState()}
		f.admin.mu.Unlock()
		c, follower, stop := f.start(f.client)
		defer stop()
		<-follower.Synced()
		<-c.updates
		<-c.updates
		c.has(t, map[string]string{"s1": content, "s2": content})
		f.admin.mu.Lock()
		defer f.admin.mu.Unlock()
		if last := f.admin.requests[len(f.admin.requests)-1]; last.Revision != 0 || len(last.Contents) != 0 {
			t.Errorf("asked with %v", last)
		}
	})
}

// What a consumer serves because it cannot take over a newer version survives its restart, and goes when a version comes
// that it can.
func TestLastGood(t *testing.T) {
	newer := func(rev int64) *configv1.FollowResponse {
		return resource(&configv1.Resource{Key: "s1", Revision: rev, Body: &configv1.Resource_Stage{Stage: &snapshotv1.Stage{DeploymentHash: "newer"}}})
	}
	f := newFixture(t, append(fullState(), newer(6), position(6), newer(7), position(7)))
	c, _, stop := f.startUnusable(f.client, 6)
	for range 3 {
		<-c.updates
		<-f.admin.reports // the copy is written before the report
	}
	stop()
	t.Run("is served without an admin", func(t *testing.T) {
		c, follower, stop := f.startUnusable(gone{}, 6)
		defer stop()
		<-follower.Loaded()
		if u := <-c.updates; len(u.LastGood) != 1 || u.LastGood[0].Revision != 5 || len(u.Changed) != 2 {
			t.Errorf("last good %v, changed %v", u.LastGood, u.Changed)
		}
		c.has(t, map[string]string{"s1": content, "s2": content})
	})
	t.Run("gives way", func(t *testing.T) {
		f.admin.mu.Lock()
		f.admin.scripts = [][]*configv1.FollowResponse{{welcome(false), newer(8), position(8)}}
		f.admin.mu.Unlock()
		_, follower, stop := f.start(f.client)
		<-follower.Synced()
		<-f.admin.reports
		stop()
		if files, _ := filepath.Glob(filepath.Join(f.dir, "*", "lastgood-*")); len(files) != 0 {
			t.Errorf("left %v", files)
		}
	})
}
