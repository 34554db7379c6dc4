package codec

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi"
	"github.com/aws/aws-sdk-go-v2/service/apigatewayv2"
)

// services are the names of the three clients.
var services = []string{"apigateway", "apigatewayv2", "apigatewaymanagementapi"}

// client is an SDK client that talks to an echo, with an eye on the wire.
type client struct {
	service string
	sdk     reflect.Value
	wire    *tap
}

// operation is one method of a client.
type operation struct {
	client *client
	name   string
	method reflect.Value
}

func newClient(service string, e *echo) *client {
	w := &tap{client: e.client}
	base := aws.String(e.base)
	keys := credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", "")
	c := &client{service: service, wire: w}
	switch service {
	case "apigateway":
		c.sdk = reflect.ValueOf(apigateway.New(apigateway.Options{BaseEndpoint: base, Region: "us-east-1",
			Credentials: keys, HTTPClient: w, Retryer: aws.NopRetryer{}}))
	case "apigatewayv2":
		c.sdk = reflect.ValueOf(apigatewayv2.New(apigatewayv2.Options{BaseEndpoint: base, Region: "us-east-1",
			Credentials: keys, HTTPClient: w, Retryer: aws.NopRetryer{}}))
	case "apigatewaymanagementapi":
		c.sdk = reflect.ValueOf(apigatewaymanagementapi.New(apigatewaymanagementapi.Options{BaseEndpoint: base,
			Region: "us-east-1", Credentials: keys, HTTPClient: w, Retryer: aws.NopRetryer{}}))
	}
	return c
}

// operations are the methods that take an input structure.
func (c *client) operations() []operation {
	var out []operation
	for i := range c.sdk.NumMethod() {
		name, m := c.sdk.Type().Method(i).Name, c.sdk.Method(i)
		t := m.Type()
		if t.NumIn() == 3 && t.In(1).Kind() == reflect.Pointer && t.In(1).Elem().Name() == name+"Input" {
			out = append(out, operation{c, name, m})
		}
	}
	return out
}

func (o operation) input() reflect.Type  { return o.method.Type().In(1).Elem() }
func (o operation) output() reflect.Type { return o.method.Type().Out(0).Elem() }

// newInput points to an input without members; send fills what the SDK asks for.
func newInput(o operation) reflect.Value { return reflect.New(o.input()) }

// call sends a pointer to an input and returns a pointer to the output, without its metadata.
func (o operation) call(in reflect.Value) (reflect.Value, error) {
	o.client.wire.last = sent{}
	results := o.method.Call([]reflect.Value{reflect.ValueOf(context.Background()), in})
	if err, _ := results[1].Interface().(error); err != nil {
		return reflect.Value{}, err
	}
	out := results[0]
	out.Elem().FieldByName("ResultMetadata").SetZero()
	return out, nil
}

// tap is the SDK's HTTP client; it remembers what went over the wire.
type tap struct {
	client *http.Client
	last   sent
}

// sent is a request as the SDK made it, in a form that compares: header lines of tracing and signature are left out.
type sent struct {
	target string
	accept string
	body   any
	status int
}

func (t *tap) Do(r *http.Request) (*http.Response, error) {
	t.last = sent{target: r.Method + " " + r.URL.String(), accept: r.Header.Get("Accept")}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if json.Unmarshal(body, &t.last.body) != nil {
			t.last.body = string(body)
		}
	}
	resp, err := t.client.Do(r)
	if resp != nil {
		t.last.status = resp.StatusCode
	}
	return resp, err
}

// lowerFirst is how a message names the SDK's field.
func lowerFirst(name string) string { return strings.ToLower(name[:1]) + name[1:] }
