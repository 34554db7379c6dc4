package draft

import (
	"context"
	"fmt"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	storev1 "github.com/limen-gateway/limen/proto/store/v1"
)

// present guards that a key is there, whatever its revision.
const present = -1

// Tx is one transaction: all reads see the state of the first one, all writes happen together or not at all. It is not
// safe for concurrent use. Writes are not seen by reads of the same Tx.
type Tx struct {
	Scope Scope

	store    *Store
	ctx      context.Context
	revision int64
	guards   map[string]int64 // key → mod revision read, 0 when it was absent
	order    []string
	writes   []clientv3.Op
	bytes    int
}

func (s *Store) begin(ctx context.Context, scope Scope) *Tx {
	return &Tx{Scope: scope, store: s, ctx: ctx, guards: map[string]int64{}}
}

// NewID makes a random id.
func (t *Tx) NewID(length int) string { return t.store.id(length) }

// Context is the caller's.
func (t *Tx) Context() context.Context { return t.ctx }

func (t *Tx) get(key string, options ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	if t.revision > 0 {
		options = append(options, clientv3.WithRev(t.revision))
	}
	res, err := t.store.client.Get(t.ctx, key, options...)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", key, err)
	}
	if t.revision == 0 {
		t.revision = res.Header.Revision
	}
	return res, nil
}

func (t *Tx) guard(key string, modRevision int64) {
	if _, ok := t.guards[key]; !ok {
		t.order = append(t.order, key)
	}
	t.guards[key] = modRevision
}

// Get reads a noun and its record; a nil record means that there is none. The commit fails when the key changes meanwhile.
func (t *Tx) Get(key string, noun proto.Message) (*storev1.Record, error) {
	res, err := t.get(key)
	if err != nil {
		return nil, err
	}
	if len(res.Kvs) == 0 {
		t.guard(key, 0)
		return nil, nil
	}
	t.guard(key, res.Kvs[0].ModRevision)
	return Decode(res.Kvs[0].Value, noun)
}

// Exists tells whether a key is there, and guards the answer.
func (t *Tx) Exists(key string) (bool, error) {
	res, err := t.get(key, clientv3.WithKeysOnly())
	if err != nil {
		return false, err
	}
	if len(res.Kvs) == 0 {
		t.guard(key, 0)
		return false, nil
	}
	t.guard(key, res.Kvs[0].ModRevision)
	return true, nil
}

// Bytes reads a plain value, guarded like Get; nil means that there is none.
func (t *Tx) Bytes(key string) ([]byte, error) {
	res, err := t.get(key)
	if err != nil {
		return nil, err
	}
	if len(res.Kvs) == 0 {
		t.guard(key, 0)
		return nil, nil
	}
	t.guard(key, res.Kvs[0].ModRevision)
	return res.Kvs[0].Value, nil
}

// Entry is one key of a range.
type Entry struct {
	// Name is the key without the prefix of the range.
	Name  string
	Value []byte
}

// Range reads everything below a prefix, in the order of keys. It is not guarded: what must not change meanwhile is
// guarded by the key that every writer below the prefix also writes, such as the head of an API.
func (t *Tx) Range(prefix string) ([]Entry, error) { return t.entries(prefix) }

// Names is Range without the values.
func (t *Tx) Names(prefix string) ([]string, error) {
	entries, err := t.entries(prefix, clientv3.WithKeysOnly())
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name
	}
	return names, err
}

func (t *Tx) entries(prefix string, options ...clientv3.OpOption) ([]Entry, error) {
	res, err := t.get(prefix, append(options, clientv3.WithPrefix())...)
	if err != nil {
		return nil, err
	}
	out := make([]Entry, len(res.Kvs))
	for i, kv := range res.Kvs {
		out[i] = Entry{string(kv.Key[len(prefix):]), kv.Value}
	}
	return out, nil
}

// Put writes a noun under a key and keeps the rest of the record r that Get returned; a nil r makes a new record.
func (t *Tx) Put(key string, r *storev1.Record, noun proto.Message) error {
	now := timestamppb.New(t.store.now())
	if r == nil {
		r = &storev1.Record{Account: t.Scope.Account, Region: t.Scope.Region, Created: now}
	}
	r.Updated, r.Actor = now, t.Scope.Actor
	packed, err := anypb.New(noun)
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	r.Noun = packed
	value, err := proto.Marshal(r)
	if err != nil {
		return fmt.Errorf("write %s: %w", key, err)
	}
	t.PutBytes(key, value)
	return nil
}

// PutBytes writes a plain value.
func (t *Tx) PutBytes(key string, value []byte) {
	t.writes = append(t.writes, clientv3.OpPut(key, string(value)))
	t.bytes += len(key) + len(value)
}

// Create is Put of a key that must not exist yet: the commit fails, and the transaction runs again, when it does.
func (t *Tx) Create(key string, r *storev1.Record, noun proto.Message) error {
	t.guard(key, 0)
	return t.Put(key, r, noun)
}

// Claim takes a name of the installation for a value; like Create.
func (t *Tx) Claim(key string, value string) {
	t.guard(key, 0)
	t.PutBytes(key, []byte(value))
}

// Delete removes a key.
func (t *Tx) Delete(key string) {
	t.writes = append(t.writes, clientv3.OpDelete(key))
	t.bytes += len(key)
}

// DeleteRange removes everything below a prefix.
func (t *Tx) DeleteRange(prefix string) {
	t.writes = append(t.writes, clientv3.OpDelete(prefix, clientv3.WithPrefix()))
	t.bytes += len(prefix)
}

// Large tells that what was written so far, with room for a few more operations, does not fit one transaction.
func (t *Tx) Large() bool {
	return len(t.writes)+len(t.guards) > maxOperations-10 || t.bytes > maxBytes*9/10
}

// commit writes, if nothing that was read has changed.
func (t *Tx) commit() (revision int64, ok bool, err error) {
	if len(t.writes) == 0 {
		return t.revision, true, nil
	}
	if len(t.writes)+len(t.guards) > maxOperations || t.bytes > maxBytes {
		return 0, false, ErrTooLarge
	}
	cmps := make([]clientv3.Cmp, len(t.order))
	for i, key := range t.order {
		if t.guards[key] == present {
			cmps[i] = clientv3.Compare(clientv3.CreateRevision(key), ">", 0)
			continue
		}
		cmps[i] = clientv3.Compare(clientv3.ModRevision(key), "=", t.guards[key])
	}
	res, err := t.store.client.Txn(t.ctx).If(cmps...).Then(t.writes...).Commit()
	if err != nil {
		return 0, false, fmt.Errorf("commit: %w", err)
	}
	return res.Header.Revision, res.Succeeded, nil
}
