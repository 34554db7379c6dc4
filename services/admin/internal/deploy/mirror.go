package deploy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"

	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	storev1 "github.com/limen-gateway/limen/proto/store/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// mirror is the published state as this admin sees it: stages with the hash of their content, and functions, each with
// its revision. It follows etcd and tells followers that something changed. Contents stay in etcd; a follower's stream
// reads them when it sends them.
type mirror struct {
	client draft.Client
	log    *slog.Logger
	// history names the history of the store; renew names a new one, unless another admin has done so.
	history func(context.Context) (string, error)
	renew   func(ctx context.Context, old string) (string, error)

	// mu guards all below.
	mu          sync.Mutex
	ready       bool
	epoch       string // the history that revision counts in
	revision    int64
	resources   map[string]*configv1.Resource
	deployments map[string]deployed // by the stored key of the deployment
	stages      map[string]stored   // by the stored key of the stage
	usage       usage
	gone        map[string]int64 // key of a resource → revision of its deletion
	floor       int64            // deletions up to here are forgotten: older followers start over
	changed     chan struct{}    // closed, and replaced, with every change
}

type deployed struct {
	hash     string
	revision int64
}

// stored is a stage of either family as it is published, all but the hash of its content.
type stored struct {
	stage      *snapshotv1.Stage
	deployment string // "" for a stage that publishes nothing
	revision   int64
}

// maxGone is how many deletions are remembered for followers that resume.
const maxGone = 10_000

// retryDelay is how long the mirror waits before it reads etcd anew.
const retryDelay = time.Second

// checkInterval is how often the mirror looks whether the store is still the same.
const checkInterval = 2 * time.Second

func newMirror(client *clientv3.Client, log *slog.Logger) *mirror {
	m := &mirror{client: draft.Client{Client: client}, log: log}
	m.reset(0)
	m.changed = make(chan struct{})
	return m
}

func (m *mirror) reset(revision int64) {
	m.revision, m.floor = revision, revision
	m.resources, m.deployments = map[string]*configv1.Resource{}, map[string]deployed{}
	m.stages, m.gone, m.usage = map[string]stored{}, map[string]int64{}, newUsage()
}

// run follows etcd until ctx ends. What it knows stays served while etcd is away.
func (m *mirror) run(ctx context.Context) error {
	for ctx.Err() == nil {
		err := m.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		m.log.WarnContext(ctx, "configuration store lost", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(retryDelay):
		}
	}
	return nil
}

// follow reads the whole state, then watches for changes; it returns when the watch breaks.
func (m *mirror) follow(ctx context.Context) error {
	revision, err := m.load(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	watch := m.client.Watch(ctx, draft.Root, clientv3.WithPrefix(), clientv3.WithRev(revision+1), clientv3.WithProgressNotify())
	check := time.NewTicker(checkInterval)
	defer check.Stop()
	for {
		select {
		case response, open := <-watch:
			if !open {
				return errors.New("watch ended")
			}
			if err := response.Err(); err != nil {
				return fmt.Errorf("watch: %w", err)
			}
			m.apply(response)
		case <-check.C:
			if err := m.check(ctx); err != nil {
				return err
			}
		}
	}
}

// errRestored tells that the store goes on from another state than the one that was followed.
var errRestored = errors.New("the store was restored")

// check looks whether the store is still the one that is followed: a watch that was resumed on one restored from a backup
// waits for revisions that are long past.
func (m *mirror) check(ctx context.Context) error {
	epoch, err := m.history(ctx)
	if err != nil {
		return nil // the store is away, which is no restoration
	}
	res, err := m.client.Get(ctx, draft.Root, clientv3.WithCountOnly())
	if err != nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if epoch != m.epoch || res.Header.Revision < m.revision {
		return errRestored
	}
	return nil
}

// identify names the history of a store that is at a revision: a new one when it has gone back.
func (m *mirror) identify(ctx context.Context, revision int64) (string, error) {
	epoch, err := m.history(ctx)
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	restored := m.ready && epoch == m.epoch && revision < m.revision
	m.mu.Unlock()
	if restored {
		return m.renew(ctx, epoch)
	}
	return epoch, nil
}

// load reads the keys of the installation, then the records that are published.
func (m *mirror) load(ctx context.Context) (int64, error) {
	keys, err := m.client.Get(ctx, draft.Root, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return 0, fmt.Errorf("read published state: %w", err)
	}
	revision := keys.Header.Revision
	var published []string
	for _, kv := range keys.Kvs {
		if p, ok := draft.ParseKey(string(kv.Key)); ok && isPublished(p) {
			published = append(published, string(kv.Key))
		}
	}
	records, err := m.read(ctx, published, revision)
	if err != nil {
		return 0, fmt.Errorf("read published state: %w", err)
	}
	epoch, err := m.identify(ctx, revision)
	if err != nil {
		return 0, fmt.Errorf("read published state: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.reset(revision)
	m.epoch = epoch
	for key, r := range records {
		m.put(key, r.value, r.revision)
	}
	m.publishUsage()
	m.ready = true
	m.announce()
	return revision, nil
}

type record struct {
	value    []byte
	revision int64
}

// readAtOnce is how many records one question to etcd asks for; a transaction holds 128 at most.
const readAtOnce = 100

// read reads the records of keys as they were at a revision.
func (m *mirror) read(ctx context.Context, keys []string, revision int64) (map[string]record, error) {
	records := make(map[string]record, len(keys))
	for chunk := range slices.Chunk(keys, readAtOnce) {
		ops := make([]clientv3.Op, len(chunk))
		for i, key := range chunk {
			ops[i] = clientv3.OpGet(key, clientv3.WithRev(revision))
		}
		res, err := m.client.Txn(ctx).Then(ops...).Commit()
		if err != nil {
			return nil, err
		}
		for _, r := range res.Responses {
			for _, kv := range r.GetResponseRange().Kvs {
				records[string(kv.Key)] = record{kv.Value, kv.ModRevision}
			}
		}
	}
	return records, nil
}

func isPublished(p draft.Parsed) bool {
	switch p.Segments[0] {
	case draft.Stages, draft.Deployments, draft.PlanKeys:
		return len(p.Segments) == 3
	case draft.Functions, draft.APIKeys, draft.KeyValues, draft.UsagePlans:
		return len(p.Segments) == 2
	}
	return false
}

func (m *mirror) apply(response clientv3.WatchResponse) {
	m.mu.Lock()
	defer m.mu.Unlock()
	changed := false
	for _, event := range response.Events {
		key := string(event.Kv.Key)
		p, ok := draft.ParseKey(key)
		changed = changed || ok
		if !ok || !isPublished(p) {
			continue
		}
		if event.Type == clientv3.EventTypeDelete {
			m.remove(key, event.Kv.ModRevision)
		} else {
			m.put(key, event.Kv.Value, event.Kv.ModRevision)
		}
	}
	m.publishUsage()
	m.revision = max(m.revision, response.Header.Revision)
	// The books about followers are kept beside the configuration. A follower that were told of its own report would
	// report again, and so on for ever.
	if changed {
		m.announce()
	}
}

// announce wakes the followers; the caller holds mu.
func (m *mirror) announce() {
	close(m.changed)
	m.changed = make(chan struct{})
}

// put takes over a stored record. A record that does not decode is logged and leaves what was there.
func (m *mirror) put(key string, value []byte, revision int64) {
	p, _ := draft.ParseKey(key)
	var err error
	switch p.Segments[0] {
	case draft.Deployments:
		err = m.putDeployment(key, p, value, revision)
	case draft.Stages:
		err = m.putStage(key, p, value, revision)
	case draft.Functions:
		err = m.putFunction(p, value, revision)
	default:
		err = m.usage.put(key, p, value, revision)
	}
	if err != nil {
		m.log.Error("published record is damaged", "key", key, "error", err)
	}
}

func (m *mirror) putDeployment(key string, p draft.Parsed, value []byte, revision int64) error {
	r, err := draft.Decode(value, nil)
	if err != nil {
		return err
	}
	if m.deployments[key].hash == r.ContentHash {
		return nil // a new description changes nothing that is served
	}
	m.deployments[key] = deployed{r.ContentHash, revision}
	for stageKey, s := range m.stages {
		if sp, _ := draft.ParseKey(stageKey); sp.Region == p.Region && sp.Account == p.Account && sp.Segments[1] == p.Segments[1] && s.deployment == p.Segments[2] {
			m.publishStage(sp, s, revision)
		}
	}
	return nil
}

func (m *mirror) putStage(key string, p draft.Parsed, value []byte, revision int64) error {
	r, err := draft.Decode(value, nil)
	if err != nil {
		return err
	}
	stage, deployment, err := StageOf(r)
	if err != nil {
		return err
	}
	stage.Account, stage.Region, stage.ApiId = p.Account, p.Region, p.Segments[1]
	s := stored{stage, deployment, revision}
	m.stages[key] = s
	m.publishStage(p, s, revision)
	return nil
}

// StageOf reads the record of a stage of either family: the live settings, and the id of its deployment, "" when it has none.
func StageOf(r *storev1.Record) (*snapshotv1.Stage, string, error) {
	noun, err := r.Noun.UnmarshalNew()
	if err != nil {
		return nil, "", fmt.Errorf("stored stage: %w", err)
	}
	s := &snapshotv1.Stage{CacheEpoch: r.CacheEpoch, AuthorizerEpoch: r.AuthorizerEpoch}
	switch noun := noun.(type) {
	case *apigatewayv1.Stage:
		s.Stage = noun
		return s, noun.GetDeploymentId(), nil
	case *apigatewayv2v1.Stage:
		s.ApiStage = noun
		return s, noun.GetDeploymentId(), nil
	}
	return nil, "", fmt.Errorf("stored stage: it is a %s", r.Noun.TypeUrl)
}

// publishStage makes the resource of a stage, once its deployment is known: both come in one transaction, in any order.
func (m *mirror) publishStage(p draft.Parsed, s stored, revision int64) {
	if s.deployment == "" {
		m.forget(resourceKey(p), revision)
		return
	}
	scope := draft.Scope{Account: p.Account, Region: p.Region}
	d, ok := m.deployments[scope.Key(draft.Deployments, p.Segments[1], s.deployment)]
	if !ok {
		return
	}
	stage := proto.Clone(s.stage).(*snapshotv1.Stage)
	stage.DeploymentHash = d.hash
	m.set(&configv1.Resource{Key: resourceKey(p), Revision: revision, Body: &configv1.Resource_Stage{Stage: stage}})
}

func (m *mirror) putFunction(p draft.Parsed, value []byte, revision int64) error {
	f := &snapshotv1.Function{}
	if _, err := draft.Decode(value, f); err != nil {
		return err
	}
	m.set(&configv1.Resource{Key: resourceKey(p), Revision: revision, Body: &configv1.Resource_Function{Function: f}})
	return nil
}

// resourceKey is kind/region/account/…, which followers treat as opaque.
func resourceKey(p draft.Parsed) string {
	return strings.Join(append([]string{p.Segments[0], p.Region, p.Account}, p.Segments[1:]...), "/")
}

func (m *mirror) set(r *configv1.Resource) {
	m.resources[r.Key] = r
	delete(m.gone, r.Key)
}

func (m *mirror) remove(key string, revision int64) {
	p, _ := draft.ParseKey(key)
	switch {
	case p.Segments[0] == draft.Deployments:
		delete(m.deployments, key)
		return
	case isUsage(p.Segments[0]):
		m.usage.remove(key, p, revision)
		return
	}
	delete(m.stages, key)
	m.forget(resourceKey(p), revision)
}

// forget takes a resource out of what is published.
func (m *mirror) forget(name string, revision int64) {
	if m.resources[name] == nil {
		return
	}
	delete(m.resources, name)
	m.gone[name] = revision
	if len(m.gone) > maxGone {
		m.gone, m.floor = map[string]int64{}, revision
	}
}

// view is what a follower has to hear of to come from a revision to the present one.
type view struct {
	epoch    string
	revision int64 // the present one
	// full tells that changes are the whole state: the follower must start over.
	full    bool
	changes []*configv1.Resource
	// published holds the hashes of all contents that are published at this revision: what a follower keeps of them.
	published map[string]bool
	wait      <-chan struct{} // closed with the next change
}

// since makes the view of a follower that knows a revision of an epoch.
func (m *mirror) since(epoch string, revision int64) view {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := view{epoch: m.epoch, revision: m.revision, published: map[string]bool{}, wait: m.changed}
	v.full = epoch != m.epoch || revision < m.floor || revision > m.revision
	if v.full {
		revision = 0
	}
	for _, r := range m.resources {
		if stage := r.GetStage(); stage != nil {
			v.published[stage.DeploymentHash] = true
		}
		if r.Revision > revision {
			v.changes = append(v.changes, proto.Clone(r).(*configv1.Resource))
		}
	}
	if !v.full {
		for key, at := range m.gone {
			if at > revision {
				v.changes = append(v.changes, &configv1.Resource{Key: key, Revision: at, Deleted: true})
			}
		}
	}
	return v
}

// isReady tells whether the state was read once.
func (m *mirror) isReady() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.ready
}

func (m *mirror) wait() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.changed
}
