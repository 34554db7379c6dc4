package plan

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/limen-gateway/limen/core/expression"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	cachev1 "github.com/limen-gateway/limen/proto/cache/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

// defaultCacheTTL is AWS's (spec/rest.md 9).
const defaultCacheTTL = 300

// verbs are what a method for ANY answers.
var verbs = []string{"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}

// compileCaching finds the methods whose answers a stage caches; nil when there are none. It is compiled for each stage:
// its settings are live, the methods are the content's.
func compileCaching(m *snapshotv1.Stage, methods []*exchange.Method) *exchange.Caching {
	if !m.GetStage().GetCacheClusterEnabled() {
		return nil
	}
	settings := normalised(m.GetStage().GetMethodSettings().GetEntries())
	out := &exchange.Caching{
		Scope: &cachev1.Scope{Account: m.GetAccount(), Region: m.GetRegion(), ApiId: m.GetApiId(),
			Stage: m.GetStage().GetStageName(), Epoch: m.GetCacheEpoch()},
		Methods: map[exchange.CachedMethod]*exchange.CacheSettings{},
	}
	for _, method := range methods {
		for _, verb := range verbsOf(method.HTTPMethod) {
			at := exchange.CachedMethod{Path: method.ResourcePath, Verb: verb}
			if c := cacheSettings(cachingOf(settings, at, method.HTTPMethod)); c != nil && out.Methods[at] == nil {
				out.Methods[at] = c
			}
		}
	}
	if len(out.Methods) == 0 {
		return nil
	}
	return out
}

func verbsOf(httpMethod string) []string {
	if httpMethod == "ANY" {
		return verbs
	}
	return []string{httpMethod}
}

// everything is the key of the settings of all methods.
var everything = exchange.CachedMethod{Path: "*", Verb: "*"}

// normalised brings the keys of method settings to one form. Clients write them as ~1pets~1{id}/GET, pets/GET and ~1/GET
// (spec/control-plane.md 6.3). Of two keys that name one method, the escaped one counts: AWS's own clients write it.
func normalised(entries map[string]*apigatewayv1.MethodSetting) map[exchange.CachedMethod]*apigatewayv1.MethodSetting {
	out := map[exchange.CachedMethod]*apigatewayv1.MethodSetting{}
	for _, key := range slices.Sorted(maps.Keys(entries)) { // "~" sorts behind everything else
		i := strings.LastIndexByte(key, '/')
		if i < 0 {
			continue
		}
		at := exchange.CachedMethod{Path: key[:i], Verb: key[i+1:]}
		if at != everything {
			at.Path = "/" + strings.TrimPrefix(strings.ReplaceAll(strings.ReplaceAll(at.Path, "~1", "/"), "~0", "~"), "/")
		}
		out[at] = entries[key]
	}
	return out
}

// cachingOf finds the settings that decide about caching: the method's own, whole (spec/rest.md 8.3), else those of all
// methods, which cache GET alone (spec/rest.md 9).
func cachingOf(settings map[exchange.CachedMethod]*apigatewayv1.MethodSetting, at exchange.CachedMethod, httpMethod string) *apigatewayv1.MethodSetting {
	if own := settings[at]; own != nil {
		return own
	}
	if own := settings[exchange.CachedMethod{Path: at.Path, Verb: httpMethod}]; own != nil {
		return own
	}
	if at.Verb == "GET" {
		return settings[everything]
	}
	return nil
}

// cacheSettings compiles the caching part of settings; nil caches nothing.
func cacheSettings(s *apigatewayv1.MethodSetting) *exchange.CacheSettings {
	if !s.GetCachingEnabled() {
		return nil
	}
	ttl := int32(defaultCacheTTL)
	if s.CacheTtlInSeconds != nil {
		ttl = s.GetCacheTtlInSeconds()
	}
	if ttl <= 0 {
		return nil
	}
	return &exchange.CacheSettings{
		TTL:          time.Duration(ttl) * time.Second,
		Authorize:    s.RequireAuthorizationForCacheControl == nil || s.GetRequireAuthorizationForCacheControl(),
		Unauthorized: exchange.CacheControlStrategy(s.GetUnauthorizedCacheControlHeaderStrategy()),
	}
}

// requestPlaces are the parameters that a cache key may be made of. A key reads all values of a parameter, so that the
// forms for one and for many are the same.
var requestPlaces = map[string]exchange.Place{
	"path": exchange.PlacePath, "querystring": exchange.PlaceQuery, "multivaluequerystring": exchange.PlaceQuery,
	"header": exchange.PlaceHeader, "multivalueheader": exchange.PlaceHeader,
}

// compileCacheKey compiles what tells cached answers of a method apart. Without a namespace of their own, methods have
// their resource's (spec/control-plane.md 5.1).
func compileCacheKey(in *apigatewayv1.Integration, resource string, mappings []exchange.Parameter) *exchange.CacheKey {
	out := &exchange.CacheKey{Namespace: in.GetCacheNamespace()}
	if out.Namespace == "" || out.Namespace == resource {
		out.Namespace, out.Verb = resource, true
	}
	for _, text := range in.GetCacheKeyParameters().GetItems() {
		p, ok := cacheParameter(text, mappings)
		if !ok {
			out.Broken = text
			return out
		}
		out.Parameters = append(out.Parameters, p)
	}
	return out
}

// cacheParameter reads method.request.{place}.{name}, or integration.request.{place}.{name}, which is what is mapped there.
func cacheParameter(text string, mappings []exchange.Parameter) (exchange.CacheParameter, bool) {
	if rest, ok := strings.CutPrefix(text, "method.request."); ok {
		where, name, _ := strings.Cut(rest, ".")
		place, known := requestPlaces[where]
		return exchange.CacheParameter{Place: place, Name: name}, known && name != ""
	}
	rest, ok := strings.CutPrefix(text, "integration.request.")
	where, name, _ := strings.Cut(rest, ".")
	place, known := places[where]
	if !ok || !known {
		return exchange.CacheParameter{}, false
	}
	for _, m := range mappings {
		if m.Place == place && m.Name == name {
			return exchange.CacheParameter{Mapped: m.Source}, true
		}
	}
	// Nothing is mapped there, so it never has a value.
	return exchange.CacheParameter{Mapped: expression.Source{}}, true
}
