package exchange

import (
	"encoding/binary"
	"strings"
	"time"

	"github.com/limen-gateway/limen/core/expression"
	cachev1 "github.com/limen-gateway/limen/proto/cache/v1"
)

// Cached is what the response cache did for a request.
type Cached uint8

// The outcomes that are counted.
const (
	CachePassedBy Cached = iota
	CacheHit
	CacheMiss
)

// Caching is which answers a stage caches, and how. It is immutable.
type Caching struct {
	// Scope goes with every question to the cache; it is shared by all requests and never written to.
	Scope   *cachev1.Scope
	Methods map[CachedMethod]*CacheSettings
}

// CachedMethod is a method as method settings name it: the template of its resource and the verb of the request.
type CachedMethod struct{ Path, Verb string }

// CacheSettings are the settings of one method (spec/rest.md 8.3).
type CacheSettings struct {
	TTL time.Duration // above 0
	// Authorize asks for permission of callers that send Cache-Control: max-age=0; Unauthorized is what those without it
	// get.
	Authorize    bool
	Unauthorized CacheControlStrategy
}

// CacheControlStrategy is an unauthorizedCacheControlHeaderStrategy.
type CacheControlStrategy string

// The strategies.
const (
	FailWith403                  CacheControlStrategy = "FAIL_WITH_403"
	SucceedWithResponseHeader    CacheControlStrategy = "SUCCEED_WITH_RESPONSE_HEADER"
	SucceedWithoutResponseHeader CacheControlStrategy = "SUCCEED_WITHOUT_RESPONSE_HEADER"
)

// For are the settings of a request's method; nil when its answers are not cached. A nil Caching caches nothing.
func (c *Caching) For(x *Exchange) *CacheSettings {
	if c == nil {
		return nil
	}
	return c.Methods[CachedMethod{x.Method.ResourcePath, x.Request.Method}]
}

// CacheKey is what tells the cached answers of a method apart, beside the stage. It is immutable.
type CacheKey struct {
	Namespace string
	// Verb is part of the key unless methods share a namespace by name (spec/rest.md 9).
	Verb       bool
	Parameters []CacheParameter
	// Broken is a parameter that cannot be read; "" for none. Nothing is cached then: without it, callers would get
	// answers that were made for others.
	Broken string
}

// CacheParameter is one key parameter: a parameter of the request with all its values, or what a mapping yields.
type CacheParameter struct {
	Place  Place
	Name   string
	Mapped expression.Source // used when Name is empty
}

// Append writes the key of a request: what the content, the namespace and the parameters are, each with its length. A
// parameter that is absent differs from an empty one.
func (k *CacheKey) Append(dst []byte, x *Exchange) []byte {
	dst = appendPart(appendPart(dst, x.Scope.Hash), k.Namespace)
	if k.Verb {
		dst = appendPart(dst, x.Request.Method)
	}
	for i := range k.Parameters {
		dst = k.Parameters[i].append(dst, x)
	}
	return dst
}

// append writes how many values the parameter has behind the values.
func (p *CacheParameter) append(dst []byte, x *Exchange) []byte {
	n := 0
	add := func(value string) {
		dst = appendPart(dst, value)
		n++
	}
	switch {
	case p.Name == "":
		// A mapping without a value disappears (spec/rest.md 4.4), so an empty one is an absent one.
		add(p.Mapped.Eval(Values{X: x}))
	case p.Place == PlacePath:
		if value, ok := x.PathParameter(p.Name); ok {
			add(value)
		}
	case p.Place == PlaceQuery:
		for _, f := range x.Query() {
			if f.Name == p.Name {
				add(f.Value)
			}
		}
	case p.Place == PlaceHeader:
		// In any spelling, although mappings are strict: a backend may read what the mapping does not.
		for _, f := range x.Request.Headers {
			if len(f.Name) == len(p.Name) && strings.EqualFold(f.Name, p.Name) {
				add(f.Value)
			}
		}
	}
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

// appendPart writes the length behind the text; keys are read from the end, if ever.
func appendPart(dst []byte, s string) []byte {
	return binary.BigEndian.AppendUint32(append(dst, s...), uint32(len(s)))
}
