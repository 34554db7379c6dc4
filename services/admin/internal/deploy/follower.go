package deploy

import (
	"context"
	"fmt"
	"strconv"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/run"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// Keys of followers. Numbers are given for ever; the living are listed under a lease.
const (
	followersKey = draft.Root + "-/followers/" // followers/{role}/{name}
	numbersKey   = draft.Root + "-/numbers/"   // numbers/{role}/{name} → number
	lastNumber   = draft.Root + "-/lastnumber/"
)

// followerTTL is how long, in seconds, a follower counts after its stream's admin was last heard of.
const followerTTL = 10

type follower struct {
	request *configv1.FollowRequest
	number  int32
	lease   clientv3.LeaseID // guarded by Config.mu
	stop    context.CancelFunc
	again   chan struct{}           // holds one when it has to report again
	done    chan struct{}           // closed when nothing keeps the lease any longer
	report  *configv1.ReportRequest // the last that came to this admin; guarded by Config.mu
}

func (f *follower) name() string { return f.request.Role + "/" + f.request.Follower }

// join numbers a follower and lists it among the living, for as long as its stream lasts.
func (c *Config) join(ctx context.Context, req *configv1.FollowRequest) (*follower, error) {
	number, err := c.number(ctx, req.Role, req.Follower)
	if err != nil {
		return nil, err
	}
	lease, err := c.client.Grant(ctx, followerTTL)
	if err != nil {
		return nil, err
	}
	alive, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &follower{request: req, number: number, lease: lease.ID, stop: cancel, again: make(chan struct{}, 1), done: make(chan struct{})}
	if err := c.list(ctx, f); err != nil {
		cancel()
		return nil, err
	}
	go c.keep(alive, f)
	c.mu.Lock()
	c.followers[f.name()] = f
	c.tell()
	c.mu.Unlock()
	return f, nil
}

// keep renews the follower's lease, and lists it again under a new one when etcd was away for longer than the old one lived.
// What it reported, perhaps to another admin, went with the old one: f.again has its stream ask for it.
func (c *Config) keep(ctx context.Context, f *follower) {
	defer close(f.done)
	for ctx.Err() == nil {
		renewals, err := c.client.KeepAlive(ctx, f.lease)
		if err == nil {
			for range renewals {
			}
		}
		if !run.Pause(ctx, retryDelay) {
			return
		}
		if lease, err := c.client.Grant(ctx, followerTTL); err == nil {
			c.mu.Lock()
			f.lease = lease.ID
			c.mu.Unlock()
			if err := c.list(ctx, f); err != nil {
				c.log.WarnContext(ctx, "follower is not listed", "follower", f.name(), "error", err)
				continue
			}
			select {
			case f.again <- struct{}{}:
			default: // it is asked already
			}
		}
	}
}

// leave takes a follower off the list of the living.
func (c *Config) leave(f *follower) {
	f.stop()
	<-f.done
	c.mu.Lock()
	if c.followers[f.name()] == f {
		delete(c.followers, f.name())
	}
	lease := f.lease
	c.tell()
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), retryDelay)
	defer cancel()
	_, _ = c.client.Revoke(ctx, lease) // it runs out by itself
}

// tell wakes those who wait for reports; the caller holds mu.
func (c *Config) tell() {
	close(c.reported)
	c.reported = make(chan struct{})
}

// list writes one follower's entry among the living.
func (c *Config) list(ctx context.Context, f *follower) error {
	entry := &configv1.Follower{Name: f.request.Follower, Role: f.request.Role, Number: f.number, Address: f.request.Address}
	c.mu.Lock()
	lease := f.lease
	c.mu.Unlock()
	value, err := proto.Marshal(entry)
	if err != nil {
		return err
	}
	_, err = c.client.Put(ctx, followersKey+f.name(), string(value), clientv3.WithLease(lease))
	return err
}

// number gives a follower the number that it keeps for ever.
func (c *Config) number(ctx context.Context, role, name string) (int32, error) {
	key, last := numbersKey+role+"/"+name, lastNumber+role
	for range 100 {
		res, err := c.client.Txn(ctx).Then(clientv3.OpGet(key), clientv3.OpGet(last)).Commit()
		if err != nil {
			return 0, err
		}
		if kvs := res.Responses[0].GetResponseRange().Kvs; len(kvs) > 0 {
			n, err := strconv.Atoi(string(kvs[0].Value))
			return int32(n), err
		}
		n, revision := 1, int64(0)
		if kvs := res.Responses[1].GetResponseRange().Kvs; len(kvs) > 0 {
			if n, err = strconv.Atoi(string(kvs[0].Value)); err != nil {
				return 0, err
			}
			n, revision = n+1, kvs[0].ModRevision
		}
		text := strconv.Itoa(n)
		done, err := c.client.Txn(ctx).
			If(clientv3.Compare(clientv3.ModRevision(last), "=", revision), clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
			Then(clientv3.OpPut(last, text), clientv3.OpPut(key, text)).Commit()
		if err != nil {
			return 0, err
		}
		if done.Succeeded {
			return int32(n), nil
		}
	}
	return 0, fmt.Errorf("no number for %s %s: too many followers join at once", role, name)
}

// Report takes over what a follower serves, whichever admin serves its stream: it goes where the follower is listed.
func (c *Config) Report(ctx context.Context, req *configv1.ReportRequest) (*configv1.ReportResponse, error) {
	if err := speaksFor(ctx, req.Role); err != nil {
		return nil, err
	}
	for range 100 {
		stored, err := c.storeReport(ctx, req)
		if err != nil {
			return nil, err
		}
		if !stored {
			continue // it was listed anew meanwhile, or reported to another admin
		}
		c.mu.Lock()
		if f := c.followers[req.Role+"/"+req.Follower]; f != nil {
			f.report = req
		}
		c.tell()
		c.mu.Unlock()
		return &configv1.ReportResponse{}, nil
	}
	return nil, status.Error(codes.Unavailable, "store report: the follower's entry changes all the time")
}

// storeReport puts a report into the follower's entry, under its lease, unless the entry changed meanwhile.
func (c *Config) storeReport(ctx context.Context, req *configv1.ReportRequest) (bool, error) {
	key := followersKey + req.Role + "/" + req.Follower
	res, err := c.client.Get(ctx, key)
	if err != nil {
		return false, status.Errorf(codes.Unavailable, "store report: %v", err)
	}
	if len(res.Kvs) == 0 {
		return false, status.Error(codes.NotFound, "no admin serves the follower's stream; follow first")
	}
	kv, entry := res.Kvs[0], &configv1.Follower{}
	if err := proto.Unmarshal(kv.Value, entry); err != nil {
		return false, status.Errorf(codes.Internal, "read the follower's entry: %v", err)
	}
	entry.Report = req
	value, err := proto.Marshal(entry)
	if err != nil {
		return false, status.Errorf(codes.Internal, "write the follower's entry: %v", err)
	}
	done, err := c.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", kv.ModRevision)).
		Then(clientv3.OpPut(key, string(value), clientv3.WithLease(clientv3.LeaseID(kv.Lease)))).Commit()
	if err != nil {
		return false, status.Errorf(codes.Unavailable, "store report: %v", err)
	}
	return done.Succeeded, nil
}

// Living lists the followers of a role that any admin serves.
func (c *Config) Living(ctx context.Context, role string) ([]*configv1.Follower, error) {
	res, err := c.client.Get(ctx, followersKey+role+"/", clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("list followers: %w", err)
	}
	out := make([]*configv1.Follower, len(res.Kvs))
	for i, kv := range res.Kvs {
		out[i] = &configv1.Follower{}
		if err := proto.Unmarshal(kv.Value, out[i]); err != nil {
			return nil, fmt.Errorf("list followers: %w", err)
		}
	}
	return out, nil
}

// Settled waits until every edge whose stream this admin serves has reported a revision, or ctx ends. It serves the one
// process, where this admin is the only one.
func (c *Config) Settled(ctx context.Context, revision int64) bool {
	for {
		c.mu.Lock()
		behind := 0
		for _, f := range c.followers {
			if f.request.Role == "edge" && f.report.GetRevision() < revision {
				behind++
			}
		}
		wait := c.reported
		c.mu.Unlock()
		if behind == 0 {
			return true
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return false
		}
	}
}

// Watch tells when any follower of this admin reported.
func (c *Config) Watch() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reported
}
