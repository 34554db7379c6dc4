// Package plan turns what is published into the immutable form that requests run on: per API and stage the resource
// tree, the compiled methods and the facts of the stage. Current is one atomic load; a request keeps what it found there
// until its end.
//
// Stages compile one at a time: one that does not compile keeps its last good plan, and the reason is reported. The
// surprise: methods are compiled per content hash and shared by the stages that publish it; what differs between stages
// is in exchange.Scope.
package plan

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/core/routing"
	"github.com/limen-gateway/limen/core/usageplan"
	"github.com/limen-gateway/limen/platform/snapshots"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	wsconnv1 "github.com/limen-gateway/limen/proto/wsconn/v1"
	"github.com/limen-gateway/limen/services/edge/internal/connections"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
	"github.com/limen-gateway/limen/services/edge/internal/pipeline"
)

// Plan is all that is served at one moment. It is immutable.
type Plan struct {
	apis map[string]*api
}

type api struct {
	account string
	keys    *usageplan.Keys
	stages  map[string]*stage
	names   []string // of the stages, sorted
}

// stage is what one stage serves; content is nil while nothing ever compiled, and err then says why.
type stage struct {
	scope   *exchange.Scope
	content *content
	err     error
}

// content is a compiled deployment.
type content struct {
	tree     *routing.Tree
	methods  []*exchange.Method
	routes   *pipeline.Routes // of a WebSocket API, instead of tree and methods
	disabled bool             // the default endpoint
	scope    exchange.Scope
}

// Config is what New needs.
type Config struct {
	Services *pipeline.Services
	// Nodes take WebSocket connections; nil where none does. Disconnect runs $disconnect of one that no node opened after all.
	// Connections answers the @connections API.
	Nodes       Nodes
	Disconnect  func(context.Context, *wsconnv1.Handoff)
	Connections *connections.API
	// Suffixes are the domains beside AWS's and localhost under which {api}.execute-api.{region} names an API.
	Suffixes []string
	Logger   *slog.Logger
}

// Plans follows the published configuration and holds the current plan. Apply and Report are called by one goroutine,
// the rest is safe for concurrent use.
type Plans struct {
	cfg     Config
	current atomic.Pointer[Plan]
	number  atomic.Int32

	mu       sync.Mutex
	stages   map[string]*published
	contents map[string]*content
	keys     *keyring
}

// published is the newest state of a stage and what became of it.
type published struct {
	message *snapshotv1.Stage
	at      int64 // revision of message
	served  *stage
	hash    string // of the content that is served
	err     error
}

// New makes an empty plan.
func New(cfg Config) *Plans {
	p := &Plans{cfg: cfg, stages: map[string]*published{}, contents: map[string]*content{}, keys: newKeyring()}
	p.current.Store(&Plan{})
	return p
}

// Current is the plan of this moment.
func (p *Plans) Current() *Plan { return p.current.Load() }

// Number is the number of this edge, which admin gave.
func (p *Plans) Number() uint16 { return uint16(p.number.Load()) }

// Apply takes over a change of the published configuration and swaps the plan once. It returns the keys of the stages
// whose newest state does not compile.
func (p *Plans) Apply(u snapshots.Update) (failing []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.number.Store(u.Number)
	for _, r := range u.LastGood {
		p.change(r.GetKey(), r.GetStage(), r.GetRevision())
		p.compile(r.GetKey(), p.stages[r.GetKey()], u.Content)
	}
	named := map[string]bool{}
	for _, r := range u.Changed {
		if message := r.GetStage(); message.GetStage() != nil || message.GetApiStage() != nil {
			named[r.GetKey()] = true
			p.change(r.GetKey(), message, r.GetRevision())
		}
	}
	for _, key := range u.Deleted {
		delete(p.stages, key)
	}
	for key, s := range p.stages {
		if u.Full && !named[key] {
			delete(p.stages, key)
			continue
		}
		if s.served == nil || s.err != nil || named[key] {
			p.compile(key, s, u.Content)
		}
		if s.err != nil {
			failing = append(failing, key)
		}
	}
	p.keys.apply(u)
	p.forget()
	p.current.Store(p.assemble())
	return failing
}

func (p *Plans) change(key string, message *snapshotv1.Stage, revision int64) {
	if s := p.stages[key]; s != nil {
		s.message, s.at = message, revision
		return
	}
	p.stages[key] = &published{message: message, at: revision}
}

// compile tries to serve the newest state of a stage; what cannot be compiled leaves the last good plan in force.
func (p *Plans) compile(key string, s *published, find func(string) ([]byte, bool)) {
	hash := s.message.GetDeploymentHash()
	c, err := p.content(hash, find)
	if err == nil {
		scope := scopeOf(s.message, c)
		scope.Revision = s.at
		s.served, s.hash, s.err = &stage{scope: scope, content: c}, hash, nil
		return
	}
	if s.err == nil || s.err.Error() != err.Error() {
		p.cfg.Logger.Error("a stage does not compile; its last good plan stays in force", "stage", key, "deployment_hash", hash, "error", err)
	}
	s.err = err
	if s.served == nil || s.served.content == nil {
		s.served = &stage{err: err}
	}
}

var errAbsent = errors.New("the content of the deployment has not arrived")

// content compiles a deployment once for all stages that publish it.
func (p *Plans) content(hash string, find func(string) ([]byte, bool)) (*content, error) {
	if c := p.contents[hash]; c != nil {
		return c, nil
	}
	if find == nil {
		return nil, errAbsent
	}
	b, ok := find(hash)
	if !ok {
		return nil, errAbsent
	}
	var d snapshotv1.Deployment
	if err := proto.Unmarshal(b, &d); err != nil {
		return nil, fmt.Errorf("the content of the deployment cannot be read: %w", err)
	}
	c, err := compileDeployment(&d, p.cfg.Services)
	if err != nil {
		return nil, err
	}
	p.contents[hash] = c
	return c, nil
}

// forget drops contents that no stage serves.
func (p *Plans) forget() {
	used := map[string]bool{}
	for _, s := range p.stages {
		used[s.hash] = true
	}
	for hash := range p.contents {
		if !used[hash] {
			delete(p.contents, hash)
		}
	}
}

func (p *Plans) assemble() *Plan {
	plan := &Plan{apis: map[string]*api{}}
	for _, s := range p.stages {
		id := s.message.GetApiId()
		a := plan.apis[id]
		if a == nil {
			a = &api{account: s.message.GetAccount(), keys: p.keys.scopes[keyScope(s.message.GetAccount(), s.message.GetRegion())], stages: map[string]*stage{}}
			plan.apis[id] = a
		}
		name := stageName(s.message)
		a.stages[name] = s.served
		a.names = append(a.names, name)
	}
	for _, a := range plan.apis {
		slices.Sort(a.names)
	}
	return plan
}

// Report tells per stage which content is served and why a newer one is not.
func (p *Plans) Report() []*configv1.StageReport {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]*configv1.StageReport, 0, len(p.stages))
	for _, s := range p.stages {
		r := &configv1.StageReport{
			Account: s.message.GetAccount(), Region: s.message.GetRegion(), ApiId: s.message.GetApiId(),
			Stage: stageName(s.message), DeploymentHash: s.hash,
		}
		if s.err != nil {
			r.Error = s.err.Error()
		}
		out = append(out, r)
	}
	return out
}
