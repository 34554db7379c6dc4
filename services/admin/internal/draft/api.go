package draft

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	storev1 "github.com/limen-gateway/limen/proto/store/v1"
)

// API is the draft of an API as one transaction sees it: its head, and the way to its content.
type API struct {
	ID string
	// RestAPI is the head of a REST API, V2 that of a WebSocket or HTTP API; the other one is nil.
	RestAPI *apigatewayv1.RestApi
	V2      *apigatewayv2v1.Api

	tx     *Tx
	record *storev1.Record
	pieces map[string]*storev1.Record // records of content that was read
	saved  bool
}

// API reads the head of a REST API; nil when the scope has none of this id. The head is guarded, and every writer of the
// API writes it (Save), so that everything read below it is guarded too.
func (t *Tx) API(id string) (*API, error) {
	noun := &apigatewayv1.RestApi{}
	return t.head(&API{ID: id, RestAPI: noun}, noun)
}

// V2 is API for WebSocket and HTTP APIs.
func (t *Tx) V2(id string) (*API, error) {
	noun := &apigatewayv2v1.Api{}
	return t.head(&API{ID: id, V2: noun}, noun)
}

func (t *Tx) head(a *API, noun proto.Message) (*API, error) {
	a.tx, a.pieces = t, map[string]*storev1.Record{}
	r, err := t.Get(a.headKey(), noun)
	if err != nil || r == nil {
		return nil, err
	}
	a.record = r
	return a, nil
}

// CreateAPI makes the head of a new REST API, whose id nobody in the installation has.
func (t *Tx) CreateAPI(noun *apigatewayv1.RestApi, generation string) (*API, error) {
	return t.createHead(&API{ID: noun.GetId(), RestAPI: noun}, generation)
}

// CreateV2 makes the head of a new WebSocket or HTTP API, without content; its id is unique among all APIs.
func (t *Tx) CreateV2(noun *apigatewayv2v1.Api) (*API, error) {
	return t.createHead(&API{ID: noun.GetApiId(), V2: noun}, t.NewID(generationID))
}

func (t *Tx) createHead(a *API, generation string) (*API, error) {
	t.Claim(apiOwner(a.ID), t.Scope.Region+"/"+t.Scope.Account)
	a.tx, a.pieces, a.saved = t, map[string]*storev1.Record{}, true
	a.record = &storev1.Record{Account: t.Scope.Account, Region: t.Scope.Region, Created: timestamppb.New(t.store.now()), Generation: generation}
	return a, t.Create(a.headKey(), a.record, a.noun())
}

func (a *API) headKey() string {
	kind := RestAPIs
	if a.V2 != nil {
		kind = APIs
	}
	return a.tx.Scope.Key(kind, a.ID)
}

func (a *API) noun() proto.Message {
	if a.V2 != nil {
		return a.V2
	}
	return a.RestAPI
}

// Revision tells states of the API apart: it is another one after every change of its head or content.
func (a *API) Revision() int64 { return a.tx.guards[a.headKey()] }

// Save writes the head, once; every change of the content calls it.
func (a *API) Save() error {
	if a.saved {
		return nil
	}
	a.saved = true
	return a.tx.Put(a.headKey(), a.record, a.noun())
}

// Delete removes the API with its content, stages, deployments and frozen bytes.
func (a *API) Delete() {
	t := a.tx
	a.saved = true
	t.Delete(a.headKey())
	t.Delete(apiOwner(a.ID))
	for _, kind := range []string{Content, Stages, Deployments, Frozen} {
		t.DeleteRange(t.Scope.Prefix(kind, a.ID))
	}
}

// Tx is the transaction the API was read in.
func (a *API) Tx() *Tx { return a.tx }

func (a *API) key(segments ...string) string {
	return a.tx.Scope.Key(append([]string{Content, a.ID, a.record.Generation}, segments...)...)
}

// Prefix is the range of one kind of content.
func (a *API) Prefix(segments ...string) string { return a.key(segments...) + "/" }

// Get reads a piece of content; false when there is none.
func (a *API) Get(noun proto.Message, segments ...string) (bool, error) {
	key := a.key(segments...)
	r, err := a.tx.Get(key, noun)
	a.pieces[key] = r
	return r != nil, err
}

// Has tells whether a piece of content is there.
func (a *API) Has(segments ...string) (bool, error) { return a.tx.Exists(a.key(segments...)) }

// Put writes a piece of content, and the head.
func (a *API) Put(noun proto.Message, segments ...string) error {
	key := a.key(segments...)
	if err := a.tx.Put(key, a.pieces[key], noun); err != nil {
		return err
	}
	return a.Save()
}

// Remove deletes a piece of content, and writes the head.
func (a *API) Remove(segments ...string) error {
	a.tx.Delete(a.key(segments...))
	return a.Save()
}

// RemoveBelow deletes everything of a kind below the segments, and writes the head.
func (a *API) RemoveBelow(segments ...string) error {
	a.tx.DeleteRange(a.Prefix(segments...))
	return a.Save()
}

// All reads every piece of one kind, in the order of keys, as nouns that fresh makes.
func All[N proto.Message](a *API, fresh func() N, segments ...string) ([]N, error) {
	entries, err := a.tx.Range(a.Prefix(segments...))
	if err != nil {
		return nil, err
	}
	return Nouns(entries, fresh)
}

// Nouns decodes the entries of a range.
func Nouns[N proto.Message](entries []Entry, fresh func() N) ([]N, error) {
	out := make([]N, len(entries))
	for i, e := range entries {
		out[i] = fresh()
		if _, err := Decode(e.Value, out[i]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
