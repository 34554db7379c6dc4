// Package aws holds the facts of AWS's public service models that the control plane is built from: operations with verb,
// path, status and errors; structures with members, wire names, places, types and constraints. The tables are imported
// (make import) and are the source of the generated messages and services; they hold no documentation text. The one
// surprise: answers that equal a noun member for member are folded into it, so v2's CreateApi answers an Api.
package aws

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed apigateway.json apigatewayv2.json apigatewaymanagementapi.json numbers.json
var files embed.FS

// Services are the names of the models, in the order of their tables.
var Services = []string{"apigateway", "apigatewayv2", "apigatewaymanagementapi"}

// Service is one public service model.
type Service struct {
	Name        string                 `json:"name"`
	ServiceID   string                 `json:"serviceId"`
	Version     string                 `json:"version"`
	SigningName string                 `json:"signingName"`
	Operations  []Operation            `json:"operations"`
	Structures  map[string]*Structure  `json:"structures"`
	Constraints map[string]*Constraint `json:"constraints"`
	// Errors maps an exception to its HTTP status.
	Errors map[string]int `json:"errors"`
}

// Operation is a verb and a path with {labels}. Query holds pairs that select it among operations that share both.
// Input and Output name structures; an empty Output means an answer without a body.
type Operation struct {
	Name   string   `json:"name"`
	Method string   `json:"method"`
	Path   string   `json:"path"`
	Query  string   `json:"query"`
	Status int      `json:"status"`
	Input  string   `json:"input"`
	Output string   `json:"output"`
	Errors []string `json:"errors"`
}

// Structure is a request, an answer or a noun; Payload names the member that is the raw body.
type Structure struct {
	Payload string   `json:"payload"`
	Members []Member `json:"members"`
}

// Places of a member.
const (
	Body     = ""
	URI      = "uri"
	Query    = "query"
	QueryMap = "queryMap"
	Header   = "header"
	Payload  = "payload"
)

// Member is one field of a structure.
type Member struct {
	Name     string `json:"name"`
	Wire     string `json:"wire"`
	Place    string `json:"place"`
	Type     Type   `json:"type"`
	Required bool   `json:"required"`
}

// Constraint is what the model says of a scalar. Min and Max bound the length of a string and the value of a number.
type Constraint struct {
	Enum    []string `json:"enum"`
	Pattern string   `json:"pattern"`
	Min     *float64 `json:"min"`
	Max     *float64 `json:"max"`
}

// Type is written as nested words: "string", "int32/Range" (with a constraint's name), "timestamp/iso8601",
// "struct:Method", "list:string", "map:list:int64".
type Type string

// Kind is the outermost word: list, map, struct, or a scalar.
func (t Type) Kind() string {
	kind, _, _ := strings.Cut(string(t), ":")
	kind, _, _ = strings.Cut(kind, "/")
	return kind
}

// Elem is what a list or map holds, or the name of a structure.
func (t Type) Elem() Type {
	_, e, _ := strings.Cut(string(t), ":")
	return Type(e)
}

// Constraint is the name behind a scalar's slash, or "".
func (t Type) Constraint() string {
	_, c, _ := strings.Cut(string(t), "/")
	return c
}

// Load reads the table of one service.
func Load(service string) (*Service, error) {
	text, err := files.ReadFile(service + ".json")
	if err != nil {
		return nil, fmt.Errorf("facts of %s: %w", service, err)
	}
	s := &Service{}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("facts of %s: %w", service, err)
	}
	return s, nil
}

// Numbers is the ledger of field numbers: "service.Message" → member → number.
func Numbers() (map[string]map[string]int, error) {
	text, err := files.ReadFile("numbers.json")
	if err != nil {
		return nil, err
	}
	var n map[string]map[string]int
	return n, json.Unmarshal(text, &n)
}
