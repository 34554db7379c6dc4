package codec

import (
	"fmt"
	"sync"
	"testing"
)

// TestCodec: for every operation of the three clients, what the SDK was given is what arrives, and what is answered is
// what the SDK reads.
func TestCodec(t *testing.T) {
	var total report
	var mu sync.Mutex
	t.Run("services", func(t *testing.T) {
		for _, service := range services {
			t.Run(service, func(t *testing.T) {
				t.Parallel()
				r := prove(service, startEcho(t), everyOperation)
				show(t, r)
				mu.Lock()
				defer mu.Unlock()
				total.add(r)
			})
		}
	})
	if total.operations != 230 {
		t.Errorf("the clients have %d operations, AWS has 230", total.operations)
	}
	t.Logf("empty values: %d left out by the SDK, %d refused as the model says", total.unsendable, total.refused)
	fmt.Printf("codec: %d operations, %d requests, %d answers proven\n", total.operations, total.requests, total.answers)
}

func show(t *testing.T, r report) {
	t.Helper()
	const most = 40
	for i, f := range r.failures {
		if i == most {
			t.Errorf("and %d more", len(r.failures)-most)
			return
		}
		t.Error(f)
	}
}

// TestSeesSwappedNames: with two wire names of the table swapped the proof fails; otherwise it would prove nothing.
func TestSeesSwappedNames(t *testing.T) {
	for _, c := range []struct{ service, swap, operation string }{
		{"apigateway", "apigateway.RestApi:name,description", "GetRestApi"},
		{"apigateway", "apigateway.CreateRestApiRequest:name,description", "CreateRestApi"},
		{"apigateway", "apigateway.GetUsageRequest:startDate,endDate", "GetUsage"},
		{"apigatewayv2", "apigatewayv2.Api:name,description", "GetApi"},
		{"apigatewayv2", "apigatewayv2.CreateRouteRequest:target,operationName", "CreateRoute"},
		{"apigatewayv2", "apigatewayv2.Cors:allowHeaders,exposeHeaders", "UpdateApi"},
		{"apigatewaymanagementapi", "apigatewaymanagementapi.GetConnectionResponse:connectedAt,lastActiveAt", "GetConnection"},
	} {
		t.Run(c.swap, func(t *testing.T) {
			t.Parallel()
			only := func(name string) bool { return name == c.operation }
			if r := prove(c.service, startEcho(t, "-swap", c.swap), only); len(r.failures) == 0 {
				t.Errorf("the proof of %s passes although %s", c.operation, c.swap)
			}
			if r := prove(c.service, startEcho(t), only); len(r.failures) > 0 || r.operations != 1 {
				t.Errorf("without the swap %d operations are proven with %d failures", r.operations, len(r.failures))
			}
		})
	}
}
