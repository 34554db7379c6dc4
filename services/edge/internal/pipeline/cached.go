package pipeline

import (
	"context"
	"crypto/sha256"
	"strings"
	"time"

	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/gatewayresponse"
	cachev1 "github.com/limen-gateway/limen/proto/cache/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

const (
	// maxCached is the largest answer that is kept (spec/rest.md 9).
	maxCached = 1_048_576

	traceHeader = "X-Amzn-Trace-Id"
	// warning is AWS's text (spec/rest.md 9).
	warning = "199 Cache-control headers were ignored because the caller was unauthorized."
)

// cached is the look-up in the response cache, step 0.12, around the phases that a kept answer spares, and the store
// behind them, step 0.16. It is around them, so that whatever becomes of a call, those who wait for its answer learn it.
func cached(m Method, v *Services, backend []exchange.Phase) exchange.Phase {
	key := m.Integration.CacheKey
	return func(ctx context.Context, x *exchange.Exchange) error {
		settings := x.Scope.Caching.For(x)
		switch {
		case settings == nil || key == nil:
			return run(ctx, x, backend)
		case key.Broken != "":
			x.Record.Add(executionlog.PhaseCache, executionlog.CacheBypassed, "the cache key parameter "+key.Broken+" cannot be read")
			return run(ctx, x, backend)
		}
		refresh, warn, err := cacheControl(x, settings)
		if err != nil {
			return err
		}
		at := flightKey{x.Scope.Caching.Scope, keyOf(x, key)}
		if kept := v.Cache.near.get(at); kept != nil && !refresh {
			use(x, kept)
		} else {
			err = far(ctx, &lookup{Cache: v.Cache, x: x, at: at, settings: settings, backend: backend, headers: len(x.Response.Headers)}, refresh)
		}
		if err == nil && warn {
			x.AddResponseHeader("Warning", warning)
		}
		return err
	}
}

// far is the way of a request whose answer is not near.
func far(ctx context.Context, l *lookup, refresh bool) error {
	if refresh {
		return l.refresh(ctx)
	}
	return l.answer(ctx)
}

func run(ctx context.Context, x *exchange.Exchange, phases []exchange.Phase) error {
	for _, phase := range phases {
		if err := phase(ctx, x); err != nil {
			return err
		}
	}
	return nil
}

func keyOf(x *exchange.Exchange, k *exchange.CacheKey) [sha256.Size]byte {
	var room [512]byte
	return sha256.Sum256(k.Append(room[:0], x))
}

// cacheControl judges a caller that asks for a fresh answer. Permission is execute-api:InvalidateCache: who signs as the
// account of the API has it, and nobody else.
func cacheControl(x *exchange.Exchange, s *exchange.CacheSettings) (refresh, warn bool, err error) {
	if !wantsFresh(x) {
		return false, false, nil
	}
	if !s.Authorize || x.Owner() {
		return true, false, nil
	}
	switch s.Unauthorized {
	case exchange.FailWith403:
		x.Record.Add(executionlog.PhaseCache, executionlog.CacheControlRefused, string(s.Unauthorized))
		return false, false, denied("User is not authorized to access this resource")
	case exchange.SucceedWithoutResponseHeader:
		x.Record.Add(executionlog.PhaseCache, executionlog.CacheControlIgnored, string(s.Unauthorized))
		return false, false, nil
	}
	x.Record.Add(executionlog.PhaseCache, executionlog.CacheControlIgnored, string(exchange.SucceedWithResponseHeader))
	return false, true, nil
}

// wantsFresh: only max-age=0 does, alone or in a list; no-cache has no effect (spec/rest.md 9).
func wantsFresh(x *exchange.Exchange) bool {
	for i := range x.Request.Headers {
		h := &x.Request.Headers[i]
		if len(h.Name) != len("cache-control") || !strings.EqualFold(h.Name, "cache-control") {
			continue
		}
		for rest, more := h.Value, true; more; {
			var directive string
			directive, rest, more = strings.Cut(rest, ",")
			if strings.EqualFold(strings.Trim(directive, " \t"), "max-age=0") {
				return true
			}
		}
	}
	return false
}

// lookup is the way of one request through the cache.
type lookup struct {
	*Cache
	x        *exchange.Exchange
	at       flightKey
	settings *exchange.CacheSettings
	backend  []exchange.Phase
	headers  int // how many the response had before the backend
	silent   bool
}

// refresh calls the backend whatever is kept, and keeps its answer.
func (l *lookup) refresh(ctx context.Context) error {
	l.x.Record.Add(executionlog.PhaseCache, executionlog.CacheBypassed, "Cache-Control: max-age=0")
	return l.callAndKeep(ctx)
}

// answer takes a kept answer, or that of a request for the same key that is on its way, or makes one.
func (l *lookup) answer(ctx context.Context) error {
	ended := l.ended.Load()
	if l.find(ctx) != nil {
		return nil
	}
	f, leads := l.join(l.at)
	if !leads {
		return l.follow(ctx, f)
	}
	defer l.end(l.at, f)
	// A flight that ended since the look-up may have been one for this key: its answer is kept by now.
	if l.ended.Load() != ended {
		if kept := l.find(ctx); kept != nil {
			f.land(kept)
			return nil
		}
	}
	return l.lead(ctx, f)
}

// find answers with what is kept, and returns it; nil when nothing is.
func (l *lookup) find(ctx context.Context) *cachev1.Entry {
	entry, err := l.get(ctx, l.at)
	if entry != nil {
		use(l.x, entry)
		return entry
	}
	if l.silent = err != nil; l.silent {
		l.x.Record.Add(executionlog.PhaseCache, executionlog.CacheBypassed, err.Error())
		return nil
	}
	l.x.Record.Add(executionlog.PhaseCache, executionlog.CacheMiss)
	l.x.Cached = exchange.CacheMiss
	return nil
}

// lead makes the answer for all who wait for it.
func (l *lookup) lead(ctx context.Context, f *flight) error {
	if err := run(ctx, l.x, l.backend); err != nil {
		return err
	}
	entry := l.entry()
	f.land(entry) // who waits need not wait for the store too
	l.keep(ctx, entry)
	return nil
}

// follow waits for the answer of another request. When that has none to share, this one makes its own.
func (l *lookup) follow(ctx context.Context, f *flight) error {
	timer := time.NewTimer(l.x.Method.Integration.Timeout)
	defer timer.Stop()
	select {
	case <-f.landed:
	case <-timer.C:
	case <-ctx.Done():
		return gatewayresponse.New(gatewayresponse.IntegrationTimeout, ctx.Err())
	}
	if entry := f.answer(); entry != nil {
		l.x.Record.AddNumber(executionlog.PhaseCache, executionlog.CacheShared, int64(entry.Status))
		answerWith(l.x, entry)
		return nil
	}
	return l.callAndKeep(ctx)
}

func (l *lookup) callAndKeep(ctx context.Context) error {
	if err := run(ctx, l.x, l.backend); err != nil {
		return err
	}
	l.keep(ctx, l.entry())
	return nil
}

// use answers with what was kept.
func use(x *exchange.Exchange, e *cachev1.Entry) {
	x.Record.AddNumber(executionlog.PhaseCache, executionlog.CacheHit, int64(e.Status))
	answerWith(x, e)
}

// answerWith makes the response of an entry, which may be shared: nothing in it is written to.
func answerWith(x *exchange.Exchange, e *cachev1.Entry) {
	x.Cached = exchange.CacheHit
	x.Response.Status, x.Response.Body = int(e.Status), e.Body
	if e.Traced {
		x.AddResponseHeader(traceHeader, x.Trace.Header)
	}
	for _, h := range e.Headers {
		x.AddResponseHeader(h.Name, exchange.View(h.Value))
	}
}

// entry copies the answer out of the exchange's memory; nil when it is not one to keep.
func (l *lookup) entry() *cachev1.Entry {
	r := &l.x.Response
	headers := r.Headers[min(l.headers, len(r.Headers)):]
	size := len(r.Body)
	for i := range headers {
		size += len(headers[i].Name) + len(headers[i].Value)
	}
	if size > maxCached {
		l.x.Record.Add(executionlog.PhaseCache, executionlog.CacheNotStored, "it is larger than 1048576 bytes")
		return nil
	}
	if r.Status < 200 {
		return nil // becomes a gateway response
	}
	e := &cachev1.Entry{Status: int32(r.Status), Body: append(make([]byte, 0, len(r.Body)), r.Body...), Headers: make([]*cachev1.Header, 0, len(headers))}
	for i, h := range headers {
		if i == 0 && h.Name == traceHeader && h.Value == l.x.Trace.Header {
			e.Traced = true // the gateway's own, for this request
			continue
		}
		e.Headers = append(e.Headers, &cachev1.Header{Name: strings.Clone(h.Name), Value: []byte(h.Value)})
	}
	return e
}

// keep stores an entry. When the cache did not answer a moment ago, it is not asked to.
func (l *lookup) keep(ctx context.Context, e *cachev1.Entry) {
	if e == nil || l.silent {
		return
	}
	if err := l.put(ctx, l.at, e, l.settings.TTL); err != nil {
		l.x.Record.Add(executionlog.PhaseCache, executionlog.CacheNotStored, err.Error())
		return
	}
	l.x.Record.AddNumber(executionlog.PhaseCache, executionlog.CacheStored, int64(l.settings.TTL/time.Second))
}
