package openapi

import (
	"strings"

	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

// scheme is what a security scheme means to a method.
type scheme struct {
	authorization string // of the method: AWS_IAM, CUSTOM or COGNITO_USER_POOLS; "" for none
	apiKey        bool
}

// securitySchemes reads the declarations, and makes an authorizer of those that have one.
func (p *parser) securitySchemes() {
	for name, n := range p.members(p.component("securityDefinitions", "securitySchemes")) {
		n = p.resolve(n, "security scheme '"+name+"'")
		authType, authorizer := p.extension(n, "authtype").scalar(), p.extension(n, "authorizer")
		s := &scheme{}
		p.schemes[name] = s
		switch strings.ToLower(authType) {
		case "awssigv4":
			s.authorization = "AWS_IAM"
		case "cognito_user_pools":
			s.authorization = "COGNITO_USER_POOLS"
		case "custom", "oauth2":
			s.authorization = "CUSTOM"
		}
		if authorizer != nil && s.authorization != "AWS_IAM" {
			s.authorization = p.authorizer(name, authType, n, authorizer)
		}
		s.apiKey = s.authorization == "" && n.get("type").scalar() == "apiKey" &&
			strings.EqualFold(n.get("name").scalar(), "x-api-key") && n.get("in").scalar() == "header"
	}
}

// authorizer makes an authorizer, and tells the authorization type of the methods that name it.
func (p *parser) authorizer(name, authType string, scheme, n *node) string {
	where := "authorizer '" + name + "'"
	p.onlyMembers(n, where, "type", "authorizerUri", "authorizerCredentials", "identitySource", "identityValidationExpression",
		"authorizerResultTtlInSeconds", "providerARNs")
	a := &apigatewayv1.Authorizer{
		Name: ptr(name), Type: upper(n.get("type")),
		AuthorizerUri: stated(n.get("authorizerUri")), AuthorizerCredentials: stated(n.get("authorizerCredentials")),
		IdentitySource:               stated(n.get("identitySource")),
		IdentityValidationExpression: stated(n.get("identityValidationExpression")),
	}
	if ttl := n.get("authorizerResultTtlInSeconds"); ttl != nil {
		seconds, ok := ttl.integer()
		if !ok {
			p.fault("Unable to create %s: Expected type integer for property 'authorizerResultTtlInSeconds' but got '%s'", where, ttl.shown())
		}
		a.AuthorizerResultTtlInSeconds = &seconds
	}
	if v := n.get("providerARNs"); v != nil {
		a.ProviderArNs = &apigatewayv1.StringList{Items: p.texts(v, where)}
	}
	if a.IdentitySource == nil && a.GetType() != "REQUEST" && scheme.get("in").scalar() == "header" {
		a.IdentitySource = ptr("method.request.header." + scheme.get("name").scalar())
	}
	if authType != "" {
		a.AuthType = &authType
	}
	p.def.Authorizers = append(p.def.Authorizers, a)
	switch a.GetType() {
	case "TOKEN", "REQUEST":
		return "CUSTOM"
	case "COGNITO_USER_POOLS":
		return a.GetType()
	}
	p.fault("Unable to create %s: Invalid authorizer type '%s'. Valid types are: token, request, cognito_user_pools", where, n.get("type").shown())
	return "CUSTOM"
}

// security applies the requirements of an operation to its method. Those of the root are not read (spec/rest.md 15.1).
func (p *parser) security(op *node, m *apigatewayv1.Method, at place) {
	m.AuthorizationType, m.ApiKeyRequired = ptr("NONE"), ptr(false)
	if list := op.get("security"); list.is(array) {
		for _, requirement := range list.items {
			for name, scopes := range p.members(requirement) {
				p.requirement(name, scopes, m, at)
			}
		}
	}
	auth := p.extension(op, "auth")
	if auth == nil {
		return
	}
	p.onlyMembers(auth, "'x-amazon-apigateway-auth' of "+at.String(), "type")
	kind := strings.ToUpper(auth.get("type").scalar())
	if kind != "AWS_IAM" && kind != "NONE" {
		p.fault("Unable to put method '%s' on resource at path '%s': Invalid authorization type specified. Valid options are AWS_IAM,NONE", at.verb, at.path)
	}
	m.AuthorizationType, m.AuthorizerId, m.AuthorizationScopes = &kind, nil, nil
}

func (p *parser) requirement(name string, scopes *node, m *apigatewayv1.Method, at place) {
	s := p.schemes[name]
	switch {
	case s == nil:
		p.warn("Unknown security scheme '%s' of %s is ignored", name, at)
	case s.apiKey:
		m.ApiKeyRequired = ptr(true)
	case s.authorization == "":
		p.warn("Security scheme '%s' of %s is ignored: it has no authorizer and is no x-api-key header", name, at)
	case m.GetAuthorizationType() != "NONE":
		p.warn("Security scheme '%s' of %s is ignored: a method has one authorizer", name, at)
	default:
		m.AuthorizationType = ptr(s.authorization)
		if s.authorization == "AWS_IAM" {
			return
		}
		m.AuthorizerId = ptr(name)
		if scopes.is(array) && len(scopes.items) > 0 {
			m.AuthorizationScopes = &apigatewayv1.StringList{Items: p.texts(scopes, "scopes of "+at.String())}
		}
	}
}
