package openapi

import (
	"strings"

	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

// integration reads x-amazon-apigateway-integration. Values that no operation would take are left for the checks of the
// integration itself, which say so in AWS's words.
func (p *parser) integration(op *node, at place) *apigatewayv1.Integration {
	n := p.extension(op, "integration")
	if n == nil {
		return nil
	}
	if !n.is(object) {
		p.fault("Unable to put integration on '%s' for resource at path '%s': Expected type object but got '%s'", at.verb, at.path, n.shown())
		return nil
	}
	// payloadFormatVersion belongs to HTTP APIs; AWS takes it here without a warning [rec].
	p.onlyMembers(n, "'x-amazon-apigateway-integration' of "+at.String(), "payloadFormatVersion", "type", "httpMethod", "uri", "credentials", "connectionType",
		"connectionId", "integrationTarget", "passthroughBehavior", "contentHandling", "timeoutInMillis", "requestParameters",
		"requestTemplates", "cacheNamespace", "cacheKeyParameters", "responses", "responseTransferMode", "tlsConfig")
	i := &apigatewayv1.Integration{
		Type: upper(n.get("type")), HttpMethod: upper(n.get("httpMethod")), Uri: stated(n.get("uri")),
		Credentials: stated(n.get("credentials")), ConnectionType: upper(n.get("connectionType")), ConnectionId: stated(n.get("connectionId")),
		IntegrationTarget: stated(n.get("integrationTarget")), PassthroughBehavior: upper(n.get("passthroughBehavior")),
		ContentHandling: upper(n.get("contentHandling")), CacheNamespace: stated(n.get("cacheNamespace")),
		ResponseTransferMode: upper(n.get("responseTransferMode")),
		RequestParameters:    p.stringMap(n, "requestParameters", at.String()),
		RequestTemplates:     p.stringMap(n, "requestTemplates", at.String()),
	}
	p.integrationOptions(n, i, at)
	p.integrationResponses(n.get("responses"), i, at)
	return i
}

func (p *parser) integrationOptions(n *node, i *apigatewayv1.Integration, at place) {
	if v := n.get("timeoutInMillis"); v != nil {
		if ms, ok := v.integer(); ok {
			i.TimeoutInMillis = &ms
		} else {
			p.warn("Invalid format for 'timeoutInMillis'. Expected type integer of %s but got '%s'", at, v.shown())
		}
	}
	if v := n.get("cacheKeyParameters"); v != nil {
		i.CacheKeyParameters = &apigatewayv1.StringList{Items: p.texts(v, "'cacheKeyParameters' of "+at.String())}
	}
	if v := n.get("tlsConfig"); v.is(object) {
		p.onlyMembers(v, "'tlsConfig' of "+at.String(), "insecureSkipVerification")
		i.TlsConfig = &apigatewayv1.TlsConfig{InsecureSkipVerification: ptr(v.get("insecureSkipVerification").isTrue())}
	}
}

// integrationResponses reads the responses of an integration: the key is the selection pattern, default has none.
func (p *parser) integrationResponses(n *node, i *apigatewayv1.Integration, at place) {
	entries := map[string]*apigatewayv1.IntegrationResponse{}
	for pattern, v := range p.members(n) {
		r := &apigatewayv1.IntegrationResponse{
			StatusCode:         ptr(v.get("statusCode").scalar()),
			ResponseParameters: p.stringMap(v, "responseParameters", at.String()),
			ResponseTemplates:  p.stringMap(v, "responseTemplates", at.String()),
			ContentHandling:    upper(v.get("contentHandling")),
		}
		p.onlyMembers(v, "integration response '"+pattern+"' of "+at.String(), "statusCode", "responseParameters", "responseTemplates", "contentHandling")
		if pattern != "default" {
			r.SelectionPattern = ptr(pattern)
		}
		if !isStatus(r.GetStatusCode()) {
			p.fault("Unable to put integration response on '%s' for resource at path '%s': Invalid status code '%s' for '%s'",
				at.verb, at.path, v.get("statusCode").shown(), pattern)
			continue
		}
		// The API keeps one response for each status.
		if other := entries[r.GetStatusCode()]; other != nil {
			p.warn("Integration response '%s' of %s takes the place of another one with the status %s", pattern, at, r.GetStatusCode())
		}
		entries[r.GetStatusCode()] = r
	}
	if len(entries) > 0 {
		i.IntegrationResponses = &apigatewayv1.IntegrationResponseMap{Entries: entries}
	}
}

// upper reads a word that documents write in either case.
func upper(n *node) *string {
	s := stated(n)
	if s != nil {
		s = ptr(strings.ToUpper(*s))
	}
	return s
}
