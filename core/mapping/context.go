package mapping

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/limen-gateway/limen/core/vtl"
)

// contextNames are the members of $context in the order of its keySet, as far as it was observed: those of REST APIs first,
// then what is there now and then, then those of WebSocket APIs (spec/rest.md 6.1, spec/websocket.md 15). What has no value
// is left out.
var contextNames = [...]string{
	"resourceId", "resourcePath", "httpMethod", "extendedRequestId", "requestTime", "path", "accountId", "protocol", "requestOverride",
	"stage", "domainPrefix", "requestTimeEpoch", "requestId", "identity", "domainName", "deploymentId", "responseOverride", "apiId",
	"authorizer", "operationName", "isCanaryRequest", "awsEndpointRequestId", "wafResponseCode", "webaclArn", "error",
	"connectionId", "connectedAt", "eventType", "messageId", "messageDirection", "routeKey", "status", "disconnectStatusCode", "disconnectReason",
}

// numeric are the values that are numbers; the others are strings.
var numeric = [...]string{"requestTimeEpoch", "connectedAt", "disconnectStatusCode"}

// identityPaths are there with a null value when they do not apply; those after them are left out then.
var (
	identityPaths = [...]string{
		"identity.cognitoIdentityPoolId", "identity.accountId", "identity.cognitoIdentityId", "identity.caller", "identity.sourceIp", "identity.principalOrgId", "identity.accessKey",
		"identity.cognitoAuthenticationType", "identity.cognitoAuthenticationProvider", "identity.userArn", "identity.userAgent", "identity.user",
	}
	identityExtras = [...]string{
		"identity.apiKey", "identity.apiKeyId", "identity.vpcId", "identity.vpceId", "identity.clientCert.clientCertPem", "identity.clientCert.subjectDN", "identity.clientCert.issuerDN",
		"identity.clientCert.serialNumber", "identity.clientCert.validity.notBefore", "identity.clientCert.validity.notAfter",
	}
	errorNames = [...]string{"message", "messageString", "responseType", "validationErrorString"}
)

// node makes a map that prints as nothing (spec/vtl.md 9.3).
func node(n int) *vtl.Map {
	m := vtl.NewMap(n)
	m.Silent = true
	return m
}

// usedMembers are the names of what a program may ask $context for, in order.
func usedMembers(p *vtl.Program) []string {
	members, ok := p.Members("context")
	switch {
	case !ok:
		return contextNames[:]
	case members == nil:
		return nil
	}
	return slices.DeleteFunc(slices.Clone(contextNames[:]), func(name string) bool { return !slices.Contains(members, name) })
}

func contextMap(in Input, s *State, names []string) *vtl.Map {
	m := node(len(names))
	for _, name := range names {
		switch name {
		case "requestOverride":
			m.Put(name, vtl.MapValue(s.request))
		case "responseOverride":
			m.Put(name, vtl.MapValue(s.response))
		case "identity":
			m.Put(name, vtl.MapValue(identityMap(in)))
		case "authorizer":
			putUnlessEmpty(m, name, authorizerMap(in))
		case "error":
			putUnlessEmpty(m, name, errorMap(in))
		default:
			putScalar(m, name, in.Context(name))
		}
	}
	return m
}

func putUnlessEmpty(m *vtl.Map, name string, of *vtl.Map) {
	if of.Len() > 0 {
		m.Put(name, vtl.MapValue(of))
	}
}

func putScalar(m *vtl.Map, name, value string) {
	switch {
	case value == "":
	case slices.Contains(numeric[:], name):
		n, _ := strconv.ParseInt(value, 10, 64)
		m.Add(name, vtl.IntValue(n))
	default:
		m.Add(name, vtl.StringValue(value))
	}
}

func identityMap(in Input) *vtl.Map {
	m := node(len(identityPaths))
	for _, path := range identityPaths {
		if value := in.Context(path); value != "" {
			m.Add(path[len("identity."):], vtl.StringValue(value))
		} else {
			m.Add(path[len("identity."):], vtl.Value{})
		}
	}
	for _, path := range identityExtras {
		if value := in.Context(path); value != "" {
			putBelow(m, path[len("identity."):], value)
		}
	}
	return m
}

// putBelow puts a.b.c, with maps on the way.
func putBelow(m *vtl.Map, path, value string) {
	name, rest, deeper := strings.Cut(path, ".")
	if !deeper {
		m.Put(name, vtl.StringValue(value))
		return
	}
	child, _ := m.Get(name)
	if child.Map() == nil {
		child = vtl.MapValue(node(0))
		m.Put(name, child)
	}
	putBelow(child.Map(), rest, value)
}

// authorizerMap: the key of a context is a name even if it has dots; only claims are a map of their own.
func authorizerMap(in Input) *vtl.Map {
	m, claims := node(0), node(0)
	for name, value := range in.Authorizer() {
		if claim, ok := strings.CutPrefix(name, "claims."); ok {
			claims.Put(claim, vtl.StringValue(value))
		} else {
			m.Put(name, vtl.StringValue(value))
		}
	}
	putUnlessEmpty(m, "claims", claims)
	return m
}

func errorMap(in Input) *vtl.Map {
	m := node(0)
	for _, name := range errorNames {
		putScalar(m, name, in.Context("error."+name))
	}
	return m
}

// stageMap is $stageVariables, by name.
func stageMap(variables map[string]string) *vtl.Map {
	m := vtl.NewMap(len(variables))
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		m.Put(name, vtl.StringValue(variables[name]))
	}
	return m
}
