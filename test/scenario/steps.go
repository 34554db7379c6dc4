package scenario

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/aws/smithy-go"
)

// createAPI makes /hello (a function), /broken (a function that answers nonsense), /backend/{proxy+} (an HTTP backend) and
// /mock.
func createAPI(ctx context.Context, w *World) (string, error) {
	api, err := w.apis.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("pets"), Description: aws.String("made by the demo")})
	if err != nil {
		return "", err
	}
	w.api = *api.Id
	root := *api.RootResourceId
	if err := w.function(ctx, root, "hello", "hello"); err != nil {
		return "", err
	}
	if err := w.function(ctx, root, "broken", "malformed"); err != nil {
		return "", err
	}
	if err := w.proxy(ctx, root); err != nil {
		return "", err
	}
	if err := w.mock(ctx, root); err != nil {
		return "", err
	}
	resources, err := w.apis.GetResources(ctx, &apigateway.GetResourcesInput{RestApiId: &w.api})
	if err != nil {
		return "", err
	}
	var paths []string
	for _, r := range resources.Items {
		paths = append(paths, *r.Path)
	}
	if len(paths) != 6 {
		return "", fmt.Errorf("the API has %d resources, not 6: %v", len(paths), paths)
	}
	return fmt.Sprintf("API %s with %s", w.api, strings.Join(paths, " ")), nil
}

func (w *World) resource(ctx context.Context, parent, part string) (string, error) {
	r, err := w.apis.CreateResource(ctx, &apigateway.CreateResourceInput{RestApiId: &w.api, ParentId: &parent, PathPart: &part})
	if err != nil {
		return "", err
	}
	return *r.Id, nil
}

func (w *World) method(ctx context.Context, resource, verb string, parameters map[string]bool) error {
	_, err := w.apis.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: &w.api, ResourceId: &resource, HttpMethod: &verb,
		AuthorizationType: aws.String("NONE"), RequestParameters: parameters})
	return err
}

func (w *World) function(ctx context.Context, root, part, name string) error {
	r, err := w.resource(ctx, root, part)
	if err != nil {
		return err
	}
	if err := w.method(ctx, r, "GET", nil); err != nil {
		return err
	}
	_, err = w.apis.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: &w.api, ResourceId: &r, HttpMethod: aws.String("GET"),
		Type: types.IntegrationTypeAwsProxy, IntegrationHttpMethod: aws.String("POST"), Uri: w.functionURI(name)})
	return err
}

func (w *World) proxy(ctx context.Context, root string) error {
	parent, err := w.resource(ctx, root, "backend")
	if err != nil {
		return err
	}
	r, err := w.resource(ctx, parent, "{proxy+}")
	if err != nil {
		return err
	}
	if err := w.method(ctx, r, "ANY", map[string]bool{"method.request.path.proxy": true}); err != nil {
		return err
	}
	_, err = w.apis.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: &w.api, ResourceId: &r, HttpMethod: aws.String("ANY"),
		Type: types.IntegrationTypeHttpProxy, IntegrationHttpMethod: aws.String("ANY"), Uri: aws.String(w.Backend + "/{proxy}"),
		RequestParameters: map[string]string{"integration.request.path.proxy": "method.request.path.proxy"}})
	return err
}

func (w *World) mock(ctx context.Context, root string) error {
	r, err := w.resource(ctx, root, "mock")
	if err != nil {
		return err
	}
	if err := w.method(ctx, r, "GET", nil); err != nil {
		return err
	}
	return w.mocked(ctx, r, "GET")
}

// mocked gives a method a mock integration and its one answer.
func (w *World) mocked(ctx context.Context, r, verb string) error {
	_, err := w.apis.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: &w.api, ResourceId: &r, HttpMethod: &verb,
		Type: types.IntegrationTypeMock, RequestTemplates: map[string]string{"application/json": `{"statusCode": 200}`}})
	if err != nil {
		return err
	}
	_, err = w.apis.PutMethodResponse(ctx, &apigateway.PutMethodResponseInput{RestApiId: &w.api, ResourceId: &r, HttpMethod: &verb,
		StatusCode: aws.String("200"), ResponseParameters: map[string]bool{"method.response.header.X-Made-By": false}})
	if err != nil {
		return err
	}
	_, err = w.apis.PutIntegrationResponse(ctx, &apigateway.PutIntegrationResponseInput{RestApiId: &w.api, ResourceId: &r, HttpMethod: &verb,
		StatusCode: aws.String("200"), ResponseTemplates: map[string]string{"application/json": `{"mock": true}`},
		ResponseParameters: map[string]string{"method.response.header.X-Made-By": "'limen'"}})
	return err
}

// deployIncomplete shows that a draft is checked as a whole before it is published.
func deployIncomplete(ctx context.Context, w *World) (string, error) {
	api, err := w.apis.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: &w.api})
	if err != nil {
		return "", err
	}
	if err := w.method(ctx, *api.RootResourceId, "GET", nil); err != nil {
		return "", err
	}
	_, err = w.apis.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: &w.api, StageName: aws.String("prod")})
	var refused smithy.APIError
	if !errors.As(err, &refused) || refused.ErrorCode() != "BadRequestException" || !strings.Contains(refused.ErrorMessage(), "No integration defined for method") {
		return "", fmt.Errorf("the deployment answered %v", err)
	}
	_, err = w.apis.DeleteMethod(ctx, &apigateway.DeleteMethodInput{RestApiId: &w.api, ResourceId: api.RootResourceId, HttpMethod: aws.String("GET")})
	return refused.ErrorCode() + ": " + strings.ReplaceAll(refused.ErrorMessage(), "\n", " / "), err
}

func deploy(ctx context.Context, w *World) (string, error) {
	d, err := w.apis.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: &w.api, StageName: aws.String("prod"), Variables: map[string]string{"color": "blue"}})
	if err != nil {
		return "", err
	}
	served, err := w.settle(ctx, w.api, "prod")
	return "deployment " + *d.Id + ": " + served, err
}

func callFunction(ctx context.Context, w *World) (string, error) {
	a, err := w.call(ctx, w.api, "GET", "/prod/hello?name=newcomer")
	if err != nil {
		return "", err
	}
	return a.String(), a.expect(200, "newcomer", `"path":"/hello"`)
}

func callBackend(ctx context.Context, w *World) (string, error) {
	a, err := w.call(ctx, w.api, "PUT", "/prod/backend/a/b?x=1")
	if err != nil {
		return "", err
	}
	return a.String(), a.expect(200, "PUT /a/b?x=1")
}

func callMock(ctx context.Context, w *World) (string, error) {
	a, err := w.call(ctx, w.api, "GET", "/prod/mock")
	if err != nil {
		return "", err
	}
	if a.header.Get("X-Made-By") != "limen" {
		return "", fmt.Errorf("the mapped header is missing: %v", a.header)
	}
	return a.String(), a.expect(200, `{"mock": true}`)
}

//go:embed petstore.yaml
var petstore string

// importAPI imports a file; the backend's address is filled in first.
func importAPI(ctx context.Context, w *World) (string, error) {
	document := strings.ReplaceAll(petstore, "http://backend.example", w.Backend)
	api, err := w.apis.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: []byte(document), FailOnWarnings: true})
	if err != nil {
		return "", err
	}
	w.imported = *api.Id
	if _, err := w.apis.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: &w.imported, StageName: aws.String("v1")}); err != nil {
		return "", err
	}
	if _, err := w.settle(ctx, w.imported, "v1"); err != nil {
		return "", err
	}
	a, err := w.call(ctx, w.imported, "GET", "/v1/pets/7")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("API %s %q: %s", w.imported, *api.Name, a), a.expect(200, "GET /pet/7")
}

func callRefused(ctx context.Context, w *World) (string, error) {
	a, err := w.call(ctx, w.api, "DELETE", "/prod/hello")
	if err != nil {
		return "", err
	}
	w.refused = a.header.Get("x-amzn-RequestId")
	return a.String() + ", x-amzn-RequestId " + w.refused, a.expect(403, "Missing Authentication Token")
}

func explainRefused(ctx context.Context, w *World) (string, error) {
	first, err := w.firstLine(ctx, w.refused)
	if err == nil && (!strings.Contains(first, "/hello") || !strings.Contains(first, "GET")) {
		err = fmt.Errorf("the first line does not name the cause: %s", first)
	}
	return first, err
}

// callUndeployed: the edge knows only what is published; the explanation knows more.
func callUndeployed(ctx context.Context, w *World) (string, error) {
	api, err := w.apis.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: aws.String("forgotten")})
	if err != nil {
		return "", err
	}
	a, err := w.call(ctx, *api.Id, "GET", "/prod/hello")
	if err != nil {
		return "", err
	}
	if err := a.expect(403, "Forbidden"); err != nil {
		return "", err
	}
	first, err := w.firstLine(ctx, a.header.Get("x-amzn-RequestId"))
	if err == nil && !strings.HasPrefix(first, "Not deployed") {
		err = fmt.Errorf("explained as %s", first)
	}
	return a.String() + ": " + first, err
}

// firstLine is the cause that an explanation names.
func (w *World) firstLine(ctx context.Context, id string) (string, error) {
	out, err := w.Command(ctx, "explain", id)
	first, _, _ := strings.Cut(out, "\n")
	return first, err
}

func callMalformed(ctx context.Context, w *World) (string, error) {
	a, err := w.call(ctx, w.api, "GET", "/prod/broken")
	if err != nil {
		return "", err
	}
	if err := a.expect(502, `{"message": "Internal server error"}`); err != nil {
		return "", err
	}
	first, err := w.firstLine(ctx, a.header.Get("x-amz-apigw-id"))
	return a.String() + ": " + first, err
}

func otherAccount(ctx context.Context, w *World) (string, error) {
	other := client(w.Target, w.Other)
	list, err := other.GetRestApis(ctx, &apigateway.GetRestApisInput{})
	if err != nil {
		return "", err
	}
	if len(list.Items) != 0 {
		return "", fmt.Errorf("account %s sees %d APIs", w.Other.Account, len(list.Items))
	}
	_, err = other.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: &w.api})
	var missing *types.NotFoundException
	if !errors.As(err, &missing) {
		return "", fmt.Errorf("account %s asked for %s: %v", w.Other.Account, w.api, err)
	}
	return "account " + w.Other.Account + ": " + missing.ErrorMessage(), nil
}

func restart(ctx context.Context, w *World) (string, error) {
	if w.Restart == nil {
		return "", errNotHere
	}
	if err := w.Restart(ctx); err != nil {
		return "", err
	}
	if _, err := w.apis.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: &w.imported}); err != nil {
		return "", err
	}
	a, err := w.call(ctx, w.api, "GET", "/prod/hello?name=again")
	if err != nil {
		return "", err
	}
	return a.String(), a.expect(200, "again")
}
