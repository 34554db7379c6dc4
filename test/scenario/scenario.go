// Package scenario is the main job of limen, written once: an API made with AWS's own SDK, deployed, called, refused and
// explained. It is a black box that gets only addresses and keys, so that the same steps run against one process and
// against a cluster; `make demo` prints them, and a test checks them.
package scenario

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
)

// Key is a root access key.
type Key struct{ Account, AccessKeyID, SecretAccessKey string }

// Target is where limen is, and what of the world around it the steps may use.
type Target struct {
	// Control is the URL of the control plane, Data that of the data plane.
	Control, Data string
	Region        string
	// Key acts; Other belongs to another account.
	Key, Other Key
	// Backend is the URL of an HTTP server that edges reach and that answers any request with its own method and path, counts
	// them in the header X-Call, and is a SOAP service at /soap (Echo).
	Backend string
	// Command runs limen's command line with the arguments and returns what it printed.
	Command func(ctx context.Context, args ...string) (string, error)
	// Restart takes limen away without warning and starts it again over the same data. Nil where that is not ours to do.
	Restart func(ctx context.Context) error
}

// Step is one thing that a user does. Run returns the answer to show.
type Step struct {
	Name string
	Run  func(context.Context, *World) (string, error)
}

// World is what the steps share.
type World struct {
	Target
	apis *apigateway.Client

	api, imported string
	// refused is the request id of an answer that was a refusal.
	refused string
}

// New makes the world that a run of the steps needs.
func New(t Target) *World {
	return &World{Target: t, apis: client(t, t.Key)}
}

func client(t Target, k Key) *apigateway.Client {
	return apigateway.New(apigateway.Options{
		BaseEndpoint: aws.String(t.Control), Region: t.Region,
		Credentials: credentials.NewStaticCredentialsProvider(k.AccessKeyID, k.SecretAccessKey, ""),
	})
}

// Steps are the scenario, in order.
func Steps() []Step {
	return []Step{
		{"Create an API with AWS's SDK", createAPI},
		{"A method without an integration can not be deployed", deployIncomplete},
		{"Deploy it to the stage prod", deploy},
		{"Call a function through it", callFunction},
		{"Call an HTTP backend through it", callBackend},
		{"Read back a mock", callMock},
		{"Import an OpenAPI file, deploy it, call it", importAPI},
		{"A call that is refused", callRefused},
		{"Why it was refused", explainRefused},
		{"An API that was never deployed", callUndeployed},
		{"A function that answers nonsense", callMalformed},
		{"Protect a method with an authorizer: it refuses, and says why", authorizerRefuses},
		{"The authorizer allows, and the function learns who calls", authorizerAllows},
		{"A request that breaks its model is refused, and why", validatorRefuses},
		{"A JSON request becomes a SOAP envelope, and the XML answer becomes JSON", callSOAP},
		{"Cache what the backend answers: it is called once", cacheBackend},
		{"Sell two requests a day: the third is refused, and why", usagePlan},
		{"Talk to a WebSocket API, and push to its client by the AWS CLI", webSocket},
		{"One trace id: the client's, the function's, the explanation's", traceID},
		{"Another account sees nothing of it", otherAccount},
		{"kill -9, and start again: everything is still there", restart},
	}
}

// functionURI is the integration URI of one of the sample functions.
func (w *World) functionURI(name string) *string {
	return aws.String(fmt.Sprintf("arn:aws:apigateway:%[1]s:lambda:path/2015-03-31/functions/arn:aws:lambda:%[1]s:%[2]s:function:%[3]s/invocations", w.Region, w.Key.Account, name))
}

// answer is what a call of the data plane gave.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, strings.TrimSpace(a.body)) }

// call calls a deployed API by the path form, which needs no DNS.
func (w *World) call(ctx context.Context, api, method, path string) (answer, error) {
	return w.send(ctx, method, w.Data+"/_aws/execute-api/"+api+path, "")
}

func (w *World) send(ctx context.Context, method, url, host string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return answer{}, err
	}
	req.Host = host
	return do(req)
}

func do(req *http.Request) (answer, error) {
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(body)}, err
}

// expect says what is wrong with an answer.
func (a answer) expect(status int, parts ...string) error {
	if a.status != status {
		return fmt.Errorf("status %d, want %d: %s", a.status, status, a.body)
	}
	for _, p := range parts {
		if !strings.Contains(a.body, p) {
			return fmt.Errorf("the body lacks %q: %s", p, a.body)
		}
	}
	return nil
}

// settle waits until every edge serves what a stage publishes.
func (w *World) settle(ctx context.Context, api, stage string) (string, error) {
	out, err := w.Command(ctx, "wait", api, stage)
	return strings.TrimSpace(out), err
}

// within bounds a whole run.
const within = 2 * time.Minute

// Run runs all steps and hands each to show; it ends with the first failure.
func Run(ctx context.Context, t Target, show func(step Step, answer string, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	w := New(t)
	for _, step := range Steps() {
		text, err := step.Run(ctx, w)
		if errors.Is(err, errNotHere) {
			text, err = "(not ours to do here)", nil
		}
		show(step, text, err)
		if err != nil {
			return fmt.Errorf("%s: %w", step.Name, err)
		}
	}
	return nil
}

// errNotHere tells that a step needs something its target does not offer.
var errNotHere = errors.New("not here")
