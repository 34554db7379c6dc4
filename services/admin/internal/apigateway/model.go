package apigateway

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/patch"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

var (
	modelName = regexp.MustCompile(`^[a-zA-Z0-9]+$`)
	// modelReference is the canonical form of a reference to another model of the API. spec/rest.md 2.3.
	modelReference = regexp.MustCompile(`^https://apigateway\.amazonaws\.com/restapis/([^/]+)/models/([a-zA-Z0-9]+)$`)
)

// maxModels is the size of all schemas of an API together. spec/rest.md 2.3.
const maxModels = 400 << 10

func unknownModel(name string) error { return fault.NotFound("Invalid model name specified: %s", name) }

func freshModel() *apigatewayv1.Model { return &apigatewayv1.Model{} }

// CreateModel adds a schema to an API.
func (s *Service) CreateModel(ctx context.Context, req *apigatewayv1.CreateModelRequest) (*apigatewayv1.Model, error) {
	m := &apigatewayv1.Model{}
	req.CopyTo(m)
	if m.GetDescription() == "" {
		m.Description = nil
	}
	err := s.editAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		if err := checkModel(a, m); err != nil {
			return err
		}
		exists, err := a.Has(draft.Models, m.GetName())
		if err != nil {
			return err
		}
		if exists {
			return fault.Conflict("Model name already exists for this REST API")
		}
		m.Id = ptr(s.store.NewID(shortID))
		return a.Put(m, draft.Models, m.GetName())
	})
	return m, err
}

// checkModel finds the first fault of a model.
func checkModel(a *draft.API, m *apigatewayv1.Model) error {
	switch {
	case m.GetName() == "":
		return fault.BadRequest("Model name must be non-empty")
	case !modelName.MatchString(m.GetName()):
		return fault.BadRequest("Model name must be alphanumeric: %s", m.GetName())
	case !contentType.MatchString(m.GetContentType()) || m.GetContentType() == "$default":
		return fault.BadRequest("Validation Result: warnings : [], errors : [Invalid content type specified: %s]", m.GetContentType())
	}
	if err := checkSchema(a.ID, m.GetSchema()); err != nil {
		return err
	}
	others, err := draft.All(a, freshModel, draft.Models)
	size := len(m.GetSchema())
	for _, o := range others {
		if o.GetName() != m.GetName() {
			size += len(o.GetSchema())
		}
	}
	if err == nil && size > maxModels {
		return fault.BadRequest("The models of an API may have %d bytes together, with this one they have %d", maxModels, size)
	}
	return err
}

// checkSchema checks the form of a schema and of its references. That a model referred to exists is checked when the API is
// deployed: models may be made in any order.
func checkSchema(api, schema string) error {
	if schema == "" {
		return fault.BadRequest("Model schema must have at least 1 property or array items defined")
	}
	document, err := parseSchema(schema)
	if err != nil {
		return fault.BadRequest("Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified]")
	}
	return eachReference(document, func(node map[string]any, ref string) error {
		if strings.HasPrefix(ref, "#") {
			return nil
		}
		if parts := modelReference.FindStringSubmatch(ref); parts == nil || parts[1] != api {
			return fault.BadRequest("Invalid model specified: Validation Result: warnings : [], errors : [Invalid model schema specified. Model reference must be in canonical form]")
		}
		return nil
	})
}

// parseSchema reads a schema, which is a JSON object; numbers keep their digits.
func parseSchema(text string) (map[string]any, error) {
	var document map[string]any
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	if err := d.Decode(&document); err != nil {
		return nil, err
	}
	if d.More() || document == nil {
		return nil, fault.BadRequest("a schema is one JSON object")
	}
	return document, nil
}

// namedSchemas are the keywords whose object maps names to schemas; data holds the ones whose value is no schema at all.
var (
	namedSchemas = []string{"properties", "patternProperties", "definitions", "dependencies"}
	data         = []string{"enum", "default"}
)

// eachReference visits every $ref of a schema with the object that holds it.
func eachReference(node any, visit func(map[string]any, string) error) error {
	switch n := node.(type) {
	case []any:
		for _, item := range n {
			if err := eachReference(item, visit); err != nil {
				return err
			}
		}
	case map[string]any:
		if ref, ok := n["$ref"].(string); ok {
			return visit(n, ref)
		}
		for _, key := range slices.Sorted(maps.Keys(n)) {
			if err := referencesBelow(key, n[key], visit); err != nil {
				return err
			}
		}
	}
	return nil
}

func referencesBelow(keyword string, value any, visit func(map[string]any, string) error) error {
	if slices.Contains(data, keyword) {
		return nil
	}
	named, ok := value.(map[string]any)
	if !ok || !slices.Contains(namedSchemas, keyword) {
		return eachReference(value, visit)
	}
	for _, name := range slices.Sorted(maps.Keys(named)) { // a property may be called $ref or default
		if err := eachReference(named[name], visit); err != nil {
			return err
		}
	}
	return nil
}

// GetModel answers one model; flattened, it holds the models it refers to.
func (s *Service) GetModel(ctx context.Context, req *apigatewayv1.GetModelRequest) (*apigatewayv1.Model, error) {
	m := &apigatewayv1.Model{}
	missing := unknownModel(req.GetModelName())
	err := s.readAPI(ctx, req.GetRestApiId(), missing, func(a *draft.API) error {
		ok, err := a.Get(m, draft.Models, req.GetModelName())
		if err != nil {
			return err
		}
		if !ok {
			return missing
		}
		if req.GetFlatten() {
			return flatten(a, m)
		}
		return nil
	})
	return m, err
}

// flatten moves the models that a schema refers to, directly or not, into its definitions, so that it stands on its own
// whatever they refer to. A schema that refers to none stays as its author wrote it.
func flatten(a *draft.API, m *apigatewayv1.Model) error {
	root, err := parseSchema(m.GetSchema())
	if err != nil {
		return err
	}
	f := &flattening{homes: map[string]string{m.GetName(): "#"}, definitions: map[string]any{}}
	if own, ok := root["definitions"].(map[string]any); ok {
		f.definitions = own
	}
	if err := f.relink(root, "#"); err != nil || len(f.found) == 0 {
		return err
	}
	for len(f.found) > 0 {
		name := f.found[0]
		f.found = f.found[1:]
		document, err := schemaOf(a, name)
		if err != nil {
			return err
		}
		f.definitions[strings.TrimPrefix(f.homes[name], definitions)] = document
		if err := f.relink(document, f.homes[name]); err != nil {
			return err
		}
	}
	root["definitions"] = f.definitions
	text, err := json.Marshal(root)
	m.Schema = ptr(string(text))
	return err
}

const definitions = "#/definitions/"

// flattening is the state of flatten: where each model it met goes, and whose schema is still to be fetched.
type flattening struct {
	homes       map[string]string
	definitions map[string]any
	found       []string
}

// relink lets the references of a document point to where things are once it lies at home.
func (f *flattening) relink(document map[string]any, home string) error {
	return eachReference(document, func(node map[string]any, ref string) error {
		if parts := modelReference.FindStringSubmatch(ref); parts != nil {
			node["$ref"] = f.homeOf(parts[2])
		} else if rest, ok := strings.CutPrefix(ref, "#"); ok {
			node["$ref"] = home + rest
		}
		return nil
	})
}

// homeOf gives a model its place, under a name that the author's own definitions leave free.
func (f *flattening) homeOf(name string) string {
	if home, ok := f.homes[name]; ok {
		return home
	}
	key := name
	for {
		if _, taken := f.definitions[key]; !taken {
			break
		}
		key += "_"
	}
	f.definitions[key] = nil // held until the schema is fetched
	f.homes[name] = definitions + key
	f.found = append(f.found, name)
	return f.homes[name]
}

func schemaOf(a *draft.API, name string) (map[string]any, error) {
	m := &apigatewayv1.Model{}
	ok, err := a.Get(m, draft.Models, name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, unknownModel(name)
	}
	return parseSchema(m.GetSchema())
}

// GetModels pages through the models of an API, in the order of their names.
func (s *Service) GetModels(ctx context.Context, req *apigatewayv1.GetModelsRequest) (*apigatewayv1.Models, error) {
	out := &apigatewayv1.Models{Items: &apigatewayv1.ModelList{}}
	err := s.readAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		items, next, err := list(a.Tx(), a.Prefix(draft.Models), req.Position, req.Limit, freshModel, nil)
		out.Items.Items, out.Position = items, next
		return err
	})
	return out, err
}

// UpdateModel patches a model.
func (s *Service) UpdateModel(ctx context.Context, req *apigatewayv1.UpdateModelRequest) (*apigatewayv1.Model, error) {
	var m *apigatewayv1.Model
	missing := unknownModel(req.GetModelName())
	err := s.editAPI(ctx, req.GetRestApiId(), missing, func(a *draft.API) error {
		m = &apigatewayv1.Model{}
		ok, err := a.Get(m, draft.Models, req.GetModelName())
		if err != nil {
			return err
		}
		if !ok {
			return missing
		}
		if err := patch.Model.Apply(m, req.PatchOperations); err != nil {
			return err
		}
		if err := checkModel(a, m); err != nil {
			return err
		}
		return a.Put(m, draft.Models, m.GetName())
	})
	return m, err
}

// DeleteModel removes a model that no method names.
func (s *Service) DeleteModel(ctx context.Context, req *apigatewayv1.DeleteModelRequest) (*emptypb.Empty, error) {
	name := req.GetModelName()
	return empty, s.editAPI(ctx, req.GetRestApiId(), unknownModel(name), func(a *draft.API) error {
		ok, err := a.Has(draft.Models, name)
		if err != nil {
			return err
		}
		if !ok {
			return unknownModel(name)
		}
		if err := checkModelUnused(a, name); err != nil {
			return err
		}
		return a.Remove(draft.Models, name)
	})
}

func checkModelUnused(a *draft.API, name string) error {
	for _, use := range []struct {
		where string
		uses  func(*apigatewayv1.Method) bool
	}{
		{"request", func(m *apigatewayv1.Method) bool { return names(m.RequestModels, name) }},
		{"response", func(m *apigatewayv1.Method) bool {
			for _, r := range m.MethodResponses.GetEntries() {
				if names(r.ResponseModels, name) {
					return true
				}
			}
			return false
		}},
	} {
		user, err := lastUser(a, use.uses)
		if err != nil {
			return err
		}
		if user != "" {
			return fault.Conflict("Cannot delete model '%s', is referenced in method %s: %s", name, use.where, user)
		}
	}
	return nil
}

// names tells whether a map of content types names a model.
func names(models *apigatewayv1.StringMap, name string) bool {
	for _, n := range models.GetEntries() {
		if n == name {
			return true
		}
	}
	return false
}
