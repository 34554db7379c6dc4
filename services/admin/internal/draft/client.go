package draft

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/core/fault"
)

// requestTimeout bounds one request to etcd: a caller learns within seconds that it is away. The deadline of an operation
// is longer, since an import makes many requests.
const requestTimeout = 5 * time.Second

// Client is an etcd client whose requests end within a bound; when etcd does not answer, their error is AWS's
// ServiceUnavailableException. Watch and KeepAlive are etcd's own.
type Client struct{ *clientv3.Client }

// Get is etcd's, bounded.
func (c Client) Get(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.GetResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := c.Client.Get(ctx, key, opts...)
	return res, unavailable(err)
}

// Put is etcd's, bounded.
func (c Client) Put(ctx context.Context, key, value string, opts ...clientv3.OpOption) (*clientv3.PutResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := c.Client.Put(ctx, key, value, opts...)
	return res, unavailable(err)
}

// Delete is etcd's, bounded.
func (c Client) Delete(ctx context.Context, key string, opts ...clientv3.OpOption) (*clientv3.DeleteResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := c.Client.Delete(ctx, key, opts...)
	return res, unavailable(err)
}

// Grant is etcd's, bounded.
func (c Client) Grant(ctx context.Context, ttl int64) (*clientv3.LeaseGrantResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := c.Client.Grant(ctx, ttl)
	return res, unavailable(err)
}

// Revoke is etcd's, bounded.
func (c Client) Revoke(ctx context.Context, id clientv3.LeaseID) (*clientv3.LeaseRevokeResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	res, err := c.Client.Revoke(ctx, id)
	return res, unavailable(err)
}

// Txn is etcd's; the bound is from here to the end of Commit, which must be called.
func (c Client) Txn(ctx context.Context) clientv3.Txn {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	return &txn{c.Client.Txn(ctx), cancel}
}

type txn struct {
	clientv3.Txn
	cancel context.CancelFunc
}

func (t *txn) If(cs ...clientv3.Cmp) clientv3.Txn   { t.Txn = t.Txn.If(cs...); return t }
func (t *txn) Then(ops ...clientv3.Op) clientv3.Txn { t.Txn = t.Txn.Then(ops...); return t }
func (t *txn) Else(ops ...clientv3.Op) clientv3.Txn { t.Txn = t.Txn.Else(ops...); return t }

func (t *txn) Commit() (*clientv3.TxnResponse, error) {
	defer t.cancel()
	res, err := t.Txn.Commit()
	return res, unavailable(err)
}

// cutShort is in the error of a call whose member of etcd ended in the middle of its answer.
const cutShort = "malformed header: missing HTTP content-type"

// unavailable gives an error of etcd's its meaning for a caller: no answer, no leader, no room or no quorum is
// ServiceUnavailableException. The end of the caller's own context is left as it is.
func unavailable(err error) error {
	if err == nil || errors.Is(err, context.Canceled) {
		return err
	}
	code := codes.OK
	var coded interface{ Code() codes.Code } // errors of etcd's client
	if errors.As(err, &coded) {
		code = coded.Code()
	} else {
		code = status.Code(err)
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded), code == codes.Unavailable, code == codes.DeadlineExceeded, code == codes.ResourceExhausted,
		code == codes.Canceled, code == codes.Unknown && strings.Contains(err.Error(), cutShort):
		return fmt.Errorf("%w: %w", fault.Unavailable("Service Unavailable"), err)
	}
	return err
}
