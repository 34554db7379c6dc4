package exchange

import (
	"strings"

	"github.com/limen-gateway/limen/core/mapping"
	"github.com/limen-gateway/limen/core/schema"
)

// Validator is a request validator with what its method declares. It is immutable.
type Validator struct {
	// Required are the required parameters, in the order in which missing ones are reported.
	Required []RequiredParameter
	// Models are what bodies are checked against, by content type.
	Models []RequestModel
}

// RequiredParameter is one required parameter of a method.
type RequiredParameter struct {
	Place Place
	Name  string
}

// RequestModel is the compiled model of a content type.
type RequestModel struct {
	ContentType string // $default takes what no other does
	Name        string
	Schema      *schema.Schema
}

// Model is the model for a Content-Type: the one of its media type, else the one of $default, else nil
// (spec/rest.md 2.2).
func (v *Validator) Model(contentType string) *RequestModel {
	if found := v.find(mapping.MediaType(contentType, "application/json")); found != nil {
		return found
	}
	return v.find("$default")
}

func (v *Validator) find(contentType string) *RequestModel {
	for i := range v.Models {
		if strings.EqualFold(v.Models[i].ContentType, contentType) {
			return &v.Models[i]
		}
	}
	return nil
}
