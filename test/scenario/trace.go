package scenario

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/apigateway"
)

// traceID makes /traced, whose function says which trace it was invoked in, and calls it inside a trace of the client's.
func traceID(ctx context.Context, w *World) (string, error) {
	api, err := w.apis.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: &w.api})
	if err != nil {
		return "", err
	}
	if err := w.function(ctx, *api.RootResourceId, "traced", "trace"); err != nil {
		return "", err
	}
	if _, err := deploy(ctx, w); err != nil {
		return "", err
	}
	const root = "1-5e66d96f-7491f09f1234567890abcdef"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Data+"/_aws/execute-api/"+w.api+"/prod/traced", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("X-Amzn-Trace-Id", "Root="+root+";Parent=53995c3f42cd8ad8;Sampled=1")
	a, err := do(req)
	if err == nil {
		err = a.expect(200, `"trace":"Root=`+root)
	}
	if err != nil {
		return "", err
	}
	if answered := a.header.Get("X-Amzn-Trace-Id"); !strings.HasPrefix(answered, "Root="+root) {
		return "", fmt.Errorf("the answer names the trace %q", answered)
	}
	why, err := w.Command(ctx, "explain", a.header.Get("x-amzn-RequestId"))
	if err != nil {
		return "", err
	}
	if !strings.Contains(why, ", trace "+root) {
		return "", fmt.Errorf("the explanation does not name the trace: %s", why)
	}
	return root + " in the answer, in the function and in the explanation", nil
}
