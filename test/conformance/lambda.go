package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// invocation is one call of a function.
type invocation struct {
	*fake
	run   *run
	text  []byte // of the event, as it came
	event any
}

// functionError is what a function throws.
type functionError struct {
	message string
	kind    string
	trace   []string
}

func (e *functionError) Error() string { return e.kind + ": " + e.message }

// lambdas are the functions by what they do, as the cases describe it. Each returns the JSON text of its answer.
var lambdas = map[string]func(*invocation) (string, error){
	"static":                   func(i *invocation) (string, error) { return i.run.jsonText(i.Payload) },
	"unused":                   func(*invocation) (string, error) { return "null", nil },
	"echo-event":               func(i *invocation) (string, error) { return string(i.text), nil },
	"proxy-echo-event":         proxyEcho,
	"proxy-echo-event-text":    proxyEchoText,
	"proxy-return-body-base64": returnBase64,
	"proxy-xml-300":            xml300,
	"return-parsed-body":       returnParsed,
	"by-body-httpStatus":       byBody,
	"by-statusCode-raise":      byStatus,
	"authorizer-token":         authorizeToken,
	"authorizer-usage-key":     authorizeUsageKey,
	"http-authorizer-simple":   authorizeSimply,
	"ws-behaviours":            socketBehaviours,
}

// function serves the Lambda Invoke form.
func (f *fake) function(r *run) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		text, err := io.ReadAll(q.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		f.keep(text)
		out, err := lambdas[f.Behaviour](&invocation{f, r, text, bodyOf(text)})
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Amz-Executed-Version", "$LATEST")
		if err != nil {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			out = thrown(err)
		}
		w.Header().Set("Content-Length", strconv.Itoa(len(out)))
		_, _ = io.WriteString(w, out) // the gateway may have gone
	})
}

func thrown(err error) string {
	e, ok := err.(*functionError)
	if !ok {
		e = &functionError{message: err.Error(), kind: "Exception"}
	}
	return compact(map[string]any{"errorMessage": e.message, "errorType": e.kind, "requestId": newUUID(), "stackTrace": append([]string{}, e.trace...)})
}

// get is a text of the event; empty when there is none.
func (i *invocation) get(path string) string {
	v, _ := at(i.event, path, false)
	text, _ := v.(string)
	return text
}

// header is a header of the event, whatever its case.
func (i *invocation) header(name string) string {
	v, _ := at(i.event, "headers", false)
	headers, _ := v.(map[string]any)
	text, _ := named(headers, name, true).(string)
	return text
}

func proxied(body string) string {
	return `{"statusCode":200,"body":` + compact(body) + `,"isBase64Encoded":false}`
}

func proxyEcho(i *invocation) (string, error) { return proxied(string(i.text)), nil }

func proxyEchoText(i *invocation) (string, error) {
	var event bytes.Buffer
	if err := json.Compact(&event, i.text); err != nil {
		return "", err
	}
	literal := compact("response from localstack lambda: " + event.String())
	return `{"statusCode":200,"body":` + compact(literal) + `,"isBase64Encoded":false,"headers":{}}`, nil
}

func xml300(*invocation) (string, error) {
	return `{"isBase64Encoded":false,"statusCode":300,"headers":{"content-type":"application/xml"},"body":"<message>completed</message>"}`, nil
}

// body is the body of the event, decoded.
func (i *invocation) body() ([]byte, error) {
	if v, _ := at(i.event, "isBase64Encoded", false); v == true {
		return base64.StdEncoding.DecodeString(i.get("body"))
	}
	return []byte(i.get("body")), nil
}

func returnBase64(i *invocation) (string, error) {
	body, err := i.body()
	if err != nil {
		return "", err
	}
	if i.get("httpMethod") == http.MethodGet || i.get("requestContext.http.method") == http.MethodGet {
		body = []byte{0xDE, 0xAD, 0xBE, 0xEF}
	}
	kind := i.header("Content-Type")
	if kind == "" {
		kind = "application/octet-stream"
	}
	return compact(map[string]any{"statusCode": 200, "headers": map[string]any{"Content-Type": kind},
		"body": base64.StdEncoding.EncodeToString(body), "isBase64Encoded": true}), nil
}

func returnParsed(i *invocation) (string, error) {
	body, err := i.body()
	if err != nil {
		return "", err
	}
	if !json.Valid(body) {
		return "", &functionError{message: "Expecting value: line 1 column 1 (char 0)", kind: "JSONDecodeError"}
	}
	return string(body), nil
}

func byBody(i *invocation) (string, error) {
	v, _ := at(i.event, "body.httpStatus", false)
	if status, err := strconv.Atoi(plain(v)); err == nil && status >= 400 {
		return `{"statusCode":200,"body":"customerror"}`, nil
	}
	return `{"statusCode":200,"body":"noerror"}`, nil
}

func byStatus(i *invocation) (string, error) {
	switch v, _ := at(i.event, "statusCode", false); plain(v) {
	case "200":
		return `"Pass"`, nil
	case "400":
		return "", raised(7, "Error: Raising four hundred from within the Lambda function")
	case "500":
		return "", raised(9, "Error: Raising five hundred from within the Lambda function")
	}
	return "null", nil
}

// raised is an exception as the Python runtime tells of it.
func raised(line int, message string) error {
	trace := fmt.Sprintf("  File \"/var/task/lambda_select_pattern.py\", line %d, in handler\n    raise Exception(%s)\n", line, compact(message))
	return &functionError{message, "Exception", []string{trace}}
}

// authorizeToken decides by the token, or by the first identity source of a REQUEST authorizer.
func authorizeToken(i *invocation) (string, error) {
	token := i.get("authorizationToken")
	if token == "" {
		token = i.identity()
	}
	arn := i.get("methodArn")
	if arn == "" {
		arn = i.get("routeArn")
	}
	switch token {
	case "allow":
		return policy("Allow", arn, ""), nil
	case "deny":
		return policy("Deny", arn, ""), nil
	case "none":
		return policy("Allow", "arn:aws:execute-api:us-east-1:123456789012:unrelated/none/GET/none", ""), nil
	case "bad":
		return `{"not":"a policy"}`, nil
	case "Unauthorized":
		return "", &functionError{message: "Unauthorized", kind: "Exception"}
	}
	return "", &functionError{message: "boom", kind: "Exception"}
}

// identity is the first identity source of the event. REST and WebSocket events do not name it, so it is the value that is
// one of the words this function knows.
func (i *invocation) identity() string {
	if v, ok := at(i.event, "identitySource.0", false); ok {
		return plain(v)
	}
	for _, place := range []string{"headers", "queryStringParameters", "stageVariables"} {
		v, _ := at(i.event, place, false)
		object, _ := v.(map[string]any)
		for _, name := range sorted(object) {
			switch text := plain(object[name]); text {
			case "allow", "deny", "none", "bad", "Unauthorized", "fail":
				return text
			}
		}
	}
	return ""
}

func policy(effect, arn, usageKey string) string {
	out := map[string]any{
		"principalId": "user", "context": map[string]any{"foo": "bar"},
		"policyDocument": map[string]any{"Version": "2012-10-17", "Statement": []any{
			map[string]any{"Action": "execute-api:Invoke", "Effect": effect, "Resource": arn},
		}},
	}
	if usageKey != "" {
		out["usageIdentifierKey"] = usageKey
	}
	return compact(out)
}

func authorizeUsageKey(i *invocation) (string, error) {
	return policy("Allow", i.get("methodArn"), i.get("authorizationToken")), nil
}

func authorizeSimply(i *invocation) (string, error) {
	switch i.header("Auth") {
	case "allow":
		return `{"isAuthorized":true,"context":{"foo":"bar"}}`, nil
	case "fail":
		return "", &functionError{message: "boom", kind: "Exception"}
	}
	return `{"isAuthorized":false}`, nil
}

func socketBehaviours(i *invocation) (string, error) {
	switch i.get("requestContext.routeKey") {
	case "$connect":
		if i.get("queryStringParameters.fail") == "1" {
			return "", &functionError{message: "boom", kind: "Exception"}
		}
		if i.get("queryStringParameters.deny") == "1" {
			return `{"statusCode":403}`, nil
		}
		return `{"statusCode":200}`, nil
	case "$disconnect":
		return `{"statusCode":200}`, nil
	}
	var message struct{ Action any }
	_ = json.Unmarshal([]byte(i.get("body")), &message) // a message that is not JSON has no action
	switch message.Action {
	case "echo":
		return `{"statusCode":200,"body":` + compact(i.get("body")) + `}`, nil
	case "push":
		if err := i.push(); err != nil {
			return "", err
		}
	case "fail":
		return "", &functionError{message: "boom", kind: "Exception"}
	}
	return `{"statusCode":200}`, nil
}

// push sends a message to the function's own connection.
func (i *invocation) push() error {
	id := strings.ReplaceAll(i.get("requestContext.connectionId"), "=", "%3D")
	a, err := i.run.target.send(i.run.ctx, i.run.key, signed{
		service: "execute-api", host: i.get("requestContext.domainName"), method: http.MethodPost,
		target: "/" + i.get("requestContext.stage") + "/@connections/" + id, accept: "application/json", body: "pushed",
	})
	if err == nil {
		err = succeeded(a)
	}
	if err != nil {
		return fmt.Errorf("push: %w", err)
	}
	return nil
}
