// Package draft keeps what users edit: drafts of APIs, their deployments and stages, keys and plans, in etcd. It knows
// keys, records and transactions, and no rule of any noun. A small edit is one transaction guarded by all it has read; a
// large one writes a generation of content that nobody reads yet and flips the API's head (generation.go).
//
// The surprise: a transaction's function runs again when somebody else was faster, so it must not act outside of its Tx.
package draft

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/platform/run"
	storev1 "github.com/limen-gateway/limen/proto/store/v1"
)

// Limits of one transaction, below etcd's defaults (128 operations, 1.5 MB), which a user's own etcd has.
const (
	maxOperations = 100
	maxBytes      = 1 << 20
)

// schema is the version of the stored form; a binary refuses a newer one.
const schema = 1

// attempts is how often something is tried when others keep being faster.
const attempts = 16

// ErrTooLarge tells that a change does not fit one transaction and must be written as a generation.
var ErrTooLarge = errors.New("the change does not fit one transaction")

// ErrRetry, returned by a transaction's function, runs it again over a newer state.
var ErrRetry = errors.New("run the transaction again")

// Store reads and writes etcd. It is safe for concurrent use.
type Store struct {
	client Client
	now    func() time.Time
	id     func(length int) string
}

// New makes a store on a client. now is the clock, id the generator of random [a-z0-9] names.
func New(client *clientv3.Client, now func() time.Time, id func(length int) string) *Store {
	return &Store{Client{client}, now, id}
}

// Open checks the stored schema, and makes it and the epoch in a store that is new.
func (s *Store) Open(ctx context.Context) error {
	_, err := s.client.Txn(ctx).
		If(clientv3.Compare(clientv3.CreateRevision(schemaKey), "=", 0)).
		Then(clientv3.OpPut(schemaKey, strconv.Itoa(schema)), clientv3.OpPut(epochKey, s.id(16))).
		Commit()
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	_, err = s.Epoch(ctx)
	return err
}

// Epoch names this store's history: an id of its own with etcd's cluster id, so that a restored etcd is told apart.
func (s *Store) Epoch(ctx context.Context) (string, error) {
	res, err := s.client.Txn(ctx).Then(clientv3.OpGet(schemaKey), clientv3.OpGet(epochKey)).Commit()
	if err != nil {
		return "", fmt.Errorf("open store: %w", err)
	}
	stored, err := strconv.Atoi(string(valueOf(res, 0)))
	if err != nil || stored > schema {
		return "", fmt.Errorf("open store: it has schema %q, this binary knows %d", valueOf(res, 0), schema)
	}
	return epochText(valueOf(res, 1), res), nil
}

func epochText(id []byte, res *clientv3.TxnResponse) string {
	return fmt.Sprintf("%s-%x", id, res.Header.ClusterId)
}

// Renew begins a new history, unless somebody else has: the revisions of a store that went back mean something else now.
// It returns the epoch that holds.
func (s *Store) Renew(ctx context.Context, old string) (string, error) {
	res, err := s.client.Txn(ctx).Then(clientv3.OpGet(epochKey)).Commit()
	if err != nil {
		return "", fmt.Errorf("renew epoch: %w", err)
	}
	if id := valueOf(res, 0); epochText(id, res) == old {
		_, err := s.client.Txn(ctx).If(clientv3.Compare(clientv3.Value(epochKey), "=", string(id))).Then(clientv3.OpPut(epochKey, s.id(16))).Commit()
		if err != nil {
			return "", fmt.Errorf("renew epoch: %w", err)
		}
	}
	return s.Epoch(ctx)
}

func valueOf(res *clientv3.TxnResponse, i int) []byte {
	if kvs := res.Responses[i].GetResponseRange().Kvs; len(kvs) > 0 {
		return kvs[0].Value
	}
	return nil
}

// Read runs fn over one consistent state.
func (s *Store) Read(ctx context.Context, scope Scope, fn func(*Tx) error) error {
	return fn(s.begin(ctx, scope))
}

// Update runs fn and commits what it wrote, if nothing it read has changed meanwhile; else it runs fn again. It returns the
// revision of the commit. AWS answers a busy API with the Conflict text that Terraform retries.
func (s *Store) Update(ctx context.Context, scope Scope, fn func(*Tx) error) (int64, error) {
	var rev int64
	err := Contend(ctx, func() (again bool, err error) {
		tx := s.begin(ctx, scope)
		if err := fn(tx); err != nil {
			return errors.Is(err, ErrRetry), err
		}
		var ok bool
		rev, ok, err = tx.commit()
		return err == nil && !ok, err
	})
	if err != nil {
		return 0, err
	}
	return rev, nil
}

// Contend tries again as long as others were faster, and gives up as AWS does. It waits a moment before, so that two who try
// again at once do not keep each other from it.
func Contend(ctx context.Context, try func() (again bool, err error)) error {
	for n := range attempts {
		if n > 0 {
			run.Pause(ctx, rand.N(time.Duration(n)*2*time.Millisecond))
		}
		if again, err := try(); !again {
			return err
		}
	}
	return Busy()
}

// Busy is AWS's answer when an API is changed from too many sides at once.
func Busy() *fault.Error {
	return fault.Conflict("Unable to complete operation due to concurrent modification. Please try again later.")
}

// NewID makes a random id of [a-z0-9]. It is unique only when the key that holds it is made with Tx.Create.
func (s *Store) NewID(length int) string { return s.id(length) }

// Now is the store's clock.
func (s *Store) Now() time.Time { return s.now() }

// Client is the etcd client, for what watches rather than reads.
func (s *Store) Client() Client { return s.client }

// Decode reads a stored record and its noun.
func Decode(value []byte, noun proto.Message) (*storev1.Record, error) {
	r := &storev1.Record{}
	if err := proto.Unmarshal(value, r); err != nil {
		return nil, fmt.Errorf("stored record: %w", err)
	}
	if noun != nil && r.Noun != nil {
		if err := r.Noun.UnmarshalTo(noun); err != nil {
			return nil, fmt.Errorf("stored record: %w", err)
		}
	}
	return r, nil
}
