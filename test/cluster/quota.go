package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// quotaLimit is what the key of the quota's tests may be used for.
const quotaLimit = 100

// quota spends a quota from many clients at once, through all edges, and returns how many requests were served. Midway, once,
// it lets something happen.
func (s *site) quota(ctx context.Context, midway func(context.Context) error) (int64, error) {
	key, err := s.sell(ctx, quotaLimit)
	if err != nil {
		return 0, err
	}
	var served, asked atomic.Int64
	if err := s.known(ctx, key, &served); err != nil {
		return 0, err
	}
	var once sync.Once
	var happened error
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: clientTimeout}
			for range 3 * quotaLimit / 8 {
				if asked.Add(1) == quotaLimit/2 && midway != nil {
					once.Do(func() { happened = midway(ctx) })
				}
				if status := s.buy(ctx, client, key); status == http.StatusOK {
					served.Add(1)
				}
			}
		})
	}
	group.Wait()
	return served.Load(), happened
}

// known waits until every edge knows a key: until then it refuses it, and counts nothing.
func (s *site) known(ctx context.Context, key string, served *atomic.Int64) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: clientTimeout}
	ctx, cancel := context.WithTimeout(ctx, recoveryWithin)
	defer cancel()
	for inARow := 0; inARow < 6; {
		switch s.buy(ctx, client, key) {
		case http.StatusOK:
			served.Add(1)
			inARow++
		default:
			inARow = 0
			if !pause(ctx, 50*time.Millisecond) {
				return fmt.Errorf("an edge does not know a new key after %s", recoveryWithin)
			}
		}
	}
	return nil
}

// buy asks once with a key; 0 is no answer.
func (s *site) buy(ctx context.Context, client *http.Client, key string) int {
	req, err := s.request(ctx, "/sold", key)
	if err != nil {
		return 0
	}
	res, err := client.Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}

// quotas runs the quota alone, then with faults midway.
func (s *site) quotas(ctx context.Context, say func(string, ...any)) error {
	served, err := s.quota(ctx, nil)
	if err != nil {
		return err
	}
	say("quota of %d through all edges: %d served", quotaLimit, served)
	if served != quotaLimit {
		return fmt.Errorf("a quota of %d served %d", quotaLimit, served)
	}
	for _, f := range []fault{
		{name: "kill -9 of one edge", strike: s.killing("edge", 1)},
		{name: "kill -9 of one metering", strike: s.killing("metering", 1)},
		{name: "pause of one metering", strike: s.pausing("metering")},
		{name: "network cut of one metering", strike: s.cutting("metering")},
		{name: "kill -9 of one nats", strike: s.killing("nats", 1)},
		{name: "pause of one nats", strike: s.pausing("nats")},
		{name: "kill -9 of two nats", strike: s.killing("nats", 2)},
	} {
		served, err := s.quota(ctx, func(ctx context.Context) error {
			mend, err := f.strike(ctx)
			if err != nil {
				return err
			}
			return mend(ctx)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		say("quota of %d, %s midway: %d served", quotaLimit, f.name, served)
		if served > quotaLimit {
			return fmt.Errorf("a quota of %d served %d at %s", quotaLimit, served, f.name)
		}
		if err := s.ready(ctx); err != nil {
			return err
		}
	}
	return nil
}
