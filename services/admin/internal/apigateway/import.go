package apigateway

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/openapi"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/operation"
)

// ImportRestApi makes an API from an OpenAPI document: all of it or nothing. spec/control-plane.md 8.1.
func (s *Service) ImportRestApi(ctx context.Context, req *apigatewayv1.ImportRestApiRequest) (*apigatewayv1.RestApi, error) {
	scope, err := operation.Scope(ctx)
	if err != nil {
		return nil, err
	}
	for {
		tree, warnings, err := s.importTree(scope, req)
		if err != nil {
			return nil, err
		}
		_, err = s.store.CreateTree(ctx, scope, tree)
		if errors.Is(err, draft.ErrOvertaken) {
			continue // the random id belongs to somebody
		}
		return importView(tree.RestAPI, warnings), err
	}
}

func (s *Service) importTree(scope draft.Scope, req *apigatewayv1.ImportRestApiRequest) (*draft.Tree, []openapi.Warning, error) {
	parameters := req.Parameters.GetEntries()
	id := s.store.NewID(longID)
	def, warnings, err := readDefinition(scope, id, req.GetBody(), parameters, req.GetFailOnWarnings())
	if err != nil {
		return nil, nil, err
	}
	api := &apigatewayv1.RestApi{EndpointConfiguration: def.API.EndpointConfiguration}
	if err := endpointTypes(api, parameters); err != nil {
		return nil, nil, err
	}
	err = checkRestAPI(&apigatewayv1.CreateRestApiRequest{Name: def.API.Name, EndpointConfiguration: api.EndpointConfiguration})
	if err != nil {
		return nil, nil, err
	}
	if err := s.completeRestAPI(api); err != nil {
		return nil, nil, err
	}
	api.Id = &id
	tree := draft.NewTree(api)
	tree.Resources[api.GetRootResourceId()] = &apigatewayv1.Resource{Id: api.RootResourceId}
	return tree, warnings, s.newMerge(tree, true).apply(def)
}

// endpointTypes applies the parameter endpointConfigurationTypes.
func endpointTypes(api *apigatewayv1.RestApi, parameters map[string]string) error {
	value, ok := parameters["endpointConfigurationTypes"]
	if !ok {
		return nil
	}
	types := strings.Split(value, ",")
	for _, t := range types {
		if !slices.Contains([]string{"REGIONAL", "EDGE", "PRIVATE"}, t) {
			return fault.BadRequest("Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE")
		}
	}
	if api.EndpointConfiguration == nil {
		api.EndpointConfiguration = &apigatewayv1.EndpointConfiguration{}
	}
	api.EndpointConfiguration.Types = &apigatewayv1.StringList{Items: types}
	return nil
}

// PutRestApi puts an OpenAPI document into an API: in place of what it has, or merged into it, method by method. Readers
// see the API before or after.
func (s *Service) PutRestApi(ctx context.Context, req *apigatewayv1.PutRestApiRequest) (*apigatewayv1.RestApi, error) {
	scope, err := operation.Scope(ctx)
	if err != nil {
		return nil, err
	}
	mode := req.GetMode()
	if mode != "" && mode != "merge" && mode != "overwrite" {
		return nil, fault.BadRequest("Invalid mode '%s' specified. Valid options are merge,overwrite", mode)
	}
	// The document is read before the API is looked for: a bad one is the fault that AWS answers first.
	def, warnings, err := readDefinition(scope, req.GetRestApiId(), req.GetBody(), req.Parameters.GetEntries(), req.GetFailOnWarnings())
	if err != nil {
		return nil, err
	}
	var out *apigatewayv1.RestApi
	_, err = s.store.ReplaceTree(ctx, scope, req.GetRestApiId(), func(tree *draft.Tree) error {
		if tree == nil {
			return unknownAPI(ctx, req.GetRestApiId())
		}
		if err := s.newMerge(tree, mode == "overwrite").apply(def); err != nil {
			return err
		}
		out = importView(tree.RestAPI, warnings)
		if out.Tags == nil {
			out.Tags = &apigatewayv1.StringMap{} // this answer alone shows that there are none
		}
		return nil
	})
	return out, err
}

// readDefinition reads the document with the parameters of the query.
func readDefinition(scope draft.Scope, api string, body []byte, parameters map[string]string, failOnWarnings bool) (*openapi.Definition, []openapi.Warning, error) {
	basePath := openapi.BasePath(strings.ToLower(parameters["basepath"]))
	if basePath == "" {
		basePath = openapi.Ignore
	}
	if !slices.Contains([]openapi.BasePath{openapi.Ignore, openapi.Prepend, openapi.Split}, basePath) {
		return nil, nil, fault.BadRequest("Invalid basepath '%s' specified. Valid options are ignore,prepend,split", parameters["basepath"])
	}
	def, warnings, err := openapi.Parse(body, openapi.Options{
		APIID: api, BasePath: basePath, AccountID: scope.Account, Region: scope.Region, Partition: "aws", URLSuffix: "amazonaws.com",
	})
	if err != nil {
		return nil, nil, fault.BadRequest("%s", err)
	}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		if !slices.Contains([]string{"basepath", "endpointConfigurationTypes", "ignore"}, name) {
			warnings = append(warnings, openapi.Warning("Unknown parameter '"+name+"' is ignored"))
		}
	}
	if failOnWarnings && len(warnings) > 0 {
		return nil, nil, fault.BadRequest("Warnings found during import:\n%s", strings.Join(warningTexts(warnings), "\n"))
	}
	return def, warnings, nil
}

func warningTexts(warnings []openapi.Warning) []string {
	texts := make([]string, len(warnings))
	for i, w := range warnings {
		texts[i] = string(w)
	}
	return texts
}

// importView is the API as the answer of an import shows it: with the warnings, which no other answer has.
func importView(api *apigatewayv1.RestApi, warnings []openapi.Warning) *apigatewayv1.RestApi {
	v := restAPIView(api)
	if len(warnings) > 0 {
		v.Warnings = &apigatewayv1.StringList{Items: warningTexts(warnings)}
	}
	return v
}
