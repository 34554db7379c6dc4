// Package awsjson is the codec between AWS's REST-JSON wire form and the messages of the house, driven by the fact tables
// of proto/aws: it routes a request to its operation, decodes and constrains it, and encodes the answer. It knows no noun
// and no rule beyond the public models. The one surprise: a null in a map of strings is kept as an empty string, and two
// members show it as null again (nullWhenEmpty).
package awsjson

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
	"github.com/limen-gateway/limen/proto/aws"
)

// Table holds every operation of the models, joined with the rpc that answers it. It is immutable and safe for
// concurrent use.
type Table struct {
	operations []*Operation
	root       *node
	lenient    bool
}

// Operation is one AWS operation.
type Operation struct {
	// Service is the model's name: apigateway, apigatewayv2 or apigatewaymanagementapi.
	Service string
	Name    string
	// SigningName is the service in the SigV4 scope.
	SigningName string
	// FullMethod is the gRPC method, "/limen.admin.v1.ApiGateway/CreateRestApi".
	FullMethod string
	// Method and Path are the verb and the path template, Status the status of success.
	Method, Path string
	Status       int

	query   url.Values
	input   protoreflect.MessageType
	output  protoreflect.MessageType
	in, out *structure // nil when the operation has none
	lenient bool
}

// structure joins the facts of a message with its descriptor.
type structure struct {
	name    string
	payload *member
	members []*member
	byWire  map[string]*member // body members
}

// member joins the facts of a field with its descriptor.
type member struct {
	aws.Member
	field      protoreflect.FieldDescriptor
	value      *valueType
	nullEmpty  bool
	constraint *constraint
}

// valueType is the resolved form of aws.Type.
type valueType struct {
	kind       string
	elem       *valueType
	structure  *structure
	constraint *constraint
	format     string // of a timestamp
}

type constraint struct {
	aws.Constraint
	pattern *regexp.Regexp
}

// Option changes how a table decodes.
type Option func(*Table)

// Lenient lets members pass that the model does not know; without it they are refused by name.
func Lenient() Option { return func(t *Table) { t.lenient = true } }

// nullWhenEmpty lists string maps of REST APIs whose empty values AWS shows as null; the second model shows them as they
// are. spec/control-plane.md 5, Integration responses.
var nullWhenEmpty = map[string]bool{
	"apigateway.IntegrationResponse.responseTemplates": true,
	"apigateway.Integration.requestTemplates":          true,
}

var services = map[string]string{
	"apigateway":              adminv1.ApiGateway_ServiceDesc.ServiceName,
	"apigatewayv2":            adminv1.ApiGatewayV2_ServiceDesc.ServiceName,
	"apigatewaymanagementapi": adminv1.ApiGatewayManagementApi_ServiceDesc.ServiceName,
}

// NewTable joins the fact tables with the generated services.
func NewTable(options ...Option) (*Table, error) {
	facts := make([]*aws.Service, 0, len(aws.Services))
	for _, name := range aws.Services {
		s, err := aws.Load(name)
		if err != nil {
			return nil, err
		}
		facts = append(facts, s)
	}
	return newTable(facts, options...)
}

// NewTableOf is NewTable over given facts; the proof of the codec breaks them to see itself fail.
func NewTableOf(facts []*aws.Service, options ...Option) (*Table, error) {
	return newTable(facts, options...)
}

func newTable(facts []*aws.Service, options ...Option) (*Table, error) {
	t := &Table{root: &node{}}
	for _, o := range options {
		o(t)
	}
	for _, s := range facts {
		j := &joiner{facts: s, structures: map[string]*structure{}, constraints: map[string]*constraint{}}
		for _, op := range s.Operations {
			joined, err := j.operation(op)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", s.Name, op.Name, err)
			}
			joined.lenient = t.lenient
			t.operations = append(t.operations, joined)
			t.root.add(joined)
		}
	}
	return t, nil
}

// Operations lists all operations, by service and name.
func (t *Table) Operations() []*Operation { return t.operations }

// Input is a new, empty request message.
func (o *Operation) Input() protoreflect.ProtoMessage { return o.input.New().Interface() }

// Output is a new, empty answer message.
func (o *Operation) Output() protoreflect.ProtoMessage { return o.output.New().Interface() }

type joiner struct {
	facts       *aws.Service
	structures  map[string]*structure
	constraints map[string]*constraint
}

func (j *joiner) operation(op aws.Operation) (*Operation, error) {
	service := services[j.facts.Name]
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return nil, err
	}
	method := d.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(op.Name))
	if method == nil {
		return nil, fmt.Errorf("no rpc in %s", service)
	}
	o := &Operation{Service: j.facts.Name, Name: op.Name, SigningName: j.facts.SigningName,
		FullMethod: "/" + service + "/" + op.Name, Method: op.Method, Path: op.Path, Status: op.Status}
	if o.query, err = url.ParseQuery(op.Query); err != nil {
		return nil, err
	}
	if o.input, err = messageType(method.Input()); err != nil {
		return nil, err
	}
	if o.output, err = messageType(method.Output()); err != nil {
		return nil, err
	}
	if op.Input != "" {
		if o.in, err = j.structure(op.Input); err != nil {
			return nil, err
		}
	}
	if op.Output != "" {
		o.out, err = j.structure(op.Output)
	}
	return o, err
}

func messageType(d protoreflect.MessageDescriptor) (protoreflect.MessageType, error) {
	return protoregistry.GlobalTypes.FindMessageByName(d.FullName())
}

func (j *joiner) structure(name string) (*structure, error) {
	if s := j.structures[name]; s != nil {
		return s, nil
	}
	facts := j.facts.Structures[name]
	if facts == nil {
		return nil, fmt.Errorf("no facts of structure %s", name)
	}
	d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName("limen." + j.facts.Name + ".v1." + name))
	if err != nil {
		return nil, err
	}
	s := &structure{name: name, byWire: map[string]*member{}}
	j.structures[name] = s
	for _, m := range facts.Members {
		joined, err := j.member(name, m, d.(protoreflect.MessageDescriptor))
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", name, m.Name, err)
		}
		s.members = append(s.members, joined)
		switch m.Place {
		case aws.Body:
			s.byWire[m.Wire] = joined
		case aws.Payload:
			s.payload = joined
		}
	}
	return s, nil
}

func (j *joiner) member(structure string, m aws.Member, d protoreflect.MessageDescriptor) (*member, error) {
	f := d.Fields().ByJSONName(m.Name)
	if f == nil {
		return nil, fmt.Errorf("message %s has no such field", d.FullName())
	}
	v, err := j.valueType(m.Type)
	if err != nil {
		return nil, err
	}
	return &member{Member: m, field: f, value: v, constraint: v.constraint, nullEmpty: nullWhenEmpty[j.facts.Name+"."+structure+"."+m.Name]}, nil
}

func (j *joiner) valueType(t aws.Type) (*valueType, error) {
	v := &valueType{kind: t.Kind()}
	var err error
	switch v.kind {
	case "list", "map":
		v.elem, err = j.valueType(t.Elem())
	case "struct":
		v.structure, err = j.structure(string(t.Elem()))
	case "timestamp":
		v.format = t.Constraint()
	default:
		if name := t.Constraint(); name != "" {
			v.constraint, err = j.constraintOf(name)
		}
	}
	return v, err
}

func (j *joiner) constraintOf(name string) (*constraint, error) {
	if c := j.constraints[name]; c != nil {
		return c, nil
	}
	facts := j.facts.Constraints[name]
	if facts == nil {
		return nil, fmt.Errorf("no facts of constraint %s", name)
	}
	c := &constraint{Constraint: *facts}
	if facts.Pattern != "" {
		// Java matches the whole value; the models anchor some patterns and not others.
		re, err := regexp.Compile("^(?:" + facts.Pattern + ")$")
		if err != nil {
			return nil, err
		}
		c.pattern = re
	}
	j.constraints[name] = c
	return c, nil
}

// label reports whether a template segment is a {label}, and its name.
func label(segment string) (string, bool) {
	if strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}") {
		return segment[1 : len(segment)-1], true
	}
	return "", false
}
