// Package upstream knows the replicas behind a name, which of them want connections, and connects to one.
//
// Each second the name is resolved and every replica is asked for /readyz at its side listener. The surprise: a name that
// can't be resolved keeps the replicas it had, and when no replica is ready they are all tried, since a replica that does
// not say it is ready may still do better than a refusal.
package upstream

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Resolver finds the addresses of a name; net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Config is what an Upstream is made of.
type Config struct {
	Host       string
	Port       uint16
	HealthPort uint16
	Resolver   Resolver
	Log        *slog.Logger
}

const (
	interval = time.Second
	// A replica that is paused or cut off is silent; it is found out before the next round.
	checkTimeout = 900 * time.Millisecond
	dialTimeout  = time.Second
)

// ErrNone says that no replica took the connection.
var ErrNone = errors.New("no replica takes connections")

// Upstream is safe for concurrent use.
type Upstream struct {
	c      Config
	client *http.Client
	dialer net.Dialer
	known  chan struct{} // closed after the first round

	mu         sync.Mutex // guards what follows
	replicas   []replica  // sorted by address
	next       int
	unresolved string // why the name could not be resolved; "" when it was
}

// replica is one address of the name, and why it gets no new connections, nil when it does.
type replica struct {
	address netip.Addr
	unready error
}

// New makes an Upstream that knows no replica yet.
func New(c Config) *Upstream {
	dialer := net.Dialer{Timeout: dialTimeout}
	// Each check is a connection of its own: one that is kept says nothing of whether new ones are taken.
	transport := &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true}
	return &Upstream{c: c, dialer: dialer, known: make(chan struct{}), client: &http.Client{Transport: transport, Timeout: checkTimeout}}
}

// Known is closed when the replicas were looked for once.
func (u *Upstream) Known() <-chan struct{} { return u.known }

// Run looks for the replicas and checks them until ctx ends.
func (u *Upstream) Run(ctx context.Context) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	u.round(ctx)
	close(u.known)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			u.round(ctx)
		}
	}
}

// Ready is how many replicas want connections, and how many there are.
func (u *Upstream) Ready() (ready, all int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, r := range u.replicas {
		if r.unready == nil {
			ready++
		}
	}
	return ready, len(u.replicas)
}

// Dial connects to a replica: to the ready ones in turn, then to the others. failed is told of each that did not answer.
func (u *Upstream) Dial(ctx context.Context, failed func()) (net.Conn, error) {
	for _, a := range u.order() {
		c, err := u.dialer.DialContext(ctx, "tcp", netip.AddrPortFrom(a, u.c.Port).String())
		if err == nil {
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failed()
	}
	return nil, ErrNone
}

// order is in which order the replicas are tried now: each connection begins with the next one.
func (u *Upstream) order() []netip.Addr {
	u.mu.Lock()
	defer u.mu.Unlock()
	var ready, others []netip.Addr
	for _, r := range u.replicas {
		if r.unready == nil {
			ready = append(ready, r.address)
		} else {
			others = append(others, r.address)
		}
	}
	u.next++
	return append(rotated(ready, u.next), rotated(others, u.next)...)
}

func rotated(list []netip.Addr, by int) []netip.Addr {
	if len(list) == 0 {
		return nil
	}
	by %= len(list)
	return append(list[by:len(list):len(list)], list[:by]...)
}

// round resolves the name and checks what it found.
func (u *Upstream) round(ctx context.Context) {
	found := u.resolve(ctx)
	checked := make([]replica, len(found))
	var wg sync.WaitGroup
	for i, a := range found {
		wg.Go(func() { checked[i] = replica{a, u.check(ctx, a)} })
	}
	wg.Wait()
	if ctx.Err() == nil {
		u.change(checked)
	}
}

// resolve returns the addresses of the name, those known before when it can't be resolved.
func (u *Upstream) resolve(ctx context.Context) []netip.Addr {
	bounded, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	found, err := u.c.Resolver.LookupNetIP(bounded, "ip", u.c.Host)
	if err == nil && len(found) == 0 {
		err = errors.New("it has no address")
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if err != nil {
		if u.unresolved == "" && ctx.Err() == nil {
			u.unresolved = err.Error()
			u.c.Log.Warn("target can't be resolved; it is tried again each second", "target", u.c.Host, "error", err)
		}
		found = nil
		for _, r := range u.replicas {
			found = append(found, r.address)
		}
		return found
	}
	u.unresolved = ""
	for i := range found {
		found[i] = found[i].Unmap()
	}
	slices.SortFunc(found, netip.Addr.Compare)
	return slices.Compact(found)
}

// check asks a replica whether it is ready.
func (u *Upstream) check(ctx context.Context, a netip.Addr) error {
	side := net.JoinHostPort(a.String(), strconv.Itoa(int(u.c.HealthPort)))
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+side+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := u.client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return errors.New("/readyz answers " + res.Status)
	}
	return nil
}

// change takes over what a round found, and logs what is different.
func (u *Upstream) change(found []replica) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, r := range found {
		i := slices.IndexFunc(u.replicas, func(old replica) bool { return old.address == r.address })
		if i >= 0 && (u.replicas[i].unready == nil) == (r.unready == nil) {
			continue
		}
		if r.unready == nil {
			u.c.Log.Info("replica gets connections", "target", u.c.Host, "replica", r.address.String())
		} else {
			u.c.Log.Warn("replica gets no new connections", "target", u.c.Host, "replica", r.address.String(), "reason", r.unready)
		}
	}
	for _, old := range u.replicas {
		if !slices.ContainsFunc(found, func(r replica) bool { return r.address == old.address }) {
			u.c.Log.Info("replica has left", "target", u.c.Host, "replica", old.address.String())
		}
	}
	u.replicas = found
}
