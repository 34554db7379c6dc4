package draft

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	storev1 "github.com/limen-gateway/limen/proto/store/v1"
)

// Tree is the whole content of an API in memory: what imports edit and deployments freeze.
type Tree struct {
	RestAPI          *apigatewayv1.RestApi
	Resources        map[string]*apigatewayv1.Resource          // by id
	Methods          map[string]map[string]*apigatewayv1.Method // by resource id and verb
	Models           map[string]*apigatewayv1.Model             // by name
	Validators       map[string]*apigatewayv1.RequestValidator  // by id
	Authorizers      map[string]*apigatewayv1.Authorizer        // by id
	GatewayResponses map[string]*apigatewayv1.GatewayResponse   // by type, the customised ones
}

// NewTree is an empty tree around a head.
func NewTree(api *apigatewayv1.RestApi) *Tree {
	return &Tree{
		RestAPI:          api,
		Resources:        map[string]*apigatewayv1.Resource{},
		Methods:          map[string]map[string]*apigatewayv1.Method{},
		Models:           map[string]*apigatewayv1.Model{},
		Validators:       map[string]*apigatewayv1.RequestValidator{},
		Authorizers:      map[string]*apigatewayv1.Authorizer{},
		GatewayResponses: map[string]*apigatewayv1.GatewayResponse{},
	}
}

// PutMethod sets a method of a resource.
func (t *Tree) PutMethod(resource string, m *apigatewayv1.Method) {
	if t.Methods[resource] == nil {
		t.Methods[resource] = map[string]*apigatewayv1.Method{}
	}
	t.Methods[resource][m.GetHttpMethod()] = m
}

// Load reads the whole content.
func (a *API) Load() (*Tree, error) {
	t := NewTree(a.RestAPI)
	entries, err := a.tx.Range(a.key() + "/")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if err := t.add(strings.Split(e.Name, "/"), e.Value); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (t *Tree) add(name []string, value []byte) error {
	noun := t.place(name)
	if noun == nil {
		return fmt.Errorf("content of unknown kind %s", strings.Join(name, "/"))
	}
	_, err := Decode(value, noun)
	return err
}

// place makes the noun that a key of content stands for.
func (t *Tree) place(name []string) proto.Message {
	switch {
	case name[0] == Methods && len(name) == 3:
		m := &apigatewayv1.Method{}
		if t.Methods[name[1]] == nil {
			t.Methods[name[1]] = map[string]*apigatewayv1.Method{}
		}
		t.Methods[name[1]][name[2]] = m
		return m
	case len(name) != 2:
		return nil
	}
	switch name[0] {
	case Resources:
		return put(t.Resources, name[1], &apigatewayv1.Resource{})
	case Models:
		return put(t.Models, name[1], &apigatewayv1.Model{})
	case Validators:
		return put(t.Validators, name[1], &apigatewayv1.RequestValidator{})
	case Authorizers:
		return put(t.Authorizers, name[1], &apigatewayv1.Authorizer{})
	case GatewayResponses:
		return put(t.GatewayResponses, name[1], &apigatewayv1.GatewayResponse{})
	}
	return nil
}

func put[N proto.Message](m map[string]N, key string, noun N) proto.Message {
	m[key] = noun
	return noun
}

// pieces lists the tree as keys and nouns, sorted.
func (t *Tree) pieces() []piece {
	var out []piece
	add := func(noun proto.Message, segments ...string) {
		out = append(out, piece{strings.Join(segments, "/"), noun})
	}
	for id, r := range t.Resources {
		add(r, Resources, id)
	}
	for resource, methods := range t.Methods {
		for verb, m := range methods {
			add(m, Methods, resource, verb)
		}
	}
	for name, m := range t.Models {
		add(m, Models, name)
	}
	for id, v := range t.Validators {
		add(v, Validators, id)
	}
	for id, a := range t.Authorizers {
		add(a, Authorizers, id)
	}
	for kind, g := range t.GatewayResponses {
		add(g, GatewayResponses, kind)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out
}

type piece struct {
	name string
	noun proto.Message
}

// generationID is the length of a generation's name.
const generationID = 12

// generationTTL is how long, in seconds, a generation whose writer died is left alone.
const generationTTL = 60

// marker is the key that lives, under a lease, while a generation is being written.
func marker(api, generation string) string {
	return installation + "generations/" + api + "/" + generation
}

// CreateTree makes a new API with the whole content of the tree: readers see nothing or all of it.
func (s *Store) CreateTree(ctx context.Context, scope Scope, tree *Tree) (int64, error) {
	return s.writeTree(ctx, scope, tree, func(tx *Tx, generation string) error {
		_, err := tx.CreateAPI(tree.RestAPI, generation)
		return err
	})
}

// ReplaceTree reads the content of an API, lets fn change the tree, and puts the result in its place at once: readers see
// the old content or the new, never a mix. fn gets nil when there is no such API. It runs again when somebody else changed
// the API meanwhile.
func (s *Store) ReplaceTree(ctx context.Context, scope Scope, api string, fn func(*Tree) error) (int64, error) {
	var rev int64
	err := Contend(ctx, func() (again bool, err error) {
		rev, err = s.tryReplace(ctx, scope, api, fn)
		return errors.Is(err, ErrOvertaken), err
	})
	return rev, err
}

// ErrOvertaken tells that the head moved, or that the id was taken, while a generation was written.
var ErrOvertaken = errors.New("somebody else changed the API")

func (s *Store) tryReplace(ctx context.Context, scope Scope, api string, fn func(*Tree) error) (int64, error) {
	before := s.begin(ctx, scope)
	a, err := before.API(api)
	if err != nil {
		return 0, err
	}
	var tree *Tree
	if a != nil {
		if tree, err = a.Load(); err != nil {
			return 0, err
		}
	}
	if err := fn(tree); err != nil {
		return 0, err
	}
	return s.writeTree(ctx, scope, tree, func(tx *Tx, generation string) error {
		tx.guard(scope.Key(RestAPIs, api), before.guards[scope.Key(RestAPIs, api)])
		old := a.record.Generation
		a.record.Generation = generation
		tx.DeleteRange(scope.Prefix(Content, api, old))
		return tx.Put(scope.Key(RestAPIs, api), a.record, tree.RestAPI)
	})
}

// writeTree writes a new generation, piece by piece, then flips the head in one transaction. What a dead writer left
// behind is collected later (Collect).
func (s *Store) writeTree(ctx context.Context, scope Scope, tree *Tree, flip func(*Tx, string) error) (int64, error) {
	api, generation := tree.RestAPI.GetId(), s.id(generationID)
	lease, err := s.client.Grant(ctx, generationTTL)
	if err != nil {
		return 0, fmt.Errorf("write generation: %w", err)
	}
	if _, err := s.client.Put(ctx, marker(api, generation), scope.Region+"/"+scope.Account, clientv3.WithLease(lease.ID)); err != nil {
		return 0, fmt.Errorf("write generation: %w", err)
	}
	stop := s.keepAlive(ctx, lease.ID)
	defer stop()
	prefix := scope.Prefix(Content, api, generation)
	if err := s.writePieces(ctx, scope, prefix, tree.pieces()); err != nil {
		s.drop(prefix, lease.ID)
		return 0, err
	}
	tx := s.begin(ctx, scope)
	if err := flip(tx, generation); err != nil {
		s.drop(prefix, lease.ID)
		return 0, err
	}
	tx.guardExists(marker(api, generation))
	rev, ok, err := tx.commit()
	switch {
	case err == nil && !ok:
		s.drop(prefix, lease.ID)
		return 0, ErrOvertaken
	case errors.Is(err, ErrTooLarge):
		s.drop(prefix, lease.ID)
		return 0, err
	case err != nil:
		// The flip may have happened, and its answer was lost: only Collect, which looks at the head, may judge.
		return 0, err
	}
	_, _ = s.client.Revoke(context.WithoutCancel(ctx), lease.ID)
	return rev, nil
}

// guardExists lets the commit fail when a key is gone: a generation whose marker ran out may have been collected.
func (t *Tx) guardExists(key string) { t.guard(key, present) }

// drop removes a generation that was never flipped to; Collect does it when this fails.
func (s *Store) drop(prefix string, lease clientv3.LeaseID) {
	ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
	defer cancel()
	_, _ = s.client.Delete(ctx, prefix, clientv3.WithPrefix())
	_, _ = s.client.Revoke(ctx, lease)
}

// keepAlive renews a lease until stop is called.
func (s *Store) keepAlive(ctx context.Context, lease clientv3.LeaseID) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	alive, err := s.client.KeepAlive(ctx, lease)
	go func() {
		defer close(done)
		for err == nil {
			if _, ok := <-alive; !ok {
				return
			}
		}
	}()
	return func() { cancel(); <-done }
}

func (s *Store) writePieces(ctx context.Context, scope Scope, prefix string, pieces []piece) error {
	now := timestamppb.New(s.now())
	var ops []clientv3.Op
	size := 0
	flush := func() error {
		if len(ops) == 0 {
			return nil
		}
		if _, err := s.client.Txn(ctx).Then(ops...).Commit(); err != nil {
			return fmt.Errorf("write generation: %w", err)
		}
		ops, size = nil, 0
		return nil
	}
	for _, p := range pieces {
		packed, err := anypb.New(p.noun)
		if err != nil {
			return err
		}
		r := &storev1.Record{Account: scope.Account, Region: scope.Region, Created: now, Updated: now, Actor: scope.Actor, Noun: packed}
		value, err := proto.Marshal(r)
		if err != nil {
			return err
		}
		if len(value) > maxBytes-1024 {
			return fault.BadRequest("%s takes %d bytes, at most %d fit one record", p.name, len(value), maxBytes-1024)
		}
		if len(ops) == maxOperations || size+len(value) > maxBytes {
			if err := flush(); err != nil {
				return err
			}
		}
		ops = append(ops, clientv3.OpPut(prefix+p.name, string(value)))
		size += len(value) + len(prefix) + len(p.name)
	}
	return flush()
}
