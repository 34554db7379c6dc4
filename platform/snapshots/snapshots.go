// Package snapshots is the follower's side of configuration: it follows any admin, keeps the last good state on disk,
// sealed, hands changes to a consumer, and reports what the consumer serves. A follower starts from its disk copy and
// serves while admin and etcd are away; it resumes by position and starts over after a gap or a new epoch.
//
// It does not compile anything. The surprise: what the consumer gets first may be old news from the disk.
package snapshots

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/platform/seal"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
)

// Update is a batch of changes that belong together: after it, the consumer knows the state of one revision.
type Update struct {
	// Number of the follower within its role.
	Number int32
	// Full tells that Changed is the whole state: what is not in it is gone.
	Full    bool
	Changed []*configv1.Resource
	// Deleted holds keys.
	Deleted []string
	// LastGood comes from the disk alone: versions that the consumer served while it failed to take over newer ones, which
	// are in Changed.
	LastGood []*configv1.Resource
	// Content reads the bytes of a deployment by its hash.
	Content func(hash string) ([]byte, bool)
}

// Consumer takes configuration over. Calls come from one goroutine, one at a time.
type Consumer interface {
	// Apply returns the keys of all resources whose newest version cannot be taken over; what was served before stays in
	// force, and is kept on disk.
	Apply(Update) (failing []string)
	// Report says, per stage, what is served after the last Apply.
	Report() []*configv1.StageReport
}

// Config is how a follower is made. Role, Admin, Keyring and Log are needed; without Dir nothing is kept on disk.
type Config struct {
	Role string
	// Address is where the follower answers gRPC; admins hand it on to each other.
	Address string
	Dir     string
	Keyring *seal.Keyring
	Admin   configv1.ConfigClient
	Log     *slog.Logger
}

// Follower follows admin for one consumer.
type Follower struct {
	c        Config
	consumer Consumer
	disk     *disk
	state    state
	loaded   chan struct{}
	synced   chan struct{}
	// What the instruments show.
	following atomic.Bool
	failing   atomic.Int64
}

// state is what the follower knows.
type state struct {
	name      string
	number    int32
	epoch     string
	revision  int64
	resources map[string]*configv1.Resource
	lastGood  map[string]*configv1.Resource // of keys whose newest version the consumer could not take over
	contents  map[string][]byte
}

// New makes a follower that does nothing yet.
func New(c Config, consumer Consumer) *Follower {
	return &Follower{c: c, consumer: consumer, loaded: make(chan struct{}), synced: make(chan struct{})}
}

// Loaded is closed when the copy on disk was handed to the consumer, or when there is none and the first state came.
func (f *Follower) Loaded() <-chan struct{} { return f.loaded }

// Synced is closed when the first position came from an admin.
func (f *Follower) Synced() <-chan struct{} { return f.synced }

// Delays between attempts to follow.
const (
	minDelay       = 50 * time.Millisecond
	maxDelay       = 2 * time.Second
	reportInterval = 3 * time.Second
	reportTimeout  = 2 * time.Second
)

// Run follows until ctx ends.
func (f *Follower) Run(ctx context.Context) error {
	if err := f.load(); err != nil {
		return fmt.Errorf("snapshots: %w", err)
	}
	delay := minDelay
	for ctx.Err() == nil {
		start := time.Now()
		err := f.follow(ctx)
		f.following.Store(false)
		if ctx.Err() != nil {
			break
		}
		if time.Since(start) > maxDelay {
			delay = minDelay
		}
		f.c.Log.WarnContext(ctx, "configuration is not followed; the last known one is served", "error", err, "retry_milliseconds", delay.Milliseconds())
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
		delay = min(2*delay, maxDelay)
	}
	return nil
}

// load takes the state from disk and hands it to the consumer.
func (f *Follower) load() error {
	f.state = state{resources: map[string]*configv1.Resource{}, lastGood: map[string]*configv1.Resource{}, contents: map[string][]byte{}}
	if f.c.Dir == "" {
		f.state.name = newName()
		return nil
	}
	f.disk = &disk{dir: filepath.Join(f.c.Dir, "snapshots-"+f.c.Role), keyring: f.c.Keyring, log: f.c.Log}
	if err := f.disk.load(&f.state); err != nil {
		return err
	}
	if f.state.epoch == "" {
		return nil
	}
	f.apply(Update{Full: true, Changed: values(f.state.resources), LastGood: values(f.state.lastGood)}, f.state.resources)
	close(f.loaded)
	return nil
}

func values(m map[string]*configv1.Resource) []*configv1.Resource {
	out := make([]*configv1.Resource, 0, len(m))
	for _, r := range m {
		out = append(out, r)
	}
	return out
}

// apply hands an update to the consumer; before holds the versions that the update replaces.
func (f *Follower) apply(u Update, before map[string]*configv1.Resource) {
	u.Number = f.state.number
	u.Content = func(hash string) ([]byte, bool) {
		b, ok := f.state.contents[hash]
		return b, ok
	}
	failing := f.consumer.Apply(u)
	f.failing.Store(int64(len(failing)))
	f.state.keepGood(failing, before)
}

// keepGood remembers what a consumer serves instead of the versions it cannot take over.
func (s *state) keepGood(failing []string, before map[string]*configv1.Resource) {
	good := map[string]*configv1.Resource{}
	for _, key := range failing {
		if r := s.lastGood[key]; r != nil {
			good[key] = r
		} else if r := before[key]; r != nil && r != s.resources[key] {
			good[key] = r
		}
	}
	s.lastGood = good
}

// follow serves one stream; it returns when the stream breaks.
func (f *Follower) follow(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	req := &configv1.FollowRequest{Follower: f.state.name, Role: f.c.Role, Address: f.c.Address, Epoch: f.state.epoch, Revision: f.state.revision}
	for hash := range f.state.contents {
		req.Contents = append(req.Contents, hash)
	}
	stream, err := f.c.Admin.Follow(ctx, req)
	if err != nil {
		return err
	}
	events := make(chan *configv1.FollowResponse)
	var broken error // written before events is closed
	go func() {
		defer close(events)
		for {
			event, err := stream.Recv()
			if err != nil {
				broken = err
				return
			}
			select {
			case events <- event:
			case <-ctx.Done():
				broken = ctx.Err()
				return
			}
		}
	}()
	err = f.consume(ctx, events)
	cancel()
	for range events { // the receiver has ended when this does
	}
	if err == nil {
		err = broken
	}
	return err
}

// consume collects events into batches, applies them, and reports, until the stream breaks.
func (f *Follower) consume(ctx context.Context, events <-chan *configv1.FollowResponse) error {
	ticker := time.NewTicker(reportInterval)
	defer ticker.Stop()
	b := &batch{partial: map[string][][]byte{}}
	for {
		select {
		case <-ticker.C:
			if err := f.report(ctx); err != nil {
				return err
			}
		case event, open := <-events:
			if !open {
				return nil
			}
			done, err := b.add(event)
			if err != nil {
				return err
			}
			if !done {
				continue
			}
			if err := f.commit(b); err != nil {
				return err
			}
			b = &batch{partial: map[string][][]byte{}}
			if err := f.report(ctx); err != nil {
				return err
			}
		}
	}
}

// commit takes a batch over: into memory, to the consumer, onto the disk. The position is written last, so that after a
// crash in between the same changes come again.
func (f *Follower) commit(b *batch) error {
	if b.welcome != nil {
		f.state.number = b.welcome.Number
	}
	full := b.welcome.GetFull()
	before := map[string]*configv1.Resource{}
	if full {
		before, f.state.resources = f.state.resources, map[string]*configv1.Resource{}
	}
	for _, err := range b.damaged {
		f.c.Log.Error("published content is not taken over", "error", err)
	}
	for hash, data := range b.contents {
		f.state.contents[hash] = data
	}
	u := Update{Full: full}
	for _, r := range b.resources {
		if old := f.state.resources[r.Key]; old != nil {
			before[r.Key] = old
		}
		if r.Deleted {
			delete(f.state.resources, r.Key)
			u.Deleted = append(u.Deleted, r.Key)
			continue
		}
		f.state.resources[r.Key] = r
		u.Changed = append(u.Changed, r)
	}
	f.state.epoch, f.state.revision = b.position.Epoch, b.position.Revision
	f.apply(u, before)
	f.forget()
	f.following.Store(true)
	first(f.loaded)
	first(f.synced)
	if f.disk == nil {
		return nil
	}
	if err := f.disk.save(&f.state, b, full); err != nil {
		// Serving goes on; only the next start without an admin would be older.
		f.c.Log.Error("copy of the configuration is not written", "error", err)
	}
	return nil
}

// first closes a channel once.
func first(c chan struct{}) {
	select {
	case <-c:
	default:
		close(c)
	}
}

// forget drops contents that no stage publishes or serves any more.
func (f *Follower) forget() {
	used := map[string]bool{}
	for _, held := range []map[string]*configv1.Resource{f.state.resources, f.state.lastGood} {
		for _, r := range held {
			used[r.GetStage().GetDeploymentHash()] = true
		}
	}
	for hash := range f.state.contents {
		if !used[hash] {
			delete(f.state.contents, hash)
		}
	}
}

func (f *Follower) report(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	_, err := f.c.Admin.Report(ctx, &configv1.ReportRequest{Follower: f.state.name, Role: f.c.Role, Epoch: f.state.epoch,
		Revision: f.state.revision, Stages: f.consumer.Report()})
	if status.Code(err) == codes.NotFound {
		return fmt.Errorf("this admin does not serve the stream: %w", err)
	}
	if err != nil && ctx.Err() == nil {
		f.c.Log.WarnContext(ctx, "report is not delivered", "error", err)
	}
	return nil
}

func newName() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return hex.EncodeToString(b[:])
}

// batch is what came since the last position.
type batch struct {
	welcome   *configv1.Welcome
	resources []*configv1.Resource
	contents  map[string][]byte
	partial   map[string][][]byte
	position  *configv1.Position
	// damaged holds what is wrong with contents that came; stages that publish them keep their last good one.
	damaged []error
}

var errChunks = errors.New("chunks of a content are out of order")

// add takes one event; done tells that a position ended the batch.
func (b *batch) add(event *configv1.FollowResponse) (done bool, err error) {
	switch e := event.Event.(type) {
	case *configv1.FollowResponse_Welcome:
		b.welcome = e.Welcome
	case *configv1.FollowResponse_Position:
		b.position = e.Position
		return true, nil
	case *configv1.FollowResponse_Resource:
		if c := e.Resource.GetContent(); c != nil {
			return false, b.chunk(c)
		}
		b.resources = append(b.resources, e.Resource)
	}
	return false, nil
}

func (b *batch) chunk(c *configv1.Content) error {
	parts := b.partial[c.Hash]
	if int(c.Index) != len(parts) {
		return fmt.Errorf("%w: %d of %s after %d", errChunks, c.Index, c.Hash, len(parts))
	}
	parts = append(parts, c.Data)
	b.partial[c.Hash] = parts
	if len(parts) < int(c.Total) {
		return nil
	}
	if b.contents == nil {
		b.contents = map[string][]byte{}
	}
	delete(b.partial, c.Hash)
	content, err := assemble(c.Hash, parts)
	if err != nil {
		b.damaged = append(b.damaged, err)
		return nil
	}
	b.contents[c.Hash] = content
	return nil
}
