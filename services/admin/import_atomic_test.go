package admin_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/platform/etcdtest"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/admin/internal/apigateway"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/identity"
)

// mortal is an etcd client of a process that dies at its n-th write: nothing that it sends from then on arrives. With
// heard, the last write arrives and its answer is lost.
type mortal struct {
	mu     sync.Mutex
	dies   int // 0: never
	heard  bool
	writes int
	cancel context.CancelFunc // called instead of dying, when set
}

var errDead = status.Error(codes.Aborted, "the process is dead")

func (m *mortal) intercept(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
	m.mu.Lock()
	if isWrite(req) {
		m.writes++
	}
	dead, last := m.dies > 0 && m.writes >= m.dies, isWrite(req) && m.writes == m.dies
	m.mu.Unlock()
	switch {
	case dead && m.cancel != nil:
		m.cancel()
	case dead && last && m.heard:
		_ = invoke(ctx, method, req, reply, cc, opts...)
		return errDead
	case dead:
		return errDead
	}
	return invoke(ctx, method, req, reply, cc, opts...)
}

func isWrite(req any) bool {
	switch r := req.(type) {
	case *pb.TxnRequest:
		return slices.ContainsFunc(r.Success, func(o *pb.RequestOp) bool { return o.GetRequestPut() != nil || o.GetRequestDeleteRange() != nil })
	case *pb.PutRequest, *pb.DeleteRangeRequest, *pb.LeaseGrantRequest, *pb.LeaseRevokeRequest:
		return true
	}
	return false
}

func randomID(length int) string {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	b := make([]byte, length)
	for i := range b {
		b[i] = letters[rand.IntN(len(letters))]
	}
	return string(b)
}

// process is a control plane of one account without any face, whose writes can be cut off.
type process struct {
	*apigateway.Service
	store *draft.Store
	fate  *mortal
}

func startProcess(t *testing.T, etcd *etcdtest.Server, fate *mortal) *process {
	t.Helper()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{etcd.Endpoint}, DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(fate.intercept)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	store := draft.New(client, time.Now, randomID)
	return &process{apigateway.New(store, nil), store, fate}
}

var aliceScope = draft.Scope{Account: alice.Account, Region: "us-east-1"}

func asAlice(ctx context.Context) context.Context {
	return identity.Incoming(ctx, identity.Caller{Account: alice.Account, Region: "us-east-1", ARN: "arn:aws:iam::" + alice.Account + ":root"})
}

// content tells which document an API holds, by its title and its number of methods; a mix is an error.
func (p *process) content(ctx context.Context, api string) (string, error) {
	out := ""
	err := p.store.Read(ctx, aliceScope, func(tx *draft.Tx) error {
		a, err := tx.API(api)
		if err != nil || a == nil {
			return err
		}
		tree, err := a.Load()
		if err != nil {
			return err
		}
		titles, methods := map[string]bool{a.RestAPI.GetName(): true}, 0
		for _, byVerb := range tree.Methods {
			for _, m := range byVerb {
				title, _, _ := strings.Cut(m.MethodIntegration.RequestTemplates.Entries["application/json"], " ")
				titles[title] = true
				methods++
			}
		}
		if len(titles) != 1 || len(tree.Resources) != 2*methods+1 {
			return fmt.Errorf("a mix: %v, %d methods, %d resources", titles, methods, len(tree.Resources))
		}
		out = fmt.Sprintf("%s %d", a.RestAPI.GetName(), methods)
		return nil
	})
	return out, err
}

// forgetWriters lets the leases of dead writers run out, and collects what they left.
func forgetWriters(t *testing.T, etcd *etcdtest.Server, store *draft.Store, generations int) {
	t.Helper()
	ctx := t.Context()
	leases, err := etcd.Client.Leases(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leases.Leases {
		if _, err := etcd.Client.Revoke(ctx, l.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := store.Collect(ctx); err != nil {
		t.Fatal(err)
	}
	keys, err := etcd.Client.Get(ctx, aliceScope.Prefix(draft.Content), clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		t.Fatal(err)
	}
	left := map[string]bool{}
	for _, kv := range keys.Kvs {
		p, _ := draft.ParseKey(string(kv.Key))
		left[strings.Join(p.Segments[:3], "/")] = true
	}
	if len(left) != generations {
		t.Errorf("%d generations are left, want %d: %v", len(left), generations, left)
	}
}

// The document of the foundations: 2,000 routes, 5 MB of templates.
const (
	manyRoutes = 2000
	muchText   = 5 << 20
)

// TestPutIsAtomic kills the process at every write of a large put: readers see what was there before or all of the
// document, and what the dead left is collected.
func TestPutIsAtomic(t *testing.T) {
	etcd := etcdtest.Start(t)
	healthy := startProcess(t, etcd, &mortal{})
	ctx := asAlice(t.Context())
	api, err := healthy.ImportRestApi(ctx, &apigatewayv1.ImportRestApiRequest{Body: []byte(routesDocument("old", 10, 100))})
	if err != nil {
		t.Fatal(err)
	}
	put := &apigatewayv1.PutRestApiRequest{RestApiId: api.Id, Mode: ptr("overwrite"), Body: []byte(routesDocument("new", manyRoutes, muchText))}
	back := &apigatewayv1.PutRestApiRequest{RestApiId: api.Id, Mode: ptr("overwrite"), Body: []byte(routesDocument("old", 10, 100))}
	fullName := fmt.Sprintf("new %d", manyRoutes)

	first := 1
	for _, heard := range []bool{false, true} {
		done, flips := false, 0
		for n := first; !done; n++ {
			p := startProcess(t, etcd, &mortal{dies: n, heard: heard})
			_, err := p.PutRestApi(ctx, put)
			got, readErr := healthy.content(ctx, api.GetId())
			switch {
			case readErr != nil:
				t.Fatalf("killed at write %d: %v", n, readErr)
			case err == nil && got != fullName:
				t.Fatalf("killed at write %d: acknowledged, but readers see %q", n, got)
			case got != "old 10" && got != fullName:
				t.Fatalf("killed at write %d: readers see %q", n, got)
			case got == fullName && err != nil:
				flips++ // only the answer was lost
			}
			done = err == nil
			if got == fullName && !done {
				if _, err := healthy.PutRestApi(ctx, back); err != nil {
					t.Fatal(err)
				}
			}
			if n%8 == 0 || done {
				forgetWriters(t, etcd, healthy.store, 1)
			}
			if testing.Short() && n == 3 {
				break
			}
			if done && n < manyRoutes*3/100 {
				t.Errorf("%d writes for %d routes", n, manyRoutes)
			}
			first = n - 4 // whether the answer arrives matters at the last writes
		}
		first = max(first, 1)
		if want := map[bool]int{false: 0, true: 1}[heard]; !testing.Short() && flips != want {
			t.Errorf("the new content came with %d lost answers, want %d", flips, want)
		}
		if _, err := healthy.PutRestApi(ctx, back); err != nil {
			t.Fatal(err)
		}
	}
}

// TestImportIsAtomic kills the process at writes of a large import: there is no API, or all of it.
func TestImportIsAtomic(t *testing.T) {
	etcd := etcdtest.Start(t)
	healthy := startProcess(t, etcd, &mortal{})
	ctx := asAlice(t.Context())
	req := &apigatewayv1.ImportRestApiRequest{Body: []byte(routesDocument("new", manyRoutes, muchText))}
	for _, n := range []int{1, 2, 3, 20, 40, 60} {
		p := startProcess(t, etcd, &mortal{dies: n})
		if _, err := p.ImportRestApi(ctx, req); err == nil {
			t.Fatalf("the import needs fewer than %d writes", n)
		}
		apis, err := healthy.GetRestApis(ctx, &apigatewayv1.GetRestApisRequest{})
		if err != nil || len(apis.Items.Items) != 0 {
			t.Fatalf("killed at write %d: %v %v", n, apis, err)
		}
	}
	forgetWriters(t, etcd, healthy.store, 0)
}

// TestCallerGoesAway: a caller that hangs up in the middle leaves nothing, without any collection.
func TestCallerGoesAway(t *testing.T) {
	etcd := etcdtest.Start(t)
	ctx, cancel := context.WithCancel(asAlice(t.Context()))
	p := startProcess(t, etcd, &mortal{dies: 20, cancel: cancel})
	_, err := p.ImportRestApi(ctx, &apigatewayv1.ImportRestApiRequest{Body: []byte(routesDocument("new", manyRoutes, muchText))})
	if !errors.Is(err, context.Canceled) && status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	keys, err := etcd.Client.Get(t.Context(), aliceScope.Prefix(draft.Content), clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err != nil || keys.Count != 0 {
		t.Errorf("%d keys are left, %v", keys.Count, err)
	}
}

// TestReadersDuringPut reads all the time while large documents take each other's place.
func TestReadersDuringPut(t *testing.T) {
	etcd := etcdtest.Start(t)
	p := startProcess(t, etcd, &mortal{})
	ctx := asAlice(t.Context())
	api, err := p.ImportRestApi(ctx, &apigatewayv1.ImportRestApiRequest{Body: []byte(routesDocument("a", manyRoutes/2, muchText/2))})
	if err != nil {
		t.Fatal(err)
	}
	stop, seen := make(chan struct{}), make(chan map[string]int, 1)
	go func() {
		counts := map[string]int{}
		for {
			select {
			case <-stop:
				seen <- counts
				return
			default:
				got, err := p.content(ctx, api.GetId())
				if err != nil {
					t.Error(err)
				}
				counts[got]++
			}
		}
	}()
	for _, title := range []string{"b", "c"} {
		_, err := p.PutRestApi(ctx, &apigatewayv1.PutRestApiRequest{RestApiId: api.Id, Mode: ptr("overwrite"), Body: []byte(routesDocument(title, manyRoutes/2, muchText/2))})
		if err != nil {
			t.Error(err)
		}
	}
	close(stop)
	if counts := <-seen; counts["a 1000"]+counts["b 1000"]+counts["c 1000"] == 0 {
		t.Errorf("readers saw %v", counts)
	}
}

func ptr[T any](v T) *T { return &v }
