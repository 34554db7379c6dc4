// Package pool runs the processes of one function: it starts them, hands each one invocation at a time, and ends them
// when they are idle, out of date, too slow or in the way.
//
// It does not know how a function was found or who called it (internal/host), nor how a process fetches its work
// (internal/runtime).
//
// The surprise: a slot and a process are two things. A slot is the right to run (reservedConcurrency of them, and no
// waiting: beyond that is 429). A process that has answered gives its slot back at once but cannot be used again before it
// asks for more work, which takes a moment; so whoever has a slot may have to wait that moment.
package pool

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
)

var (
	// ErrThrottled: every slot is taken.
	ErrThrottled = errors.New("reserved concurrency is used up")
	// ErrRetired: the function was declared anew; ask its new pool.
	ErrRetired = errors.New("the function was declared anew")
)

// How long a caller waits for a process of somebody else before it starts another one.
const (
	// settleWait is for one that has just answered.
	settleWait = 10 * time.Millisecond
	// initialiseWait is for one that initialises. Callers that come all at once to a host without processes would else start
	// as many, which on few cores keep each other from being the first that is ready.
	initialiseWait = 250 * time.Millisecond
)

// Shared is what all pools of a host have in common.
type Shared struct {
	Log         *slog.Logger
	Starter     *Starter
	Group       *sync.WaitGroup // of every goroutine a pool starts; waited for by the host's Run
	Dir         string          // of functions
	Region      string          // told to processes
	InitTimeout time.Duration   // from start to the first request for work
}

// Pool is one function's processes. Safe for concurrent use.
type Pool struct {
	function    Function
	log         *slog.Logger
	starter     *Starter
	group       *sync.WaitGroup
	region      string
	initTimeout time.Duration
	// initialiseWait is as the constant says; tests wait longer.
	initialiseWait time.Duration

	mu        sync.Mutex
	changed   chan struct{} // closed and replaced when anything below changes
	slots     int           // taken
	processes map[*process]struct{}
	starting  int
	idle      []*process // asked for work; the last one is the warmest
	// By version: not asked yet since they were started, and since they answered.
	initialising, settling map[string]int
	retired                bool
}

// New checks a function and makes its pool, without any process.
func New(f Function, s Shared) (*Pool, error) {
	f, err := f.normal(s.Dir)
	if err != nil {
		return nil, err
	}
	region := f.Region
	if region == "" {
		region = s.Region
	}
	return &Pool{
		function: f, log: s.Log, starter: s.Starter, group: s.Group, region: region, initTimeout: s.InitTimeout, initialiseWait: initialiseWait,
		changed: make(chan struct{}), processes: map[*process]struct{}{}, initialising: map[string]int{}, settling: map[string]int{},
	}, nil
}

// Function is the function with its defaults filled in. Not to be changed.
func (p *Pool) Function() *Function { return &p.function }

// Reserve takes a slot. With wait it waits for one until the context ends; otherwise none is ErrThrottled.
func (p *Pool) Reserve(ctx context.Context, wait bool) error {
	for {
		p.mu.Lock()
		changed := p.changed
		switch {
		case p.retired:
			p.mu.Unlock()
			return ErrRetired
		case p.slots < p.function.ReservedConcurrency:
			p.slots++
			p.mu.Unlock()
			return nil
		}
		p.mu.Unlock()
		if !wait {
			return ErrThrottled
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Release gives a slot back.
func (p *Pool) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.slots--
	p.broadcast()
}

// broadcast wakes whoever waits for a change. Called with the lock held.
func (p *Pool) broadcast() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// obtain finds an idle process of a version or starts one; the caller holds a slot. New processes must still initialise.
func (p *Pool) obtain(ctx context.Context, version string, code Code) (pr *process, isNew bool, err error) {
	began := time.Now()
	for {
		p.mu.Lock()
		if pr := p.takeIdle(version, code.Command); pr != nil {
			p.mu.Unlock()
			return pr, false, nil
		}
		changed := p.changed
		room := len(p.processes)+p.starting < p.function.ReservedConcurrency
		wait := p.patience(version) - time.Since(began)
		if room && wait <= 0 {
			p.starting++
			p.initialising[version]++
			p.mu.Unlock()
			pr, err := p.launch(version, code)
			return pr, true, err
		}
		if !room {
			p.evict()
		}
		p.mu.Unlock()
		timer := time.NewTimer(max(wait, settleWait))
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, false, ctx.Err()
		}
		timer.Stop()
	}
}

// patience is how long a process of a version may still be expected of somebody else. Called with the lock held.
func (p *Pool) patience(version string) time.Duration {
	switch {
	case p.settling[version] > 0:
		return settleWait
	case p.initialising[version] > 0:
		return p.initialiseWait
	}
	return 0
}

// takeIdle takes the warmest idle process of a version. Those whose program has changed are ended on the way. Called with
// the lock held.
func (p *Pool) takeIdle(version, command string) *process {
	for i := len(p.idle) - 1; i >= 0; i-- {
		pr := p.idle[i]
		if pr.version != version {
			continue
		}
		p.idle = slices.Delete(p.idle, i, i+1)
		if pr.fresh(command) {
			return pr
		}
		pr.kill()
	}
	return nil
}

// evict ends the process that has been idle longest, to make room for another version's. Called with the lock held.
func (p *Pool) evict() {
	if len(p.idle) > 0 {
		pr := p.idle[0]
		p.idle = slices.Delete(p.idle, 0, 1)
		pr.kill()
	}
}

func (p *Pool) launch(version string, code Code) (*process, error) {
	pr, err := p.start(version, code)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starting--
	defer p.broadcast()
	if err != nil {
		p.initialising[version]--
		return nil, err
	}
	select {
	case <-pr.exited:
		// Its watcher has passed remove already.
	default:
		p.processes[pr] = struct{}{}
	}
	return pr, nil
}

// remove forgets a process that has ended.
func (p *Pool) remove(pr *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.processes, pr)
	if i := slices.Index(p.idle, pr); i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
	}
	p.broadcast()
}

// initialised notes that a process has asked for work, or never will.
func (p *Pool) initialised(version string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.initialising[version]--
	p.broadcast()
}

// answered notes that a process has done its work but not asked for more.
func (p *Pool) answered(pr *process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settling[pr.version]++
}

// settled ends answered: the process is idle if it asked for work, and lost otherwise.
func (p *Pool) settled(pr *process, asked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settling[pr.version]--
	defer p.broadcast()
	switch {
	case !asked:
	case p.retired:
		pr.kill()
	default:
		pr.idle = time.Now()
		p.idle = append(p.idle, pr)
	}
}

// Reap ends processes that have been idle since before a moment.
func (p *Pool) Reap(before time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = slices.DeleteFunc(p.idle, func(pr *process) bool {
		old := pr.idle.Before(before)
		if old {
			pr.kill()
		}
		return old
	})
}

// Processes is how many there are.
func (p *Pool) Processes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.processes)
}

// Retire ends the pool: idle processes now, the others when they have answered. Reserve fails from now on.
func (p *Pool) Retire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.retired = true
	for _, pr := range p.idle {
		pr.kill()
	}
	p.idle = nil
	p.broadcast()
}

// Kill ends the pool and every process at once.
func (p *Pool) Kill() {
	p.Retire()
	p.mu.Lock()
	defer p.mu.Unlock()
	for pr := range p.processes {
		pr.kill()
	}
}

func (p *Pool) logLine(version, requestID, line string) {
	p.log.Info("function output", "function", p.function.Name, "version", version, "request_id", requestID, "line", line)
}
