package snapshot

import (
	"fmt"
	"maps"
	"slices"

	"github.com/limen-gateway/limen/core/schema"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

// Validation are the request validators of a content and the models that they check bodies against (spec/rest.md 2.2). It
// compiles a model when a method first needs it: what no body is checked against need not be a schema. It is not safe for
// concurrent use.
type Validation struct {
	validators map[string]*apigatewayv1.RequestValidator
	models     schema.Models
	unreadable map[string]error
	compiled   map[string]compiledModel
}

type compiledModel struct {
	schema *schema.Schema
	err    error
}

// NewValidation reads the models of a content. One that cannot be read is an error only where it is used.
func NewValidation(d *snapshotv1.Deployment) *Validation {
	api := d.GetRestApi().GetId()
	if d.GetApi() != nil {
		api = d.GetApi().GetApiId()
	}
	v := &Validation{
		validators: map[string]*apigatewayv1.RequestValidator{}, unreadable: map[string]error{}, compiled: map[string]compiledModel{},
		models: schema.Models{API: api, Documents: map[string]*schema.Document{}},
	}
	for _, r := range d.GetRequestValidators() {
		v.validators[r.GetId()] = r
	}
	for _, m := range d.GetModels() {
		v.read(m.GetName(), m.GetSchema())
	}
	for _, m := range d.GetApiModels() {
		v.read(m.GetName(), m.GetSchema())
	}
	return v
}

func (v *Validation) read(name, text string) {
	document, err := schema.Parse(text)
	if err != nil {
		v.unreadable[name] = fmt.Errorf("model %s: %w", name, err)
		return
	}
	v.models.Documents[name] = document
}

// Validator is the validator of a method; nil for a method without one.
func (v *Validation) Validator(m *apigatewayv1.Method) (*apigatewayv1.RequestValidator, error) {
	id := m.GetRequestValidatorId()
	if id == "" {
		return nil, nil
	}
	if r := v.validators[id]; r != nil {
		return r, nil
	}
	// Passing requests unchecked would leave the method open.
	return nil, fmt.Errorf("the request validator %s does not exist", id)
}

// Model compiles the model that a method names for a content type.
func (v *Validation) Model(contentType, name string) (*schema.Schema, error) {
	c, ok := v.compiled[name]
	if !ok {
		if c.err = v.unreadable[name]; c.err == nil {
			c.schema, c.err = v.models.Compile(name)
		}
		v.compiled[name] = c
	}
	if c.err != nil {
		return nil, fmt.Errorf("request model %s for %s cannot be used: %w", name, contentType, c.err)
	}
	return c.schema, nil
}

// check finds the problems of a method's validation: each is one that the edge would meet when it compiles the method.
func (v *Validation) check(where string, m *apigatewayv1.Method) []Problem {
	validator, err := v.Validator(m)
	if err != nil {
		return []Problem{{where, err.Error()}}
	}
	if !validator.GetValidateRequestBody() {
		return nil
	}
	var out []Problem
	models := m.GetRequestModels().GetEntries()
	for _, contentType := range slices.Sorted(maps.Keys(models)) {
		if _, err := v.Model(contentType, models[contentType]); err != nil {
			out = append(out, Problem{where, err.Error()})
		}
	}
	return out
}
