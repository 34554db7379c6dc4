// Package facts is the form of the tables in proto/aws: what we know of AWS's operations and members. The product reads
// the same files through its own package proto/aws; this copy of the types serves the generators, which live outside the
// product's module.
package facts

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
)

// Service is one public service model.
type Service struct {
	Name        string                 `json:"name"`
	ServiceID   string                 `json:"serviceId"`
	Version     string                 `json:"version"`
	SigningName string                 `json:"signingName"`
	Operations  []Operation            `json:"operations"`
	Structures  map[string]*Structure  `json:"structures"`
	Constraints map[string]*Constraint `json:"constraints"`
	Errors      map[string]int         `json:"errors"`
}

// Operation is one verb and path; Query holds pairs that select it among operations with the same verb and path.
type Operation struct {
	Name   string   `json:"name"`
	Method string   `json:"method"`
	Path   string   `json:"path"`
	Query  string   `json:"query,omitempty"`
	Status int      `json:"status"`
	Input  string   `json:"input,omitempty"`
	Output string   `json:"output,omitempty"`
	Errors []string `json:"errors,omitempty"`
}

// Structure is a message: a request, an answer or a noun.
type Structure struct {
	Payload string   `json:"payload,omitempty"`
	Members []Member `json:"members,omitempty"`
}

// Member is one field. Place is "" (body), uri, query, queryMap, header or payload (the raw body).
type Member struct {
	Name     string `json:"name"`
	Wire     string `json:"wire"`
	Place    string `json:"place,omitempty"`
	Type     Type   `json:"type"`
	Required bool   `json:"required,omitempty"`
}

// Constraint holds what the model says of a scalar: closed set, pattern, or range (of the length, for strings).
type Constraint struct {
	Enum    []string `json:"enum,omitempty"`
	Pattern string   `json:"pattern,omitempty"`
	Min     *float64 `json:"min,omitempty"`
	Max     *float64 `json:"max,omitempty"`
}

// Type is written as nested words: "string", "int32/Range" (a constraint by name), "timestamp/iso8601", "struct:Method",
// "list:string", "map:list:int64".
type Type string

// IsMap and IsList tell the outermost form.
func (t Type) IsMap() bool  { return strings.HasPrefix(string(t), "map:") }
func (t Type) IsList() bool { return strings.HasPrefix(string(t), "list:") }

// Elem is what a list or map holds.
func (t Type) Elem() Type { _, e, _ := strings.Cut(string(t), ":"); return Type(e) }

// Struct is the structure's name, or "".
func (t Type) Struct() string {
	s, _ := strings.CutPrefix(string(t), "struct:")
	if s == string(t) {
		return ""
	}
	return s
}

// Base is the scalar without its constraint.
func (t Type) Base() string { b, _, _ := strings.Cut(string(t), "/"); return b }

// Read loads one table.
func Read(path string) (*Service, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &Service{}
	return s, json.Unmarshal(text, s)
}

// Write stores a value as JSON with one level of structure per line, so that a change of one member is a change of few lines.
func Write(path string, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(v); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}
