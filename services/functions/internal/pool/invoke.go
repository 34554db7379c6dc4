package pool

import (
	"context"
	"fmt"
	"time"

	"github.com/limen-gateway/limen/services/functions/internal/runtime"
)

// Call is one invocation of a version of the pool's function.
type Call struct {
	runtime.Invocation // without a deadline, which follows from the function's timeout

	Version string
	Code    Code
}

// Answer is a function's answer as Lambda gives it.
type Answer struct {
	Payload []byte
	Failed  bool   // X-Amz-Function-Error
	Log     []byte // the last 4 KB
	Took    time.Duration
}

// maxAttempts is how many processes may die before they fetch a call, until that is the call's outcome.
const maxAttempts = 3

// Invoke runs a call to its end and hands its answer to deliver, exactly once and as early as possible; it returns when
// the process is free or gone. The caller holds a slot, which deliver may give back. The context is the host's, not the
// caller's: as in Lambda, a function runs on when nobody waits for it any more.
func (p *Pool) Invoke(ctx context.Context, c *Call, deliver func(Answer)) {
	for attempt := 1; ; attempt++ {
		pr, isNew, err := p.obtain(ctx, c.Version, c.Code)
		if err != nil {
			deliver(p.notStarted(c, err))
			return
		}
		if isNew {
			failed := p.initialise(ctx, pr, c.RequestID)
			p.initialised(c.Version)
			if failed != nil {
				pr.kill()
				deliver(Answer{Payload: failed, Failed: true, Log: pr.out.end("")})
				return
			}
		}
		if p.run(ctx, pr, c, deliver, attempt < maxAttempts) {
			return
		}
	}
}

func (p *Pool) notStarted(c *Call, err error) Answer {
	p.log.Error("function not started", "function", p.function.Name, "version", c.Version, "request_id", c.RequestID, "error", err)
	return Answer{Payload: failure("Runtime.InvalidEntrypoint", "RequestId: "+c.RequestID+" Error: "+err.Error()), Failed: true}
}

// initialise waits until a new process asks for work, and returns the failure if it does not.
func (p *Pool) initialise(ctx context.Context, pr *process, requestID string) []byte {
	timer := time.NewTimer(p.initTimeout)
	defer timer.Stop()
	pr.out.begin(requestID, "")
	select {
	case <-pr.api.Asked():
		if failed, ok := pr.api.InitError(); ok {
			return failed
		}
		return nil
	case <-pr.exited:
		// Runtimes that post their error end right after it.
		if failed, ok := pr.api.InitError(); ok {
			return failed
		}
		return exitFailure(requestID, pr.reason)
	case <-timer.C:
		return timeoutFailure(time.Now(), requestID, p.initTimeout)
	case <-ctx.Done():
		return exitFailure(requestID, errStopped.Error())
	}
}

// run gives a process the call. It reports false when the process died before it had fetched it and another may try.
func (p *Pool) run(ctx context.Context, pr *process, c *Call, deliver func(Answer), again bool) bool {
	began := time.Now()
	inv := c.Invocation
	inv.Deadline = began.Add(p.function.Timeout)
	timer := time.NewTimer(p.function.Timeout)
	defer timer.Stop()
	pr.out.begin(c.RequestID, fmt.Sprintf("START RequestId: %s Version: %s\n", c.RequestID, c.Version))
	outcome, err := pr.api.Invoke(inv)
	if err != nil {
		// Only a process that asked for work without having answered gets here; it is not to be trusted.
		pr.kill()
		if !again {
			deliver(Answer{Payload: exitFailure(c.RequestID, err.Error()), Failed: true})
		}
		return !again
	}
	select {
	case o := <-outcome:
		p.finish(ctx, pr, timer, func() { deliver(p.answer(pr, c, o, began)) })
		return true
	case <-pr.exited:
	case <-timer.C:
	case <-ctx.Done():
	}
	// Its process died, it was too slow, or all is being stopped.
	untouched := pr.api.Withdraw()
	pr.kill()
	if untouched && again && ctx.Err() == nil && time.Since(began) < p.function.Timeout {
		return false
	}
	select {
	case o := <-outcome: // it had answered just before
		deliver(p.answer(pr, c, o, began))
		return true
	default:
	}
	deliver(p.answer(pr, c, p.aborted(ctx, pr, c, began), began))
	return true
}

// aborted words the end of a call without an answer.
func (p *Pool) aborted(ctx context.Context, pr *process, c *Call, began time.Time) runtime.Outcome {
	failed := runtime.Outcome{Failed: true}
	switch {
	case ctx.Err() != nil:
		failed.Payload = exitFailure(c.RequestID, errStopped.Error())
	case time.Since(began) >= p.function.Timeout:
		failed.Payload = timeoutFailure(time.Now(), c.RequestID, p.function.Timeout)
	default:
		<-pr.exited
		failed.Payload = exitFailure(c.RequestID, pr.reason)
	}
	return failed
}

// finish delivers, then waits within the rest of the function's time until the process asks for more work.
func (p *Pool) finish(ctx context.Context, pr *process, timer *time.Timer, deliver func()) {
	p.answered(pr)
	deliver()
	asked := false
	select {
	case <-pr.api.Asked():
		asked = true
	case <-pr.exited:
	case <-timer.C:
		pr.kill()
	case <-ctx.Done():
		pr.kill()
	}
	p.settled(pr, asked)
}

func (p *Pool) answer(pr *process, c *Call, o runtime.Outcome, began time.Time) Answer {
	took := time.Since(began)
	ms := float64(took) / float64(time.Millisecond)
	report := fmt.Sprintf("END RequestId: %s\nREPORT RequestId: %s\tDuration: %.2f ms\tBilled Duration: %d ms\tMemory Size: %d MB\t\n",
		c.RequestID, c.RequestID, ms, (took+time.Millisecond-1)/time.Millisecond, p.function.Memory)
	return Answer{Payload: o.Payload, Failed: o.Failed, Log: pr.out.end(report), Took: took}
}
