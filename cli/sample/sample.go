// Package sample holds small Lambda functions for trying a gateway out. They are ordinary programs of the official
// library and know nothing of limen: the function host starts the limen binary itself as `limen sample NAME`.
//
// The surprise: run from a shell they end at once, since only a Lambda runtime can give them work.
package sample

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

// sample is a function with the line that help shows for it.
type sample struct {
	name, about string
	handler     any
}

func samples() []sample {
	return []sample{
		{"hello", "greets and says what it was called with", hello},
		{"echo", "answers with the whole event as body", echo},
		{"malformed", "answers with something that is no proxy response", malformed},
		{"slow", "answers after ?ms=… milliseconds", slow},
		{"crash", "ends its process instead of answering", crash},
	}
}

// Names lists the samples with a line about each: "hello\tgreets …", the form that shell completion takes.
func Names() []string {
	var out []string
	for _, s := range samples() {
		out = append(out, s.name+"\t"+s.about)
	}
	return out
}

// ErrNoRuntime is the answer outside a Lambda runtime.
var ErrNoRuntime = errors.New("a sample is started by the function host: AWS_LAMBDA_RUNTIME_API is not set")

// Run serves the sample of that name until its runtime ends it.
func Run(name string) error {
	for _, s := range samples() {
		if s.name != name {
			continue
		}
		if os.Getenv("AWS_LAMBDA_RUNTIME_API") == "" {
			return ErrNoRuntime
		}
		lambda.Start(s.handler)
		return nil
	}
	var known []string
	for _, s := range samples() {
		known = append(known, s.name)
	}
	return fmt.Errorf("no sample %q; there are %s", name, strings.Join(known, ", "))
}

// greeting is the body of hello's answer.
type greeting struct {
	Message string              `json:"message"`
	Method  string              `json:"method"`
	Path    string              `json:"path"`
	Query   map[string][]string `json:"query"`
}

func hello(_ context.Context, e events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	who := e.QueryStringParameters["name"]
	if who == "" {
		who = "world"
	}
	query := e.MultiValueQueryStringParameters
	if query == nil {
		query = map[string][]string{}
	}
	return answer(greeting{"Hello, " + who + "!", e.HTTPMethod, e.Path, query})
}

func echo(_ context.Context, event json.RawMessage) (events.APIGatewayProxyResponse, error) {
	return answer(event)
}

// malformed has an object where the gateway wants a text: the most frequent mistake.
func malformed(context.Context) (map[string]any, error) {
	return map[string]any{"statusCode": http.StatusOK, "body": map[string]string{"message": "this is not a string"}}, nil
}

func slow(ctx context.Context, e events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	ms, err := strconv.Atoi(e.QueryStringParameters["ms"])
	if err != nil || ms < 0 {
		ms = 1000
	}
	timer := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
		return answer(map[string]int{"slept": ms})
	case <-ctx.Done():
		return events.APIGatewayProxyResponse{}, ctx.Err()
	}
}

func crash(context.Context) error {
	fmt.Fprintln(os.Stderr, "this sample ends here, as it was told to")
	os.Exit(1)
	return nil
}

func answer(body any) (events.APIGatewayProxyResponse, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return events.APIGatewayProxyResponse{}, err
	}
	return events.APIGatewayProxyResponse{
		StatusCode: http.StatusOK, Headers: map[string]string{"Content-Type": "application/json"}, Body: string(text),
	}, nil
}
