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

// sample is a function and its name.
type sample struct {
	name    string
	handler any
}

func samples() []sample {
	return []sample{{"hello", hello}, {"echo", echo}, {"malformed", malformed}, {"slow", slow}, {"crash", crash}, {"authorizer", authorizer}, {"trace", trace}}
}

// Names lists the samples.
func Names() []string {
	var names []string
	for _, s := range samples() {
		names = append(names, s.name)
	}
	return names
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
	return fmt.Errorf("no sample %q; there are %s", name, strings.Join(Names(), ", "))
}

// greeting is the body of hello's answer.
type greeting struct {
	Message string              `json:"message"`
	Method  string              `json:"method"`
	Path    string              `json:"path"`
	Query   map[string][]string `json:"query"`
}

// hello greets and says what it was called with.
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

// echo answers with the whole event as body.
func echo(_ context.Context, event json.RawMessage) (events.APIGatewayProxyResponse, error) {
	return answer(event)
}

// malformed answers with an object where the gateway wants a text: the most frequent mistake.
func malformed(context.Context) (map[string]any, error) {
	return map[string]any{"statusCode": http.StatusOK, "body": map[string]string{"message": "this is not a string"}}, nil
}

// slow answers after ?ms=… milliseconds, one second without.
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

// crash ends its process instead of answering.
func crash(context.Context) error {
	fmt.Fprintln(os.Stderr, "this sample ends here, as it was told to")
	os.Exit(1)
	return nil
}

// authorizer judges by the last word of the token: allow, deny, or anything else for nobody.
func authorizer(_ context.Context, e events.APIGatewayCustomAuthorizerRequest) (events.APIGatewayCustomAuthorizerResponse, error) {
	words := strings.Fields(e.AuthorizationToken)
	effect := map[string]string{"allow": "Allow", "deny": "Deny"}[words[len(words)-1]]
	if effect == "" {
		// Exactly this text makes the gateway answer 401.
		return events.APIGatewayCustomAuthorizerResponse{}, errors.New("Unauthorized")
	}
	return events.APIGatewayCustomAuthorizerResponse{
		PrincipalID: "newcomer",
		PolicyDocument: events.APIGatewayCustomAuthorizerPolicy{Version: "2012-10-17", Statement: []events.IAMPolicyStatement{
			{Action: []string{"execute-api:Invoke"}, Effect: effect, Resource: []string{"*"}},
		}},
		Context: map[string]any{"team": "founders"},
	}, nil
}

// trace answers with what its runtime says of the trace that it was invoked in.
func trace(ctx context.Context) (events.APIGatewayProxyResponse, error) {
	id, _ := ctx.Value("x-amzn-trace-id").(string) // the official library's own key
	return answer(map[string]string{"trace": id})
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
