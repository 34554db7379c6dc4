package openapi

import (
	"strings"

	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

// place is where a method stands, as AWS's texts say it.
type place struct{ path, verb string }

func (at place) String() string { return "resource '" + at.path + "' and method '" + at.verb + "'" }

// verbs are the members of a path item that are operations.
var verbs = map[string]string{
	"get": "GET", "put": "PUT", "post": "POST", "delete": "DELETE", "options": "OPTIONS", "head": "HEAD", "patch": "PATCH",
	extensionPrefix + "any-method": "ANY",
}

// paths reads all methods.
func (p *parser) paths() {
	paths := p.root.get("paths")
	if paths != nil && !paths.is(object) {
		p.fault("Invalid format for 'paths'. Expected type object but got '%s'", paths.shown())
		return
	}
	for path, item := range p.members(paths) {
		if strings.HasPrefix(path, "x-") {
			continue
		}
		if !strings.HasPrefix(path, "/") {
			p.fault("Unable to create resource at path '%s': a path begins with a slash", path)
			continue
		}
		segments := append(append([]string{}, p.base...), strings.FieldsFunc(path, func(r rune) bool { return r == '/' })...)
		full := "/" + strings.Join(segments, "/")
		item = p.resolve(item, "path '"+path+"'")
		p.def.Paths = append(p.def.Paths, Path{Path: full, Methods: p.methods(item, full, segments)})
	}
}

func (p *parser) methods(item *node, path string, segments []string) []*apigatewayv1.Method {
	var out []*apigatewayv1.Method
	p.extension(item, "any-method")
	for key, op := range p.members(item) {
		if key == "trace" {
			p.warn("Method 'TRACE' of resource '%s' is ignored", path)
		}
		verb, ok := verbs[key]
		if !ok {
			continue
		}
		at := place{path, verb}
		if !op.is(object) {
			p.fault("Unable to put method '%s' on resource at path '%s': Expected type object but got '%s'", verb, path, op.shown())
			continue
		}
		out = append(out, p.method(item, op, segments, at))
	}
	return out
}

func (p *parser) method(item, op *node, segments []string, at place) *apigatewayv1.Method {
	m := &apigatewayv1.Method{HttpMethod: ptr(at.verb), OperationName: stated(op.get("operationId"))}
	p.security(op, m, at)
	m.RequestValidatorId = stated(p.extension(p.root, "request-validator"))
	if own := p.extension(op, "request-validator"); own != nil {
		m.RequestValidatorId = stated(own)
	}
	parameters := &apigatewayv1.BoolMap{Entries: map[string]bool{}}
	for _, segment := range segments {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			parameters.Entries["method.request.path."+strings.TrimSuffix(strings.TrimSuffix(name, "}"), "+")] = true
		}
	}
	models := map[string]string{}
	p.parameters(item.get("parameters"), op, parameters.Entries, models, at)
	p.parameters(op.get("parameters"), op, parameters.Entries, models, at)
	if len(parameters.Entries) > 0 {
		m.RequestParameters = parameters
	}
	if body := op.get("requestBody"); body != nil && !p.swagger {
		p.content(p.resolve(body, "request body of "+at.String()), models, at)
	}
	if len(models) > 0 {
		m.RequestModels = &apigatewayv1.StringMap{Entries: models}
	}
	m.MethodResponses = p.responses(op, at)
	m.MethodIntegration = p.integration(op, at)
	return m
}

// locations of parameters in a method.
var locations = map[string]string{"query": "querystring", "header": "header", "path": "path"}

// parameters reads a list of parameters; in Swagger 2.0 the body is one of them.
func (p *parser) parameters(list, op *node, into map[string]bool, models map[string]string, at place) {
	if !list.is(array) {
		return
	}
	for _, n := range list.items {
		n = p.resolve(n, "a parameter of "+at.String())
		if n == nil || !p.spend(64) {
			continue
		}
		name, in := n.get("name").scalar(), n.get("in").scalar()
		switch location := locations[in]; {
		case location != "" && name == "":
			p.fault("Unable to put method '%s' on resource at path '%s': a parameter has no name", at.verb, at.path)
		case location != "":
			key := "method.request." + location + "." + name
			if p.spend(len(key)) {
				into[key] = n.get("required").isTrue() || into[key] && in == "path"
			}
		case in == "body" && p.swagger:
			if schema := n.get("schema"); schema.is(object) {
				p.allModels(p.mediaTypes(op, "consumes"), schema, models, at)
			}
		default:
			p.warn("Parameter '%s' of %s is ignored: it is in '%s'", n.get("name").shown(), at, in)
		}
	}
}

// mediaTypes are those of an operation in Swagger 2.0, else those of the document.
func (p *parser) mediaTypes(op *node, member string) []string {
	for _, n := range []*node{op.get(member), p.root.get(member)} {
		if n.is(array) && len(n.items) > 0 {
			return p.texts(n, "'"+member+"'")
		}
	}
	return []string{"application/json"}
}

func (p *parser) allModels(mediaTypes []string, schema *node, into map[string]string, at place) {
	name := p.model(schema, at.String())
	for _, mediaType := range mediaTypes {
		if p.spend(len(mediaType) + len(name)) {
			into[mediaType] = name
		}
	}
}

// content reads the models of a body in OpenAPI 3.
func (p *parser) content(body *node, into map[string]string, at place) {
	for mediaType, v := range p.members(body.get("content")) {
		if schema := v.get("schema"); schema.is(object) {
			p.allModels([]string{mediaType}, schema, into, at)
		}
	}
}

// responses reads the method responses.
func (p *parser) responses(op *node, at place) *apigatewayv1.MethodResponseMap {
	entries := map[string]*apigatewayv1.MethodResponse{}
	for status, n := range p.members(op.get("responses")) {
		if strings.HasPrefix(status, "x-") {
			continue
		}
		if !isStatus(status) {
			p.warn("Response '%s' of %s is ignored: it is no status code", status, at)
			continue
		}
		n = p.resolve(n, "response '"+status+"' of "+at.String())
		entries[status] = p.response(op, n, status, at)
	}
	if len(entries) == 0 {
		return nil
	}
	return &apigatewayv1.MethodResponseMap{Entries: entries}
}

func (p *parser) response(op, n *node, status string, at place) *apigatewayv1.MethodResponse {
	r := &apigatewayv1.MethodResponse{StatusCode: ptr(status)}
	for name := range p.members(n.get("headers")) {
		if r.ResponseParameters == nil {
			r.ResponseParameters = &apigatewayv1.BoolMap{Entries: map[string]bool{}}
		}
		r.ResponseParameters.Entries["method.response.header."+name] = false
	}
	models := map[string]string{}
	if p.swagger {
		if schema := n.get("schema"); schema.is(object) {
			p.allModels(p.mediaTypes(op, "produces"), schema, models, at)
		}
	} else {
		p.content(n, models, at)
	}
	if len(models) > 0 {
		r.ResponseModels = &apigatewayv1.StringMap{Entries: models}
	}
	return r
}
