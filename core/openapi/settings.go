package openapi

import (
	"slices"
	"strings"

	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

// settings reads what the document says of the API itself.
func (p *parser) settings() {
	info, api := p.root.get("info"), p.def.API
	api.Name = stated(info.get("title"))
	api.Description = stated(info.get("description"))
	api.Version = stated(info.get("version"))

	api.ApiKeySource = p.word(p.root, "api-key-source", "HEADER", "AUTHORIZER")
	api.EndpointAccessMode = p.word(p.root, "endpoint-access-mode", "BASIC", "STRICT")
	api.SecurityPolicy = p.word(p.root, "security-policy")
	if n := p.extension(p.root, "minimum-compression-size"); n != nil {
		size, ok := n.integer()
		if !ok || size < 0 || size > 10485760 {
			p.fault("Invalid minimum compression size, must be between 0 and 10485760")
		}
		api.MinimumCompressionSize = &size
	}
	if n := p.extension(p.root, "binary-media-types"); n != nil {
		api.BinaryMediaTypes = &apigatewayv1.StringList{Items: p.texts(n, "'x-amazon-apigateway-binary-media-types'")}
	}
	if n := p.extension(p.root, "policy"); n != nil {
		api.Policy = ptr(n.text)
		if !n.is(text) {
			api.Policy = ptr(p.json(n))
		}
	}
	if p.extension(p.root, "documentation") != nil {
		p.warn("%sdocumentation is planned: the documentation parts are not kept", extensionPrefix)
	}
	p.endpoint(p.root)
	for _, server := range p.servers() {
		p.endpoint(server)
	}
	p.validators()
	p.gatewayResponses()
	p.base = p.basePath()
}

// stated is the text of a scalar member that is there and not empty.
func stated(n *node) *string {
	if s := n.scalar(); s != "" {
		return &s
	}
	return nil
}

// word reads an extension that is one of some words; no words allow any.
func (p *parser) word(n *node, name string, words ...string) *string {
	v := p.extension(n, name)
	if v == nil {
		return nil
	}
	s := v.scalar()
	if s == "" || len(words) > 0 && !slices.Contains(words, s) {
		p.fault("Invalid value '%s' of '%s%s'. Valid values are: %s", v.shown(), extensionPrefix, name, strings.Join(words, ", "))
	}
	return &s
}

// texts reads a list of texts.
func (p *parser) texts(n *node, where string) []string {
	if !n.is(array) {
		p.warn("Invalid format for %s. Expected type array but got '%s'", where, n.shown())
		return nil
	}
	out := []string{}
	for _, item := range n.items {
		if !item.is(text) {
			p.warn("Invalid format for %s. Expected type string but got '%s'", where, item.shown())
			continue
		}
		if !p.spend(16 + len(item.text)) {
			break
		}
		out = append(out, item.text)
	}
	return out
}

func (p *parser) servers() []*node {
	if s := p.root.get("servers"); s.is(array) {
		return s.items
	}
	return nil
}

// endpoint reads the endpoint configuration, which stands in the root of Swagger 2.0 and in a server of OpenAPI 3.
func (p *parser) endpoint(n *node) {
	e := p.extension(n, "endpoint-configuration")
	if e == nil {
		return
	}
	const where = "'x-amazon-apigateway-endpoint-configuration'"
	p.onlyMembers(e, where, "disableExecuteApiEndpoint", "vpcEndpointIds", "ipAddressType", "types")
	api := p.def.API
	if v := e.get("disableExecuteApiEndpoint"); v != nil {
		api.DisableExecuteApiEndpoint = ptr(v.isTrue())
	}
	if api.EndpointConfiguration == nil {
		api.EndpointConfiguration = &apigatewayv1.EndpointConfiguration{}
	}
	c := api.EndpointConfiguration
	if v := e.get("ipAddressType"); v != nil {
		c.IpAddressType = ptr(v.scalar())
	}
	if v := e.get("types"); v != nil {
		c.Types = &apigatewayv1.StringList{Items: p.texts(v, where)}
	}
	if v := e.get("vpcEndpointIds"); v != nil {
		c.VpcEndpointIds = &apigatewayv1.StringList{Items: p.texts(v, where)}
	}
}

func (p *parser) validators() {
	const where = "'x-amazon-apigateway-request-validators'"
	for name, v := range p.members(p.extension(p.root, "request-validators")) {
		p.onlyMembers(v, where, "validateRequestBody", "validateRequestParameters")
		p.def.Validators = append(p.def.Validators, &apigatewayv1.RequestValidator{
			Name:                      ptr(name),
			ValidateRequestBody:       ptr(v.get("validateRequestBody").isTrue()),
			ValidateRequestParameters: ptr(v.get("validateRequestParameters").isTrue()),
		})
	}
}

func (p *parser) gatewayResponses() {
	for kind, v := range p.members(p.extension(p.root, "gateway-responses")) {
		where := "gateway response '" + kind + "'"
		p.onlyMembers(v, where, "statusCode", "responseParameters", "responseTemplates", "responseType", "defaultResponse")
		r := &apigatewayv1.GatewayResponse{
			ResponseType: ptr(kind), StatusCode: stated(v.get("statusCode")),
			ResponseParameters: p.stringMap(v, "responseParameters", where),
			ResponseTemplates:  p.stringMap(v, "responseTemplates", where),
		}
		if r.StatusCode != nil && !isStatus(*r.StatusCode) {
			p.fault("Unable to put gateway response '%s': Invalid status code '%s'", kind, *r.StatusCode)
		}
		p.def.GatewayResponses = append(p.def.GatewayResponses, r)
	}
}

// isStatus is the pattern [1-5]\d\d of status codes.
func isStatus(s string) bool {
	return len(s) == 3 && s[0] >= '1' && s[0] <= '5' && s[1] >= '0' && s[1] <= '9' && s[2] >= '0' && s[2] <= '9'
}

// stringMap reads a map of texts; what is no text is left out with AWS's warning (spec/control-plane.md 8.1). Where is the
// place of the map: "resource '/a' and method 'GET'".
func (p *parser) stringMap(n *node, name, where string) *apigatewayv1.StringMap {
	v := n.get(name)
	if v == nil || v.kind == null {
		return nil
	}
	if !v.is(object) {
		p.warn("Invalid format for '%s'. Expected type object of %s but got '%s'", name, where, v.shown())
		return nil
	}
	out := &apigatewayv1.StringMap{Entries: map[string]string{}}
	for key, value := range p.members(v) {
		switch {
		case value.is(null) && name != "requestParameters" && name != "responseParameters":
			out.Entries[key] = ""
		case !value.is(text):
			p.warn("Invalid format for '%s'. Expected type string for property '%s' of %s but got '%s'", name, key, where, value.shown())
		case p.spend(len(value.text)):
			out.Entries[key] = value.text
		}
	}
	if len(out.Entries) == 0 {
		return nil
	}
	return out
}

// basePath is the part of the base path that stands before every path.
func (p *parser) basePath() []string {
	segments := strings.FieldsFunc(p.statedBasePath(), func(r rune) bool { return r == '/' })
	switch {
	case p.o.BasePath == Prepend:
		return segments
	case p.o.BasePath == Split && len(segments) > 0:
		return segments[1:]
	}
	return nil
}

// statedBasePath is basePath of Swagger 2.0; in OpenAPI 3 the variable basePath of a server, the first one even when no URL
// refers to it, else the path of the first server's URL. spec/control-plane.md 8.1.
func (p *parser) statedBasePath() string {
	if p.swagger {
		return p.root.get("basePath").scalar()
	}
	for _, server := range p.servers() {
		if v := server.get("variables").get("basePath"); v != nil {
			return v.get("default").scalar()
		}
	}
	servers := p.servers()
	if len(servers) == 0 {
		return ""
	}
	url := servers[0].get("url").scalar()
	for name, v := range p.members(servers[0].get("variables")) {
		url = strings.ReplaceAll(url, "{"+name+"}", v.get("default").scalar())
		if !p.spend(len(url)) {
			return ""
		}
	}
	if _, rest, ok := strings.Cut(url, "://"); ok {
		_, path, _ := strings.Cut(rest, "/")
		return strings.SplitN(path, "?", 2)[0]
	}
	return url
}

// json writes a value as JSON.
func (p *parser) json(n *node) string {
	w := &schemaWriter{p: p}
	w.plain(n)
	return w.String()
}
