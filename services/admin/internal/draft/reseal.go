package draft

import (
	"context"
	"errors"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/seal"
)

// Reseal seals anew what an older key of the ring sealed, record by record, so that the older key can be taken away. A
// record whose key is not in the ring stays as it is, and is part of the error. It returns how many it sealed.
func (s *Store) Reseal(ctx context.Context, ring *seal.Keyring) (int, error) {
	res, err := s.client.Get(ctx, Root, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return 0, fmt.Errorf("seal anew: %w", err)
	}
	var problems []error
	sealed := 0
	for _, kv := range res.Kvs {
		key := string(kv.Key)
		p, ok := ParseKey(key)
		if !ok || p.Segments[0] != APIKeys {
			continue
		}
		changed, err := s.reseal(ctx, Scope{Account: p.Account, Region: p.Region}, key, ring)
		if err != nil {
			problems = append(problems, fmt.Errorf("seal %s anew: %w", key, err))
		}
		if changed {
			sealed++
		}
	}
	return sealed, errors.Join(problems...)
}

// reseal seals one record anew. Whoever changed it stays its last actor.
func (s *Store) reseal(ctx context.Context, scope Scope, key string, ring *seal.Keyring) (changed bool, err error) {
	_, err = s.Update(ctx, scope, func(tx *Tx) error {
		changed = false
		r, err := tx.Get(key, nil)
		if err != nil || r == nil {
			return err
		}
		if r.Private, changed, err = ring.Rotate(r.Private, key); err != nil || !changed {
			return err
		}
		value, err := proto.Marshal(r)
		if err == nil {
			tx.PutBytes(key, value)
		}
		return err
	})
	return changed && err == nil, err
}
