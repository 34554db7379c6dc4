package codec

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	managementtypes "github.com/aws/aws-sdk-go-v2/service/apigatewaymanagementapi/types"
	v2types "github.com/aws/aws-sdk-go-v2/service/apigatewayv2/types"
	"github.com/aws/smithy-go"
)

// is makes a test for a typed exception of the SDK.
func is[E error]() func(error) bool {
	return func(err error) bool {
		var e E
		return errors.As(err, &e)
	}
}

// named accepts exceptions that the models do not type.
func named(err error) bool { return is[smithy.APIError]()(err) }

// textless are exceptions that have no message in the model, so that the SDK does not read it.
var textless = map[string]bool{
	"apigatewaymanagementapi GoneException":          true,
	"apigatewaymanagementapi ForbiddenException":     true,
	"apigatewaymanagementapi LimitExceededException": true,
}

// TestFaults: an exception reaches the SDK as the type that programs catch, with its text and status.
func TestFaults(t *testing.T) {
	const text = `Invalid "x" <é> & more` + "\n"
	e := startEcho(t)
	for _, c := range []struct {
		service, operation, name string
		status                   int
		typed                    func(error) bool
	}{
		{"apigateway", "GetRestApi", "BadRequestException", 400, is[*types.BadRequestException]()},
		{"apigateway", "GetRestApi", "UnauthorizedException", 401, is[*types.UnauthorizedException]()},
		{"apigateway", "GetRestApi", "NotFoundException", 404, is[*types.NotFoundException]()},
		{"apigateway", "CreateDeployment", "ConflictException", 409, is[*types.ConflictException]()},
		{"apigateway", "CreateDeployment", "LimitExceededException", 429, is[*types.LimitExceededException]()},
		{"apigateway", "GetRestApi", "TooManyRequestsException", 429, is[*types.TooManyRequestsException]()},
		{"apigateway", "CreateDeployment", "ServiceUnavailableException", 503, is[*types.ServiceUnavailableException]()},
		{"apigateway", "GetRestApi", "AccessDeniedException", 403, named},
		{"apigateway", "GetRestApi", "ValidationException", 400, named},
		{"apigateway", "GetRestApi", "SerializationException", 400, named},
		{"apigateway", "GetRestApi", "NotImplementedException", 501, named},
		{"apigatewayv2", "GetApi", "NotFoundException", 404, is[*v2types.NotFoundException]()},
		{"apigatewayv2", "GetApi", "TooManyRequestsException", 429, is[*v2types.TooManyRequestsException]()},
		{"apigatewayv2", "CreateApi", "BadRequestException", 400, is[*v2types.BadRequestException]()},
		{"apigatewayv2", "CreateApi", "ConflictException", 409, is[*v2types.ConflictException]()},
		{"apigatewayv2", "GetPortal", "AccessDeniedException", 403, is[*v2types.AccessDeniedException]()},
		{"apigatewaymanagementapi", "PostToConnection", "GoneException", 410, is[*managementtypes.GoneException]()},
		{"apigatewaymanagementapi", "PostToConnection", "ForbiddenException", 403, is[*managementtypes.ForbiddenException]()},
		{"apigatewaymanagementapi", "PostToConnection", "PayloadTooLargeException", 413, is[*managementtypes.PayloadTooLargeException]()},
		{"apigatewaymanagementapi", "PostToConnection", "LimitExceededException", 429, is[*managementtypes.LimitExceededException]()},
	} {
		t.Run(c.service+" "+c.name, func(t *testing.T) {
			if err := e.fail(c.name, c.status, text); err != nil {
				t.Fatal(err)
			}
			o := find(t, newClient(c.service, e), c.operation)
			_, err := send(o, newInput(o))
			var api smithy.APIError
			if !errors.As(err, &api) || !c.typed(err) {
				t.Fatalf("the SDK reads %T %v", errors.Unwrap(err), err)
			}
			if api.ErrorCode() != c.name || api.ErrorMessage() != text && !textless[c.service+" "+c.name] || o.client.wire.last.status != c.status {
				t.Errorf("%s %q with status %d", api.ErrorCode(), api.ErrorMessage(), o.client.wire.last.status)
			}
		})
	}
}

func find(t *testing.T, c *client, name string) operation {
	t.Helper()
	for _, o := range c.operations() {
		if o.name == name {
			return o
		}
	}
	t.Fatalf("%s has no operation %s", c.service, name)
	return operation{}
}
