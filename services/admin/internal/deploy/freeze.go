// Package deploy publishes: it freezes a draft into an immutable content, checks it, writes it in chunks, and serves what
// is published to everybody who follows. It owns no noun: stages and deployments are edited in apigateway.
package deploy

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"

	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// chunkSize is the most of a content that one key holds.
const chunkSize = 512 << 10

// Freeze makes the content of a deployment from a whole draft.
func Freeze(scope draft.Scope, t *draft.Tree) *snapshotv1.Deployment {
	d := &snapshotv1.Deployment{Account: scope.Account, Region: scope.Region, ApiId: t.RestAPI.GetId(), RestApi: t.RestAPI}
	for id, r := range t.Resources {
		frozen := proto.Clone(r).(*apigatewayv1.Resource)
		frozen.Path = proto.String(pathOf(t, id))
		if methods := t.Methods[id]; len(methods) > 0 {
			frozen.ResourceMethods = &apigatewayv1.MethodMap{Entries: methods}
		}
		d.Resources = append(d.Resources, frozen)
	}
	sort.Slice(d.Resources, func(i, j int) bool { return d.Resources[i].GetPath() < d.Resources[j].GetPath() })
	d.Models = sorted(t.Models)
	d.RequestValidators = sorted(t.Validators)
	d.Authorizers = sorted(t.Authorizers)
	d.GatewayResponses = sorted(t.GatewayResponses)
	return d
}

func pathOf(t *draft.Tree, id string) string {
	var parts []string
	for r := t.Resources[id]; r != nil && r.ParentId != nil; r = t.Resources[r.GetParentId()] {
		parts = append(parts, r.GetPathPart())
	}
	slices.Reverse(parts)
	return "/" + strings.Join(parts, "/")
}

func sorted[N any](m map[string]N) []N {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	out := make([]N, 0, len(m))
	for _, k := range keys {
		out = append(out, m[k])
	}
	return out
}

// Content is a frozen deployment as it is stored.
type Content struct {
	// Hash names it: SHA-256 over the bytes, taken here once.
	Hash   string
	Chunks int
	bytes  []byte
}

// Pack makes the stored bytes of a content.
func Pack(d *snapshotv1.Deployment) (Content, error) {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(d)
	if err != nil {
		return Content{}, fmt.Errorf("freeze %s: %w", d.ApiId, err)
	}
	sum := sha256.Sum256(b)
	return Content{hex.EncodeToString(sum[:]), (len(b) + chunkSize - 1) / chunkSize, b}, nil
}

func chunkKey(scope draft.Scope, api, hash string, i int) string {
	return scope.Key(draft.Frozen, api, hash, fmt.Sprintf("%05d", i))
}

// Write stores the chunks of a content. Nothing points at them before the transaction that makes the deployment.
func Write(ctx context.Context, client draft.Client, scope draft.Scope, api string, c Content) error {
	for i := range c.Chunks {
		end := min((i+1)*chunkSize, len(c.bytes))
		if _, err := client.Put(ctx, chunkKey(scope, api, c.Hash, i), string(c.bytes[i*chunkSize:end])); err != nil {
			return fmt.Errorf("write content of %s: %w", api, err)
		}
	}
	return nil
}

// Hold keeps the chunks of a content in place until the transaction commits: they are written again when the deletion of
// another deployment with the same content took them away meanwhile.
func Hold(tx *draft.Tx, client draft.Client, api string, c Content) error {
	last := chunkKey(tx.Scope, api, c.Hash, c.Chunks-1)
	ok, err := tx.Exists(last)
	if err != nil || ok {
		return err
	}
	if err := Write(tx.Context(), client, tx.Scope, api, c); err != nil {
		return err
	}
	return draft.ErrRetry
}

// errGone tells that a content is not in the store.
var errGone = errors.New("the content is gone")

// readChunks reads the stored bytes of a content, chunk by chunk.
func readChunks(ctx context.Context, client draft.Client, scope draft.Scope, api, hash string) ([][]byte, error) {
	res, err := client.Get(ctx, scope.Prefix(draft.Frozen, api, hash), clientv3.WithPrefix())
	if err != nil {
		return nil, fmt.Errorf("read content of %s: %w", api, err)
	}
	if len(res.Kvs) == 0 {
		return nil, fmt.Errorf("read content %s of %s: %w", hash, api, errGone)
	}
	out := make([][]byte, len(res.Kvs))
	for i, kv := range res.Kvs {
		out[i] = kv.Value
	}
	return out, nil
}

// Read gives back the content of a deployment.
func Read(ctx context.Context, client draft.Client, scope draft.Scope, api, hash string) (*snapshotv1.Deployment, error) {
	chunks, err := readChunks(ctx, client, scope, api, hash)
	if err != nil {
		return nil, err
	}
	d := &snapshotv1.Deployment{}
	if err := proto.Unmarshal(bytes.Join(chunks, nil), d); err != nil {
		return nil, fmt.Errorf("read content of %s: %w", api, err)
	}
	return d, nil
}
