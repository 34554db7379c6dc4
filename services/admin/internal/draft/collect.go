package draft

import (
	"context"
	"fmt"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
)

const dropTimeout = 5 * time.Second

// Collect removes generations that no head points at and no living writer is writing: what a writer left that died before
// its flip. It returns how many it removed.
func (s *Store) Collect(ctx context.Context) (int, error) {
	res, err := s.client.Get(ctx, Root, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return 0, fmt.Errorf("collect generations: %w", err)
	}
	seen := map[string]bool{}
	removed := 0
	for _, kv := range res.Kvs {
		p, ok := ParseKey(string(kv.Key))
		if !ok || len(p.Segments) < 3 || p.Segments[0] != Content {
			continue
		}
		scope := Scope{Account: p.Account, Region: p.Region}
		prefix := scope.Prefix(Content, p.Segments[1], p.Segments[2])
		if seen[prefix] {
			continue
		}
		seen[prefix] = true
		gone, err := s.collect(ctx, scope, p.Segments[1], p.Segments[2])
		if err != nil {
			return removed, err
		}
		if gone {
			removed++
		}
	}
	return removed, nil
}

func (s *Store) collect(ctx context.Context, scope Scope, api, generation string) (bool, error) {
	heads := []string{scope.Key(RestAPIs, api), scope.Key(APIs, api)} // one at most is there: ids are unique
	res, err := s.client.Txn(ctx).Then(
		clientv3.OpGet(marker(api, generation)),
		clientv3.OpGet(heads[0]),
		clientv3.OpGet(heads[1]),
	).Commit()
	if err != nil {
		return false, fmt.Errorf("collect generations: %w", err)
	}
	if len(valueOf(res, 0)) > 0 {
		return false, nil
	}
	// The marker is gone for good and the heads are as read: nobody can flip to this generation any more.
	guards := []clientv3.Cmp{clientv3.Compare(clientv3.CreateRevision(marker(api, generation)), "=", 0)}
	for i, head := range heads {
		revision := int64(0)
		if value := valueOf(res, i+1); value != nil {
			r, err := Decode(value, nil)
			if err != nil {
				return false, err
			}
			if r.Generation == generation {
				return false, nil
			}
			revision = res.Responses[i+1].GetResponseRange().Kvs[0].ModRevision
		}
		guards = append(guards, clientv3.Compare(clientv3.ModRevision(head), "=", revision))
	}
	done, err := s.client.Txn(ctx).If(guards...).
		Then(clientv3.OpDelete(scope.Prefix(Content, api, generation), clientv3.WithPrefix())).
		Commit()
	if err != nil {
		return false, fmt.Errorf("collect generations: %w", err)
	}
	return done.Succeeded, nil
}
