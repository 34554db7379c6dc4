// Command awsmodel imports the public service models into our own tables of facts, proto/aws/*.json: operations with
// verb, path, status and errors; structures with members, wire names, places, types and constraints. No documentation
// text is taken over. It is repeatable: AWS adds operations twice a year.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/limen-gateway/limen/tools/internal/facts"
)

// services lists the models we speak, by the stem of their file.
var services = []string{"apigateway", "apigatewayv2", "apigatewaymanagementapi"}

func main() {
	log.SetFlags(0)
	models := flag.String("models", "", "folder with *.service-2.json (the data of an installed botocore has the same form)")
	out := flag.String("out", "proto/aws", "folder for the tables")
	flag.Parse()
	for _, s := range services {
		if err := importService(*models, *out, s); err != nil {
			log.Fatalf("import %s: %v", s, err)
		}
	}
}

func importService(models, out, name string) error {
	text, err := os.ReadFile(filepath.Join(models, name+".service-2.json"))
	if err != nil {
		return err
	}
	var m model
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	svc, err := convert(name, &m)
	if err != nil {
		return err
	}
	return facts.Write(filepath.Join(out, name+".json"), svc)
}

type model struct {
	Metadata struct {
		APIVersion     string `json:"apiVersion"`
		ServiceID      string `json:"serviceId"`
		EndpointPrefix string `json:"endpointPrefix"`
		SigningName    string `json:"signingName"`
	} `json:"metadata"`
	Operations map[string]operation `json:"operations"`
	Shapes     map[string]shape     `json:"shapes"`
}

type operation struct {
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode"`
	} `json:"http"`
	Input, Output ref
	Errors        []ref
}

type ref struct {
	Shape        string `json:"shape"`
	Location     string `json:"location"`
	LocationName string `json:"locationName"`
}

type shape struct {
	Type            string   `json:"type"`
	Required        []string `json:"required"`
	Members         members  `json:"members"`
	Member          *ref     `json:"member"`
	Key             *ref     `json:"key"`
	Value           *ref     `json:"value"`
	Enum            []string `json:"enum"`
	Pattern         string   `json:"pattern"`
	Min             *float64 `json:"min"`
	Max             *float64 `json:"max"`
	Payload         string   `json:"payload"`
	Exception       bool     `json:"exception"`
	TimestampFormat string   `json:"timestampFormat"`
	Error           struct {
		HTTPStatusCode int `json:"httpStatusCode"`
	} `json:"error"`
}

// members keeps the order of the model, which a map would lose.
type members []member

type member struct {
	Name string
	ref
}

func (m *members) UnmarshalJSON(text []byte) error {
	dec := json.NewDecoder(strings.NewReader(string(text)))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return err
		}
		var r ref
		if err := dec.Decode(&r); err != nil {
			return err
		}
		*m = append(*m, member{name.(string), r})
	}
	return nil
}

// converter walks from the operations, so that shapes no operation uses are left out.
type converter struct {
	m   *model
	out *facts.Service
}

func convert(name string, m *model) (*facts.Service, error) {
	signing := m.Metadata.SigningName
	if signing == "" {
		signing = m.Metadata.EndpointPrefix
	}
	c := &converter{m, &facts.Service{
		Name: name, ServiceID: m.Metadata.ServiceID, Version: m.Metadata.APIVersion, SigningName: signing,
		Structures: map[string]*facts.Structure{}, Constraints: map[string]*facts.Constraint{}, Errors: map[string]int{},
	}}
	names := make([]string, 0, len(m.Operations))
	for n := range m.Operations {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		op, err := c.operation(n, m.Operations[n])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n, err)
		}
		c.out.Operations = append(c.out.Operations, op)
	}
	c.fold()
	return c.out, nil
}

func (c *converter) operation(name string, o operation) (facts.Operation, error) {
	path, query, _ := strings.Cut(o.HTTP.RequestURI, "?")
	op := facts.Operation{Name: name, Method: o.HTTP.Method, Path: path, Query: query, Status: o.HTTP.ResponseCode,
		Input: o.Input.Shape, Output: o.Output.Shape}
	if op.Status == 0 {
		op.Status = 200
	}
	for _, e := range o.Errors {
		op.Errors = append(op.Errors, e.Shape)
		c.out.Errors[e.Shape] = c.m.Shapes[e.Shape].Error.HTTPStatusCode
	}
	sort.Strings(op.Errors)
	for _, s := range []string{op.Input, op.Output} {
		if s == "" {
			continue
		}
		if err := c.structure(s); err != nil {
			return op, err
		}
	}
	return op, nil
}

func (c *converter) structure(name string) error {
	if c.out.Structures[name] != nil {
		return nil
	}
	s := c.m.Shapes[name]
	st := &facts.Structure{Payload: s.Payload}
	c.out.Structures[name] = st
	required := map[string]bool{}
	for _, r := range s.Required {
		required[r] = true
	}
	for _, m := range s.Members {
		t, err := c.typeOf(m.Shape)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", name, m.Name, err)
		}
		wire := m.LocationName
		if wire == "" {
			wire = m.Name
		}
		st.Members = append(st.Members, facts.Member{Name: lowerFirst(m.Name), Wire: wire,
			Place: place(m, s.Payload, t), Type: t, Required: required[m.Name]})
	}
	return nil
}

// place says where a member travels; a map in the query string is spread into free pairs.
func place(m member, payload string, t facts.Type) string {
	switch {
	case m.Location == "uri":
		return "uri"
	case m.Location == "querystring" && t.IsMap():
		return "queryMap"
	case m.Location == "querystring":
		return "query"
	case m.Location == "header":
		return "header"
	case payload == m.Name:
		return "payload"
	}
	return ""
}

func (c *converter) typeOf(name string) (facts.Type, error) {
	s, ok := c.m.Shapes[name]
	if !ok {
		return "", fmt.Errorf("unknown shape %s", name)
	}
	switch s.Type {
	case "structure":
		return facts.Type("struct:" + name), c.structure(name)
	case "list":
		t, err := c.typeOf(s.Member.Shape)
		return "list:" + t, err
	case "map":
		t, err := c.typeOf(s.Value.Shape)
		return "map:" + t, err
	case "timestamp":
		if s.TimestampFormat != "" {
			return facts.Type("timestamp/" + s.TimestampFormat), nil
		}
		return "timestamp/unixTimestamp", nil
	}
	base := map[string]facts.Type{"string": "string", "boolean": "bool", "integer": "int32", "long": "int64", "double": "double", "blob": "blob"}[s.Type]
	if base == "" {
		return "", fmt.Errorf("shape %s has unknown type %s", name, s.Type)
	}
	if len(s.Enum) == 0 && s.Pattern == "" && s.Min == nil && s.Max == nil {
		return base, nil
	}
	c.out.Constraints[name] = &facts.Constraint{Enum: s.Enum, Pattern: s.Pattern, Min: s.Min, Max: s.Max}
	return base + "/" + facts.Type(name), nil
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
