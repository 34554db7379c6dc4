package scenario

import (
	"context"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// authorizerRefuses makes /guarded, whose TOKEN authorizer is a function, and calls it without a token and with one that
// the function denies.
func authorizerRefuses(ctx context.Context, w *World) (string, error) {
	if err := w.guard(ctx); err != nil {
		return "", err
	}
	if _, err := deploy(ctx, w); err != nil {
		return "", err
	}
	none, err := w.guarded(ctx, "")
	if err != nil {
		return "", err
	}
	if err := none.expect(401, `{"message":"Unauthorized"}`); err != nil {
		return "", err
	}
	denied, err := w.guarded(ctx, "Bearer deny")
	if err != nil {
		return "", err
	}
	if err := denied.expect(403, `"Message":"User is not authorized to access this resource with an explicit deny"`); err != nil {
		return "", err
	}
	why, err := w.firstLine(ctx, denied.header.Get("x-amzn-RequestId"))
	return fmt.Sprintf("%s, then %s: %s", none, denied, why), err
}

func authorizerAllows(ctx context.Context, w *World) (string, error) {
	a, err := w.guarded(ctx, "Bearer allow")
	if err != nil {
		return "", err
	}
	if err := a.expect(200, `"principalId":"newcomer"`, `"team":"founders"`); err != nil {
		return "", err
	}
	return "200, principal newcomer of team founders", nil
}

// guard makes the resource, its method and the authorizer.
func (w *World) guard(ctx context.Context) error {
	api, err := w.apis.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: &w.api})
	if err != nil {
		return err
	}
	authorizer, err := w.apis.CreateAuthorizer(ctx, &apigateway.CreateAuthorizerInput{RestApiId: &w.api, Name: aws.String("by-token"),
		Type: types.AuthorizerTypeToken, AuthorizerUri: w.functionURI("authorizer"), IdentitySource: aws.String("method.request.header.Authorization")})
	if err != nil {
		return err
	}
	r, err := w.resource(ctx, *api.RootResourceId, "guarded")
	if err != nil {
		return err
	}
	_, err = w.apis.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: &w.api, ResourceId: &r, HttpMethod: aws.String("GET"),
		AuthorizationType: aws.String("CUSTOM"), AuthorizerId: authorizer.Id})
	if err != nil {
		return err
	}
	_, err = w.apis.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: &w.api, ResourceId: &r, HttpMethod: aws.String("GET"),
		Type: types.IntegrationTypeAwsProxy, IntegrationHttpMethod: aws.String("POST"), Uri: w.functionURI("echo")})
	return err
}

func (w *World) guarded(ctx context.Context, token string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Data+"/_aws/execute-api/"+w.api+"/prod/guarded", nil)
	if err != nil {
		return answer{}, err
	}
	if token != "" {
		req.Header.Set("Authorization", token)
	}
	return do(req)
}
