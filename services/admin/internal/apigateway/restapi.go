package apigateway

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/patch"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/operation"
)

// Lengths of ids. spec/control-plane.md 3.
const (
	longID  = 10
	shortID = 6
)

// CreateRestApi makes an API with its root resource and the models Empty and Error, or a copy of another one.
func (s *Service) CreateRestApi(ctx context.Context, req *apigatewayv1.CreateRestApiRequest) (*apigatewayv1.RestApi, error) {
	scope, err := operation.Scope(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkRestAPI(req); err != nil {
		return nil, err
	}
	for {
		tree, err := s.newTree(ctx, req)
		if err != nil {
			return nil, err
		}
		_, err = s.store.CreateTree(ctx, scope, tree)
		if errors.Is(err, draft.ErrOvertaken) {
			continue // the random id belongs to somebody
		}
		return restAPIView(tree.RestAPI), err
	}
}

func (s *Service) newTree(ctx context.Context, req *apigatewayv1.CreateRestApiRequest) (*draft.Tree, error) {
	api := &apigatewayv1.RestApi{}
	req.CopyTo(api)
	if err := s.completeRestAPI(api); err != nil {
		return nil, err
	}
	if req.CloneFrom != nil {
		return s.cloneTree(ctx, api, req.GetCloneFrom())
	}
	return freshTree(api), nil
}

// completeRestAPI gives a new API its id and AWS's defaults.
func (s *Service) completeRestAPI(api *apigatewayv1.RestApi) error {
	api.Id, api.RootResourceId, api.CreatedDate = ptr(s.store.NewID(longID)), ptr(s.store.NewID(longID)), s.timestamp()
	orDefault(&api.ApiKeySource, "HEADER")
	orDefault(&api.DisableExecuteApiEndpoint, false)
	if api.EndpointConfiguration == nil {
		api.EndpointConfiguration = &apigatewayv1.EndpointConfiguration{}
	}
	e := api.EndpointConfiguration
	if e.Types == nil {
		e.Types = &apigatewayv1.StringList{Items: []string{"EDGE"}}
	}
	private := e.Types.Items[0] == "PRIVATE"
	ip, tls := "ipv4", "TLS_1_0"
	if private {
		ip, tls = "dualstack", "TLS_1_2"
	}
	orDefault(&e.IpAddressType, ip)
	orDefault(&api.SecurityPolicy, tls)
	if api.Policy != nil {
		return storePolicy(api)
	}
	return nil
}

// freshTree is the content of a new API. spec/control-plane.md 5.1.
func freshTree(api *apigatewayv1.RestApi) *draft.Tree {
	t := draft.NewTree(api)
	t.Resources[api.GetRootResourceId()] = &apigatewayv1.Resource{Id: api.RootResourceId}
	for _, m := range defaultModels() {
		m.Id = ptr(strings.ToLower(m.GetName()) + api.GetId()[:2])
		t.Models[m.GetName()] = m
	}
	return t
}

func defaultModels() []*apigatewayv1.Model {
	const schema = "http://json-schema.org/draft-04/schema#"
	return []*apigatewayv1.Model{
		{Name: ptr("Empty"), ContentType: ptr("application/json"), Description: ptr("This is a default empty schema model"),
			Schema: ptr("{\n  \"$schema\": \"" + schema + "\",\n  \"title\" : \"Empty Schema\",\n  \"type\" : \"object\"\n}")},
		{Name: ptr("Error"), ContentType: ptr("application/json"), Description: ptr("This is a default error schema model"),
			Schema: ptr("{\n  \"$schema\" : \"" + schema + "\",\n  \"title\" : \"Error Schema\",\n  \"type\" : \"object\",\n  \"properties\" : {\n    \"message\" : { \"type\" : \"string\" }\n  }\n}")},
	}
}

// cloneTree copies the content of another API of the account under new resource ids.
func (s *Service) cloneTree(ctx context.Context, api *apigatewayv1.RestApi, from string) (*draft.Tree, error) {
	tree := draft.NewTree(api)
	err := s.readAPI(ctx, from, unknownAPI(ctx, from), func(a *draft.API) error {
		source, err := a.Load()
		if err != nil {
			return err
		}
		ids := map[string]string{source.RestAPI.GetRootResourceId(): api.GetRootResourceId()}
		for id := range source.Resources {
			if ids[id] == "" {
				ids[id] = s.store.NewID(shortID)
			}
		}
		tree.Models, tree.Validators, tree.Authorizers, tree.GatewayResponses = source.Models, source.Validators, source.Authorizers, source.GatewayResponses
		for id, r := range source.Resources {
			r.Id = ptr(ids[id])
			if r.ParentId != nil {
				r.ParentId = ptr(ids[r.GetParentId()])
			}
			tree.Resources[ids[id]] = r
			for _, m := range source.Methods[id] {
				if i := m.MethodIntegration; i != nil && i.GetCacheNamespace() == id {
					i.CacheNamespace = ptr(ids[id])
				}
				tree.PutMethod(ids[id], m)
			}
		}
		return nil
	})
	return tree, err
}

// checkRestAPI finds the first semantic fault, the description before all others (spec/control-plane.md 4.1).
func checkRestAPI(req *apigatewayv1.CreateRestApiRequest) error {
	if req.Description != nil && req.GetDescription() == "" {
		return fault.BadRequest("Description cannot be an empty string")
	}
	if req.GetName() == "" {
		return fault.BadRequest("Name must be non-empty")
	}
	if n := req.MinimumCompressionSize; n != nil && (*n < 0 || *n > 10485760) {
		return fault.BadRequest("Invalid minimum compression size, must be between 0 and 10485760")
	}
	if err := operation.CheckTags(req.Tags.GetEntries()); err != nil {
		return err
	}
	return checkEndpoint(req.EndpointConfiguration)
}

func checkEndpoint(e *apigatewayv1.EndpointConfiguration) error {
	if e == nil || e.Types == nil {
		return nil
	}
	switch items := e.Types.Items; {
	case len(items) == 0:
		return fault.BadRequest("REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.")
	case len(items) > 1:
		return fault.BadRequest("Cannot create an api with multiple Endpoint Types.")
	case items[0] == "PRIVATE" && e.GetIpAddressType() == "ipv4":
		return fault.BadRequest("Only dualstack ipAddressType is supported for Private APIs.")
	}
	return nil
}

// maxPolicy is the size of a resource policy. spec/rest.md 3.8.
const maxPolicy = 8192

// storePolicy checks a resource policy and completes the shorthand execute-api:/… with the API's ARN (spec/rest.md 3.8).
func storePolicy(api *apigatewayv1.RestApi) error {
	text := api.GetPolicy()
	var document map[string]any
	if err := json.Unmarshal([]byte(text), &document); err != nil {
		return fault.BadRequest("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.")
	}
	if utf8.RuneCountInString(text) > maxPolicy {
		return fault.BadRequest("Invalid policy document: it has more than %d characters", maxPolicy)
	}
	return nil
}

// GetRestApi answers one API.
func (s *Service) GetRestApi(ctx context.Context, req *apigatewayv1.GetRestApiRequest) (*apigatewayv1.RestApi, error) {
	var out *apigatewayv1.RestApi
	err := s.readAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		out = restAPIAlone(a.RestAPI)
		return nil
	})
	return out, err
}

// GetRestApis pages through the account's APIs, in the order of their ids.
func (s *Service) GetRestApis(ctx context.Context, req *apigatewayv1.GetRestApisRequest) (*apigatewayv1.RestApis, error) {
	out := &apigatewayv1.RestApis{Items: &apigatewayv1.RestApiList{}}
	err := s.read(ctx, func(tx *draft.Tx) error {
		items, next, err := list(tx, tx.Scope.Prefix(draft.RestAPIs), req.Position, req.Limit, func() *apigatewayv1.RestApi { return &apigatewayv1.RestApi{} }, nil)
		for _, api := range items {
			out.Items.Items = append(out.Items.Items, restAPIView(api))
		}
		out.Position = next
		return err
	})
	return out, err
}

// UpdateRestApi patches the API itself; what it holds has operations of its own.
func (s *Service) UpdateRestApi(ctx context.Context, req *apigatewayv1.UpdateRestApiRequest) (*apigatewayv1.RestApi, error) {
	var out *apigatewayv1.RestApi
	err := s.editAPI(ctx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
		changed := clone(a.RestAPI)
		if err := patch.RestAPI.Apply(changed, req.PatchOperations); err != nil {
			return err
		}
		if changed.GetPolicy() != a.RestAPI.GetPolicy() && changed.Policy != nil {
			if err := storePolicy(changed); err != nil {
				return err
			}
		}
		a.RestAPI = changed
		out = restAPIAlone(changed)
		return a.Save()
	})
	return out, err
}

// DeleteRestApi removes the API with all that belongs to it; edges forget its stages.
func (s *Service) DeleteRestApi(ctx context.Context, req *apigatewayv1.DeleteRestApiRequest) (*emptypb.Empty, error) {
	return empty, s.publish(ctx, func(tx *draft.Tx) error {
		return withAPI(tx, req.GetRestApiId(), unknownAPI(ctx, req.GetRestApiId()), func(a *draft.API) error {
			a.Delete()
			return nil
		})
	})
}

// restAPIView is the API as faces show it: the policy as escaped text, which Terraform can read only so, and empty members
// left out.
func restAPIView(api *apigatewayv1.RestApi) *apigatewayv1.RestApi {
	v := proto.Clone(api).(*apigatewayv1.RestApi)
	v.ApiStatus = ptr("AVAILABLE")
	if v.Policy != nil {
		v.Policy = ptr(escapePolicy(v.GetPolicy()))
	}
	if len(v.BinaryMediaTypes.GetItems()) == 0 {
		v.BinaryMediaTypes = nil
	}
	if len(v.Tags.GetEntries()) == 0 {
		v.Tags = nil
	}
	return v
}

// restAPIAlone is restAPIView for answers about one API that exists: they show that it has no tags (spec/control-plane.md 2).
func restAPIAlone(api *apigatewayv1.RestApi) *apigatewayv1.RestApi {
	v := restAPIView(api)
	if v.Tags == nil {
		v.Tags = &apigatewayv1.StringMap{}
	}
	return v
}

func escapePolicy(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(text)
}
