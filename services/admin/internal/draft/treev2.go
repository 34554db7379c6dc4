package draft

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
)

// TreeV2 is the whole content of a WebSocket or HTTP API in memory: what deployments freeze.
type TreeV2 struct {
	API                  *apigatewayv2v1.Api
	Routes               map[string]*apigatewayv2v1.Route                          // by id
	RouteResponses       map[string]map[string]*apigatewayv2v1.RouteResponse       // by route and id
	Integrations         map[string]*apigatewayv2v1.Integration                    // by id
	IntegrationResponses map[string]map[string]*apigatewayv2v1.IntegrationResponse // by integration and id
	Models               map[string]*apigatewayv2v1.Model                          // by id
	Authorizers          map[string]*apigatewayv2v1.Authorizer                     // by id
}

// LoadV2 reads the whole content of a WebSocket or HTTP API.
func (a *API) LoadV2() (*TreeV2, error) {
	t := &TreeV2{
		API:                  a.V2,
		Routes:               map[string]*apigatewayv2v1.Route{},
		RouteResponses:       map[string]map[string]*apigatewayv2v1.RouteResponse{},
		Integrations:         map[string]*apigatewayv2v1.Integration{},
		IntegrationResponses: map[string]map[string]*apigatewayv2v1.IntegrationResponse{},
		Models:               map[string]*apigatewayv2v1.Model{},
		Authorizers:          map[string]*apigatewayv2v1.Authorizer{},
	}
	entries, err := a.tx.Range(a.key() + "/")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		noun := t.place(strings.Split(e.Name, "/"))
		if noun == nil {
			return nil, fmt.Errorf("content of unknown kind %s", e.Name)
		}
		if _, err := Decode(e.Value, noun); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// place makes the noun that a key of content stands for.
func (t *TreeV2) place(name []string) proto.Message {
	switch {
	case name[0] == RouteResponses && len(name) == 3:
		return putBelow(t.RouteResponses, name[1], name[2], &apigatewayv2v1.RouteResponse{})
	case name[0] == IntegrationResponses && len(name) == 3:
		return putBelow(t.IntegrationResponses, name[1], name[2], &apigatewayv2v1.IntegrationResponse{})
	case len(name) != 2:
		return nil
	}
	switch name[0] {
	case Routes:
		return put(t.Routes, name[1], &apigatewayv2v1.Route{})
	case Integrations:
		return put(t.Integrations, name[1], &apigatewayv2v1.Integration{})
	case Models:
		return put(t.Models, name[1], &apigatewayv2v1.Model{})
	case Authorizers:
		return put(t.Authorizers, name[1], &apigatewayv2v1.Authorizer{})
	}
	return nil
}

func putBelow[N proto.Message](m map[string]map[string]N, parent, key string, noun N) proto.Message {
	if m[parent] == nil {
		m[parent] = map[string]N{}
	}
	return put(m[parent], key, noun)
}
