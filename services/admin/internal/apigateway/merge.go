package apigateway

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/openapi"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// merge brings a definition into the tree of an API. What the API has already of the same path or name keeps its id; the
// rest stays, or goes when the definition is to overwrite. It is also what a method may name (declared).
type merge struct {
	s           *Service
	tree        *draft.Tree
	overwrite   bool
	ids         map[string]string    // of the resources that the API had, by path
	paths       map[string]string    // ids of the resources of the tree, by path
	children    map[string]resources // by id of the parent, with the parent
	refused     map[string]bool      // paths that were reported
	validators  map[string]string    // ids by name
	authorizers map[string]string    // ids by name
	faults      openapi.Faults
}

func (s *Service) newMerge(tree *draft.Tree, overwrite bool) *merge {
	g := &merge{
		s: s, tree: tree, overwrite: overwrite, ids: map[string]string{}, paths: map[string]string{}, children: map[string]resources{},
		refused: map[string]bool{}, validators: map[string]string{}, authorizers: map[string]string{},
	}
	for id := range tree.Resources {
		g.ids[resources(tree.Resources).path(id)] = id
	}
	return g
}

// apply changes the tree, or refuses the definition with all its faults; the tree is of no use then.
func (g *merge) apply(def *openapi.Definition) error {
	g.members(def.API)
	g.models(def.Models)
	g.validatorsOf(def.Validators)
	g.authorizersOf(def.Authorizers)
	g.gatewayResponses(def.GatewayResponses)
	g.resources()
	for _, p := range def.Paths {
		g.path(p)
	}
	if len(g.faults) > 0 {
		return fault.BadRequest("%s", g.faults)
	}
	return nil
}

// check collects the fault of one thing; text says what could not be done.
func (g *merge) check(err error, text string, args ...any) {
	if err == nil {
		return
	}
	reason := err.Error()
	if f := fault.As(err); f != nil {
		reason = f.Message
	}
	g.faults = append(g.faults, fmt.Sprintf(text, args...)+": "+reason)
}

// members sets the members of the API. Overwriting clears what the document does not state, except for the endpoint and
// what belongs to it. spec/control-plane.md 8.1.
func (g *merge) members(def *apigatewayv1.RestApi) {
	api := g.tree.RestAPI
	if g.overwrite {
		api.Description, api.Version, api.Policy = nil, nil, nil
		api.BinaryMediaTypes, api.MinimumCompressionSize = nil, nil
		api.ApiKeySource = ptr("HEADER")
	}
	keep(&api.Name, def.Name)
	keep(&api.Description, def.Description)
	keep(&api.Version, def.Version)
	keep(&api.ApiKeySource, def.ApiKeySource)
	keep(&api.MinimumCompressionSize, def.MinimumCompressionSize)
	keep(&api.SecurityPolicy, def.SecurityPolicy)
	keep(&api.EndpointAccessMode, def.EndpointAccessMode)
	keep(&api.DisableExecuteApiEndpoint, def.DisableExecuteApiEndpoint)
	for _, mediaType := range def.BinaryMediaTypes.GetItems() { // merged, not replaced
		if api.BinaryMediaTypes == nil {
			api.BinaryMediaTypes = &apigatewayv1.StringList{}
		}
		if !slices.Contains(api.BinaryMediaTypes.Items, mediaType) {
			api.BinaryMediaTypes.Items = append(api.BinaryMediaTypes.Items, mediaType)
		}
	}
	if e := def.EndpointConfiguration; e.GetVpcEndpointIds() != nil {
		api.EndpointConfiguration.VpcEndpointIds = e.VpcEndpointIds
	}
	if def.Policy != nil {
		api.Policy = def.Policy
		g.check(storePolicy(api), "Unable to set the policy")
	}
}

// keep sets a member that a definition states.
func keep[T any](p **T, stated *T) {
	if stated != nil {
		*p = ptr(*stated)
	}
}

func (g *merge) models(defined []*apigatewayv1.Model) {
	old := g.tree.Models
	if g.overwrite {
		g.tree.Models = map[string]*apigatewayv1.Model{}
	}
	taken := map[string]bool{}
	for _, m := range old {
		taken[m.GetId()] = true
	}
	for _, m := range defined {
		m = clone(m)
		g.check(checkSchema(g.tree.RestAPI.GetId(), m.GetSchema()), "Unable to create model named '%s'", m.GetName())
		if before := old[m.GetName()]; before != nil {
			m.Id = before.Id
		} else {
			m.Id = ptr(g.newID(func(id string) bool { return taken[id] }))
			taken[m.GetId()] = true
		}
		g.tree.Models[m.GetName()] = m
		for _, d := range defaultModels() {
			if strings.Contains(m.GetSchema(), "/models/"+d.GetName()+`"`) {
				g.hasDefault(d.GetName())
			}
		}
	}
	size := 0
	for _, m := range g.tree.Models {
		size += len(m.GetSchema())
	}
	if size > maxModels {
		g.faults = append(g.faults, fmt.Sprintf("The models of an API may have %d bytes together, with those of the document they have %d", maxModels, size))
	}
}

func (g *merge) newID(taken func(string) bool) string {
	id := g.s.store.NewID(shortID)
	for taken(id) {
		id = g.s.store.NewID(shortID)
	}
	return id
}

func (g *merge) validatorsOf(defined []*apigatewayv1.RequestValidator) {
	old := g.tree.Validators
	for id, v := range old {
		g.validators[v.GetName()] = id
	}
	if g.overwrite {
		g.tree.Validators = map[string]*apigatewayv1.RequestValidator{}
	}
	for _, v := range defined {
		v = clone(v)
		g.check(checkValidator(v), "Unable to create request validator '%s'", v.GetName())
		id, ok := g.validators[v.GetName()]
		if !ok {
			id = g.newID(func(id string) bool { return old[id] != nil || g.tree.Validators[id] != nil })
			g.validators[v.GetName()] = id
		}
		v.Id = &id
		g.tree.Validators[id] = v
	}
}

func (g *merge) authorizersOf(defined []*apigatewayv1.Authorizer) {
	old := g.tree.Authorizers
	for id, z := range old {
		g.authorizers[z.GetName()] = id
	}
	if g.overwrite {
		g.tree.Authorizers = map[string]*apigatewayv1.Authorizer{}
	}
	for _, z := range defined {
		z = clone(z)
		completeAuthorizer(z)
		g.check(checkAuthorizerForm(z), "Unable to create authorizer '%s'", z.GetName())
		id, ok := g.authorizers[z.GetName()]
		if !ok {
			id = g.newID(func(id string) bool { return old[id] != nil || g.tree.Authorizers[id] != nil })
			g.authorizers[z.GetName()] = id
		}
		z.Id = &id
		g.tree.Authorizers[id] = z
	}
}

func (g *merge) gatewayResponses(defined []*apigatewayv1.GatewayResponse) {
	if g.overwrite {
		g.tree.GatewayResponses = map[string]*apigatewayv1.GatewayResponse{}
	}
	for _, r := range defined {
		g.check(checkGatewayResponse(r), "Unable to put gateway response '%s'", r.GetResponseType())
		g.tree.GatewayResponses[r.GetResponseType()] = clone(r)
	}
}

// resources prepares the tree that paths are placed in: all that is there, or the root alone.
func (g *merge) resources() {
	if g.overwrite {
		root := g.tree.RestAPI.GetRootResourceId()
		g.tree.Resources = map[string]*apigatewayv1.Resource{root: g.tree.Resources[root]}
		g.tree.Methods = map[string]map[string]*apigatewayv1.Method{}
	}
	for path, id := range g.ids {
		if r := g.tree.Resources[id]; r != nil {
			g.add(path, r)
		}
	}
}

func (g *merge) add(path string, r *apigatewayv1.Resource) {
	id := r.GetId()
	g.tree.Resources[id], g.paths[path] = r, id
	for _, parent := range []string{id, r.GetParentId()} {
		if parent == "" {
			continue
		}
		if g.children[parent] == nil {
			g.children[parent] = resources{}
		}
		g.children[parent][id] = r
	}
}

// path places a path with its methods.
func (g *merge) path(p openapi.Path) {
	id := g.place(p.Path)
	if id == "" {
		return
	}
	for _, m := range p.Methods {
		g.method(p.Path, id, clone(m))
	}
}

// place finds or makes the resource of a path and those above it; "" when that was refused.
func (g *merge) place(path string) string {
	id, at := g.tree.RestAPI.GetRootResourceId(), ""
	for _, part := range strings.FieldsFunc(path, func(r rune) bool { return r == '/' }) {
		parent := id
		at += "/" + part
		if g.refused[at] {
			return ""
		}
		if id = g.paths[at]; id != "" {
			continue
		}
		if err := g.children[parent].place(parent, part, ""); err != nil {
			g.check(err, "Unable to create resource at path '%s'", at)
			g.refused[at] = true
			return ""
		}
		if id = g.ids[at]; id == "" {
			id = g.newID(func(id string) bool { return g.tree.Resources[id] != nil })
		}
		g.add(at, &apigatewayv1.Resource{Id: ptr(id), ParentId: ptr(parent), PathPart: ptr(part)})
	}
	return id
}

// method puts a method in place of any other of its verb.
func (g *merge) method(path, resource string, m *apigatewayv1.Method) {
	verb := m.GetHttpMethod()
	putMethod := fmt.Sprintf("Unable to put method '%s' on resource at path '%s'", verb, path)
	if m.RequestValidatorId != nil {
		id, ok := g.validators[m.GetRequestValidatorId()]
		if !ok || g.tree.Validators[id] == nil {
			g.check(fault.BadRequest("Invalid Request Validator identifier specified"), "%s", putMethod)
			return
		}
		m.RequestValidatorId = &id
	}
	if m.AuthorizerId != nil {
		m.AuthorizerId = ptr(g.authorizers[m.GetAuthorizerId()])
	}
	g.check(checkMethod(g, m), "%s", putMethod)
	for _, status := range slices.Sorted(maps.Keys(m.MethodResponses.GetEntries())) {
		g.check(checkModels(g, m.MethodResponses.Entries[status].ResponseModels), "Unable to put response '%s' of method '%s' on resource at path '%s'", status, verb, path)
	}
	if m.MethodIntegration != nil {
		g.integration(path, resource, m)
	}
	g.tree.PutMethod(resource, m)
}

func (g *merge) integration(path, resource string, m *apigatewayv1.Method) {
	i := m.MethodIntegration
	completeIntegration(i, resource)
	err := checkIntegrationWords(i)
	if err == nil {
		err = checkIntegration(i, m)
	}
	g.check(err, "Unable to put integration on '%s' for resource at path '%s'", m.GetHttpMethod(), path)
	for _, status := range slices.Sorted(maps.Keys(i.IntegrationResponses.GetEntries())) {
		r := i.IntegrationResponses.Entries[status]
		err := checkWord("ContentHandling", r.ContentHandling, contentHandlings)
		if err == nil {
			err = checkIntegrationResponse(r)
		}
		g.check(err, "Unable to put integration response on '%s' for resource at path '%s'", m.GetHttpMethod(), path)
	}
}

// contentHandlings is what becomes of a body. Requests of single operations are held to such words by the model of the
// API; a document is not.
var contentHandlings = []string{"CONVERT_TO_BINARY", "CONVERT_TO_TEXT"}

func checkIntegrationWords(i *apigatewayv1.Integration) error {
	for _, w := range []struct {
		name  string
		value *string
		words []string
	}{
		{"IntegrationType", ptr(i.GetType()), []string{"HTTP", "AWS", "MOCK", "HTTP_PROXY", "AWS_PROXY"}},
		{"ContentHandling", i.ContentHandling, contentHandlings},
		{"ConnectionType", i.ConnectionType, []string{"INTERNET", "VPC_LINK"}},
		{"ResponseTransferMode", i.ResponseTransferMode, []string{"BUFFERED", "STREAM"}},
	} {
		if err := checkWord(w.name, w.value, w.words); err != nil {
			return err
		}
	}
	return nil
}

func checkWord(name string, value *string, words []string) error {
	if value == nil || slices.Contains(words, *value) {
		return nil
	}
	return fault.BadRequest("Invalid %s specified. Valid options are %s", name, strings.Join(words, ","))
}

func (g *merge) hasValidator(id string) (bool, error) { return g.tree.Validators[id] != nil, nil }

func (g *merge) hasModel(name string) (bool, error) {
	return g.tree.Models[name] != nil || g.hasDefault(name), nil
}

// hasDefault makes one of the models that every new API has and that documents name without declaring them
// (spec/control-plane.md 5.1).
func (g *merge) hasDefault(name string) bool {
	for _, m := range defaultModels() {
		if m.GetName() != name {
			continue
		}
		if g.tree.Models[name] == nil {
			m.Id = ptr(strings.ToLower(name) + g.tree.RestAPI.GetId()[:2])
			g.tree.Models[name] = m
		}
		return true
	}
	return false
}

func (g *merge) authorizer(id string) (*apigatewayv1.Authorizer, error) {
	return g.tree.Authorizers[id], nil
}
