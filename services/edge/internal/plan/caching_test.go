package plan

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

func TestCompileCaching(t *testing.T) {
	methods := []*exchange.Method{{ResourcePath: "/", HTTPMethod: "GET"}, {ResourcePath: "/a/{id}", HTTPMethod: "GET"}, {ResourcePath: "/a/{id}", HTTPMethod: "POST"}, {ResourcePath: "/any", HTTPMethod: "ANY"}}
	on, off := &apigatewayv1.MethodSetting{CachingEnabled: proto.Bool(true)}, &apigatewayv1.MethodSetting{CachingEnabled: proto.Bool(false)}
	zero := &apigatewayv1.MethodSetting{CachingEnabled: proto.Bool(true), CacheTtlInSeconds: proto.Int32(0)}
	type settings = map[string]*apigatewayv1.MethodSetting
	tests := []struct {
		name     string
		settings settings
		want     []string
	}{
		{"nothing", nil, nil},
		{"all methods means GET", settings{"*/*": on}, []string{"GET /", "GET /a/{id}", "GET /any"}},
		{"the root", settings{"~1/GET": on}, []string{"GET /"}},
		{"escaped", settings{"~1a~1{id}/POST": on}, []string{"POST /a/{id}"}},
		{"not escaped", settings{"a/{id}/POST": on}, []string{"POST /a/{id}"}},
		{"without the first escape", settings{"a~1{id}/POST": on}, []string{"POST /a/{id}"}},
		{"its own entry decides", settings{"*/*": on, "a/{id}/GET": off}, []string{"GET /", "GET /any"}},
		{"the escaped of two keys decides", settings{"*/*": on, "any/GET": on, "~1any/GET": off}, []string{"GET /", "GET /a/{id}"}},
		{"a verb of ANY", settings{"any/PUT": on}, []string{"PUT /any"}},
		{"no time", settings{"*/*": zero, "~1/GET": zero}, nil},
		{"no method of that name", settings{"b/GET": on, "nonsense": on}, nil},
		{"ANY by name", settings{"any/ANY": on, "any/GET": off}, []string{"DELETE /any", "HEAD /any", "OPTIONS /any", "PATCH /any", "POST /any", "PUT /any"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			stage := &apigatewayv1.Stage{CacheClusterEnabled: proto.Bool(true), MethodSettings: &apigatewayv1.MethodSettingMap{Entries: tt.settings}}
			if got := cachedNames(compileCaching(&snapshotv1.Stage{Stage: stage}, methods)); !slices.Equal(got, tt.want) {
				t.Errorf("cached are %q, want %q", got, tt.want)
			}
			stage.CacheClusterEnabled = nil
			if got := compileCaching(&snapshotv1.Stage{Stage: stage}, methods); got != nil {
				t.Errorf("without a cluster, cached are %v", got.Methods)
			}
		})
	}
}

func cachedNames(c *exchange.Caching) []string {
	if c == nil {
		return nil
	}
	var out []string
	for m := range c.Methods {
		out = append(out, m.Verb+" "+m.Path)
	}
	slices.Sort(out)
	return out
}

func TestCompileCacheKey(t *testing.T) {
	mappings, err := compileParameters(map[string]string{"integration.request.header.X": "method.request.querystring.x"})
	if err != nil {
		t.Fatal(err)
	}
	request := func(namespace, query string, parameters ...string) string {
		k := compileCacheKey(&apigatewayv1.Integration{CacheNamespace: &namespace, CacheKeyParameters: &apigatewayv1.StringList{Items: parameters}}, "res123", mappings)
		x := exchange.New()
		defer x.Release()
		x.Scope = &exchange.Scope{Hash: "h"}
		x.Request.Method, x.Request.RawQuery = "GET", query
		x.Request.Headers = append(x.Request.Headers, exchange.Field{Name: "a", Value: "one"})
		if k.Broken != "" {
			return "broken " + k.Broken
		}
		return string(k.Append(nil, x))
	}
	same := [][2]string{
		{request("", ""), request("res123", "x=1")},
		{request("n", "x=1&y=2", "method.request.querystring.x"), request("n", "y=3&x=1", "method.request.multivaluequerystring.x")},
		{request("n", "x=1", "integration.request.header.X"), request("n", "x=1&z", "integration.request.header.X")},
		{request("n", "", "method.request.header.A"), request("n", "", "method.request.header.a")},
		{request("n", "", "integration.request.path.none"), request("n", "x=1", "integration.request.path.none")},
		{request("n", "", "method.request.body"), "broken method.request.body"},
		{request("n", "", "stageVariables.x"), "broken stageVariables.x"},
	}
	for i, s := range same {
		if s[0] != s[1] {
			t.Errorf("%d: %q and %q differ", i, s[0], s[1])
		}
	}
	different := []string{
		request("", ""), request("n", ""),
		request("n", "", "method.request.querystring.x"), request("n", "x=", "method.request.querystring.x"),
		request("n", "x=1", "method.request.querystring.x"), request("n", "x=1&x=2", "method.request.querystring.x"),
		request("n", "", "method.request.header.a"), request("n", "x=2", "integration.request.header.X"),
	}
	for i, a := range different {
		if slices.Contains(different[i+1:], a) {
			t.Errorf("%d: %q twice", i, a)
		}
	}
}
