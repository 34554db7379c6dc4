// Package openapi reads the definition of a REST API from an OpenAPI 3.0 or Swagger 2.0 document, JSON or YAML, with
// API Gateway's extensions (spec/rest.md 15.1 and 15.2): what ImportRestApi and PutRestApi get becomes the messages that
// the operations of the single nouns work with.
//
// It does not know what an API holds already, so it gives no ids and does not check a method against the rest of its API.
// The surprise: no library reads the document. A library that knows OpenAPI refuses what AWS imports with a warning or
// silently (a statusCode that is a number, responses without a description), and loses what AWS reads in both versions.
package openapi

import (
	"fmt"
	"strings"

	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

// Options is what the caller of an import knows and the document does not.
type Options struct {
	// APIID stands in the references between models.
	APIID string
	// BasePath tells what becomes of the base path.
	BasePath BasePath
	// AccountID, Partition, Region and URLSuffix are put in place of ${AWS::AccountId} and the like.
	AccountID, Partition, Region, URLSuffix string
}

// BasePath is the value of the parameter basepath.
type BasePath string

// For a base path /a/b and a path /c: /c, /a/b/c and /b/c.
const (
	Ignore  BasePath = "ignore"
	Prepend BasePath = "prepend"
	Split   BasePath = "split"
)

// Definition is what a document declares. Names stand where the API has ids: the authorizerId of a method is the name of
// an authorizer, its requestValidatorId the name of a validator.
type Definition struct {
	// API holds the members of the API that the document states, all others are nil.
	API *apigatewayv1.RestApi
	// Paths are the paths in the order of the document, the base path treated.
	Paths            []Path
	Models           []*apigatewayv1.Model
	Validators       []*apigatewayv1.RequestValidator
	Authorizers      []*apigatewayv1.Authorizer
	GatewayResponses []*apigatewayv1.GatewayResponse
}

// Path is a path with its methods, verbs in the order of the document.
type Path struct {
	Path    string
	Methods []*apigatewayv1.Method
}

// Warning is something of the document that is left out of the import.
type Warning string

// ErrInvalid tells that the document can not be read at all. Its text is AWS's.
var ErrInvalid error = invalid{}

// invalid is comparable, so that errors.Is finds it.
type invalid struct{}

// Error is AWS's text. spec/control-plane.md 4.5.
func (invalid) Error() string { return "Invalid OpenAPI input." }

// Faults are the reasons why nothing of a document is imported, one line each.
type Faults []string

// Error is AWS's text. spec/control-plane.md 4.5.
func (f Faults) Error() string { return "Errors found during import:\n" + strings.Join(f, "\n") }

// maxTexts bounds the list of faults and that of warnings: one wrong habit in a document repeats on every line.
const maxTexts = 500

// parser reads one document.
type parser struct {
	o        Options
	root     *node
	swagger  bool // Swagger 2.0
	base     []string
	def      *Definition
	warnings []Warning
	faults   Faults
	left     int                // of the work that a document of the largest size may cause
	known    map[*node]bool     // extensions that were read
	inline   map[*node]string   // names of the models made from schemas in place
	schemas  map[string]string  // schemas of all models by name
	referred map[string]string  // models that schemas refer to, and from where
	schemes  map[string]*scheme // security schemes by name
}

// Parse reads a document. It returns ErrInvalid or Faults when nothing of it may be imported; warnings come with a
// definition and with faults alike.
func Parse(document []byte, o Options) (*Definition, []Warning, error) {
	root, err := decode(o.substitute(document))
	if err != nil {
		return nil, nil, err
	}
	p := &parser{
		o: o, root: root, left: maxWork, def: &Definition{API: &apigatewayv1.RestApi{}},
		known: map[*node]bool{}, inline: map[*node]string{}, schemas: map[string]string{}, referred: map[string]string{}, schemes: map[string]*scheme{},
	}
	if err := p.version(); err != nil {
		return nil, nil, err
	}
	p.settings()
	p.models()
	p.securitySchemes()
	p.paths()
	p.danglingModels()
	p.unknownExtensions(p.root, 0)
	if p.left < 0 {
		p.faults = append(p.faults, "The document grows beyond all bounds when its references are followed.")
	}
	if len(p.faults) > 0 {
		return nil, p.warnings, p.faults
	}
	return p.def, p.warnings, nil
}

// substitute puts values in place of the pseudo parameters. spec/control-plane.md 8.1.
func (o Options) substitute(document []byte) []byte {
	text := string(document)
	if !strings.Contains(text, "${AWS::") {
		return document
	}
	return []byte(strings.NewReplacer("${AWS::AccountId}", o.AccountID, "${AWS::Partition}", o.Partition,
		"${AWS::Region}", o.Region, "${AWS::URLSuffix}", o.URLSuffix).Replace(text))
}

// version finds out which OpenAPI the document is written in.
func (p *parser) version() error {
	swagger, openapi := p.root.get("swagger").scalar(), p.root.get("openapi").scalar()
	switch {
	case swagger == "2.0" || swagger == "2":
		p.swagger = true
		return nil
	case openapi == "3.0" || strings.HasPrefix(openapi, "3.0."):
		return nil
	case swagger == "" && openapi == "":
		return ErrInvalid
	}
	return Faults{fmt.Sprintf("Unsupported version '%s'. The supported versions are Swagger 2.0 and OpenAPI 3.0.", swagger+openapi)}
}

// component finds the declarations of a kind, which the two versions keep in different places.
func (p *parser) component(swagger, openapi string) *node {
	if p.swagger {
		return p.root.get(swagger)
	}
	return p.root.get("components").get(openapi)
}

func (p *parser) warn(format string, args ...any) {
	if len(p.warnings) < maxTexts {
		p.warnings = append(p.warnings, Warning(fmt.Sprintf(format, args...)))
	}
}

func (p *parser) fault(format string, args ...any) {
	if len(p.faults) < maxTexts {
		p.faults = append(p.faults, fmt.Sprintf(format, args...))
	}
}

// extension reads an extension of a node and notes that it was understood here.
func (p *parser) extension(n *node, name string) *node {
	v := n.get(extensionPrefix + name)
	if v != nil {
		p.known[v] = true
	}
	return v
}

const extensionPrefix = "x-amazon-apigateway-"

// unknownExtensions warns of every extension of API Gateway that nobody has read where it stands.
func (p *parser) unknownExtensions(n *node, depth int) {
	for key, v := range p.members(n) {
		switch {
		case strings.HasPrefix(key, extensionPrefix):
			if !p.known[v] {
				p.warn("Unknown extension '%s' is ignored", key)
			} else if key == extensionPrefix+"any-method" {
				p.unknownExtensions(v, depth+1)
			}
		case key == "example" || key == "examples" || key == "default" || key == "enum":
		default:
			p.unknownExtensions(v, depth+1)
		}
	}
	if n != nil {
		for _, v := range n.items {
			p.unknownExtensions(v, depth+1)
		}
	}
}

// onlyMembers warns of members of an extension that it does not have.
func (p *parser) onlyMembers(n *node, where string, names ...string) {
	for key := range p.members(n) {
		if !contains(names, key) {
			p.warn("Unknown property '%s' in %s is ignored", key, where)
		}
	}
}

func contains(names []string, name string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

func ptr[T any](v T) *T { return &v }
