// Package host finds the function an ARN names and has it run: by a pool of processes, or by the HTTP target it was
// declared with. It holds the life of the whole service.
//
// Lock order: the host's, then a pool's.
package host

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/limen-gateway/limen/core/arn"
	"github.com/limen-gateway/limen/platform/functions"
	"github.com/limen-gateway/limen/services/functions/internal/pool"
	"github.com/limen-gateway/limen/services/functions/internal/runtime"
)

// maxQueued bounds the asynchronous invocations that wait for a slot; beyond it they are throttled too.
const maxQueued = 1000

// Config is what the service's Config says, with defaults filled in.
type Config struct {
	Region, Account string
	Dir             string
	IdleTimeout     time.Duration
	InitTimeout     time.Duration
	Log             *slog.Logger
	Traces          trace.TracerProvider // nil records nothing
	NewID           func() string
	Observe         func(function, result string, took time.Duration) // ok, error or throttled; 0 for one that never started
}

// Host holds the declared functions. Safe for concurrent use.
type Host struct {
	config  Config
	starter *pool.Starter
	group   sync.WaitGroup // of invocations and processes
	remote  *functions.Client
	queued  chan struct{}
	ready   chan struct{}

	mu      sync.Mutex
	pools   map[key]*pool.Pool
	running context.Context // nil before Run and after its end
}

// key finds a function; an empty region or account stands for all of them.
type key struct{ region, account, name string }

// New makes a host without functions. It starts nothing.
func New(c Config) *Host {
	return &Host{
		config: c, starter: pool.NewStarter(), remote: functions.NewClient(nil), queued: make(chan struct{}, maxQueued),
		ready: make(chan struct{}), pools: map[key]*pool.Pool{},
	}
}

// Declare adds a function, or replaces the one of that name: invocations under way end as they began.
func (h *Host) Declare(f pool.Function) error {
	if f.Account == "" {
		f.Account = h.config.Account
	}
	p, err := pool.New(f, pool.Shared{
		Log: h.config.Log, Starter: h.starter, Group: &h.group, Dir: h.config.Dir, Region: h.config.Region, InitTimeout: h.config.InitTimeout,
	})
	if err != nil {
		return err
	}
	k := key{f.Region, f.Account, f.Name}
	h.mu.Lock()
	old := h.pools[k]
	h.pools[k] = p
	h.mu.Unlock()
	if old != nil {
		old.Retire()
	}
	return nil
}

// Forget takes a function away; invocations under way end as they began.
func (h *Host) Forget(region, account, name string) {
	k := key{region, account, name}
	h.mu.Lock()
	old := h.pools[k]
	delete(h.pools, k)
	h.mu.Unlock()
	if old != nil {
		old.Retire()
	}
}

// Ready is closed when invocations are taken.
func (h *Host) Ready() <-chan struct{} { return h.ready }

// Run takes invocations until the context ends; when it returns no process of any function is left.
func (h *Host) Run(ctx context.Context) error {
	work, stop := context.WithCancel(context.Background())
	defer stop()
	starting, stopStarter := context.WithCancel(context.Background())
	defer stopStarter()
	var starter sync.WaitGroup
	starter.Go(func() { h.starter.Run(starting) })

	h.mu.Lock()
	h.running = work
	h.mu.Unlock()
	close(h.ready)

	h.reap(ctx)

	h.mu.Lock()
	h.running = nil
	stop()
	for _, p := range h.pools {
		p.Kill()
	}
	h.mu.Unlock()
	h.group.Wait()
	// Last: a child whose starting thread ends is killed, and until here some may have been starting.
	stopStarter()
	starter.Wait()
	h.remote.Close()
	return nil
}

// reap ends idle processes until the context ends.
func (h *Host) reap(ctx context.Context) {
	tick := time.NewTicker(max(h.config.IdleTimeout/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			h.mu.Lock()
			for _, p := range h.pools {
				p.Reap(now.Add(-h.config.IdleTimeout))
			}
			h.mu.Unlock()
		case <-ctx.Done():
			return
		}
	}
}

var errNotRunning = errors.New("the function host is not running")

// spawn runs f beside the caller; Run waits for it. It refuses when the host does not run.
func (h *Host) spawn(f func(ctx context.Context)) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running == nil {
		return &functions.Error{Kind: functions.Unreachable, Cause: errNotRunning}
	}
	ctx := h.running
	h.group.Go(func() { f(ctx) })
	return nil
}

func (h *Host) isRunning() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running != nil
}

// target is a function with the version a qualifier led to.
type target struct {
	pool    *pool.Pool
	version string
	code    pool.Code
}

func (h *Host) find(f arn.Function) (target, error) {
	h.mu.Lock()
	var p *pool.Pool
	for _, k := range [...]key{{f.Region, f.Account, f.Name}, {"", f.Account, f.Name}, {f.Region, "", f.Name}, {"", "", f.Name}} {
		if p = h.pools[k]; p != nil {
			break
		}
	}
	h.mu.Unlock()
	if p == nil {
		return target{}, functions.NotFound(f)
	}
	version, code, ok := p.Function().Resolve(f.Qualifier)
	if !ok {
		return target{}, functions.NotFound(f)
	}
	return target{p, version, code}, nil
}

// Invoke implements functions.Host.
func (h *Host) Invoke(ctx context.Context, f arn.Function, payload []byte, o functions.Options) (functions.Result, error) {
	id := h.config.NewID()
	span := h.openSpan(ctx, f, &o)
	result, err := h.invokeAs(ctx, f, payload, o, id)
	closeSpan(span, result, err)
	return result, err
}

// invokeAs invokes under a request id.
func (h *Host) invokeAs(ctx context.Context, f arn.Function, payload []byte, o functions.Options, id string) (functions.Result, error) {
	for {
		t, err := h.find(f)
		if err != nil {
			return functions.Result{}, withID(err, id)
		}
		r, err := h.invoke(ctx, t, f, payload, o, id)
		if errors.Is(err, pool.ErrRetired) && h.isRunning() {
			continue // declared anew since it was found
		}
		return r, withID(err, id)
	}
}

// withID puts the request id into an error.
func withID(err error, id string) error {
	var e *functions.Error
	if errors.As(err, &e) && e.RequestID == "" {
		e.RequestID = id
	}
	return err
}

func (h *Host) invoke(ctx context.Context, t target, f arn.Function, payload []byte, o functions.Options, id string) (functions.Result, error) {
	if t.code.URL != "" {
		r, err := h.remote.Post(ctx, t.code.URL, payload, o)
		if r.ExecutedVersion == "" {
			r.ExecutedVersion = t.version
		}
		if r.RequestID == "" {
			r.RequestID = id
		}
		return r, err
	}
	client, err := base64.StdEncoding.DecodeString(o.ClientContext)
	if err != nil {
		return functions.Result{}, &functions.Error{Kind: functions.Refused, Status: 400, Type: "InvalidRequestContentException", Message: "Client context must be a valid Base64-encoded JSON object.", Cause: err}
	}
	if len(payload) == 0 {
		payload = []byte("{}") // Lambda's own default
	}
	call := &pool.Call{Version: t.version, Code: t.code, Invocation: runtime.Invocation{
		RequestID: id, FunctionARN: f.String(), TraceID: o.TraceID, ClientContext: string(client), Payload: payload,
	}}
	switch o.Type {
	case functions.DryRun:
		return functions.Result{Status: 204, RequestID: id, ExecutedVersion: t.version}, nil
	case functions.Event:
		return h.enqueue(t, f, call)
	case functions.RequestResponse, "":
		return h.await(ctx, t, call, o.LogTail)
	}
	return functions.Result{}, &functions.Error{Kind: functions.Refused, Status: 400, Type: "InvalidParameterValueException", Message: fmt.Sprintf("Unknown invocation type: %s", o.Type)}
}

// Processes tells how many processes each function has.
func (h *Host) Processes(count func(function string, n int)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for k, p := range h.pools {
		count(k.name, p.Processes())
	}
}

// observe counts an answer.
func (h *Host) observe(t target, a pool.Answer) {
	result := "ok"
	if a.Failed {
		result = "error"
	}
	h.config.Observe(t.pool.Function().Name, result, a.Took)
}

// await runs a call and waits for its answer. When the caller's time is over first, the function runs on without it.
func (h *Host) await(ctx context.Context, t target, call *pool.Call, tail bool) (functions.Result, error) {
	switch err := t.pool.Reserve(ctx, false); {
	case errors.Is(err, pool.ErrThrottled):
		h.config.Observe(t.pool.Function().Name, "throttled", 0)
		return functions.Result{}, functions.TooMany()
	case err != nil:
		return functions.Result{}, err
	}
	answers := make(chan pool.Answer, 1)
	err := h.spawn(func(work context.Context) {
		t.pool.Invoke(work, call, func(a pool.Answer) {
			t.pool.Release()
			h.observe(t, a)
			answers <- a
		})
	})
	if err != nil {
		t.pool.Release()
		return functions.Result{}, err
	}
	select {
	case a := <-answers:
		r := functions.Result{Status: 200, Payload: a.Payload, RequestID: call.RequestID, ExecutedVersion: call.Version}
		if a.Failed {
			r.FunctionError = "Unhandled"
		}
		if tail {
			r.Log = a.Log
		}
		return r, nil
	case <-ctx.Done():
		return functions.Result{}, functions.Overdue(ctx)
	}
}

// enqueue runs a call without anybody waiting. It is started once a slot is free and tried once.
func (h *Host) enqueue(t target, f arn.Function, call *pool.Call) (functions.Result, error) {
	select {
	case h.queued <- struct{}{}:
	default:
		return functions.Result{}, functions.TooMany()
	}
	result := functions.Result{Status: 202, RequestID: call.RequestID}
	err := h.spawn(func(work context.Context) {
		t, err := h.reserve(work, t, f)
		<-h.queued
		if err != nil {
			h.config.Log.Error("asynchronous invocation dropped", "function", f.Name, "request_id", call.RequestID, "error", err)
			return
		}
		call.Version, call.Code = t.version, t.code
		t.pool.Invoke(work, call, func(a pool.Answer) {
			h.observe(t, a)
			if a.Failed {
				h.config.Log.Error("asynchronous invocation failed", "function", f.Name, "request_id", call.RequestID, "payload", string(a.Payload))
			}
			t.pool.Release()
		})
	})
	if err != nil {
		<-h.queued
		return functions.Result{}, err
	}
	return result, nil
}

// reserve waits for a slot of a function, through any number of declarations.
func (h *Host) reserve(work context.Context, t target, f arn.Function) (target, error) {
	for {
		err := t.pool.Reserve(work, true)
		if !errors.Is(err, pool.ErrRetired) || work.Err() != nil {
			return t, err
		}
		if t, err = h.find(f); err != nil {
			return t, err
		}
		if t.code.URL != "" {
			return t, fmt.Errorf("the function has become an HTTP target: %w", pool.ErrRetired)
		}
	}
}
