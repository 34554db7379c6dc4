package test

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// newStory makes the n-th story: an API built piece by piece, one imported whole, or one that is deleted in the end.
func newStory(n int) *story {
	s := &story{name: fmt.Sprintf("api-%04d", n), resources: map[string]string{}}
	switch n % 3 {
	case 0:
		s.steps = append(built(), extras()...)
	case 1:
		s.steps = imported()
	case 2:
		s.steps = append(built(), deleted())
	}
	return s
}

const (
	bare     = "GET"
	declared = "GET declares 200"
	mocked   = "GET declares 200 MOCK"
)

// built makes an API and deploys it twice.
func built() []step {
	return []step{
		{"CreateRestApi", func(ctx context.Context, c *apigateway.Client, s *story) error {
			out, err := c.CreateRestApi(ctx, &apigateway.CreateRestApiInput{Name: &s.name, Description: aws.String("first")})
			if err == nil {
				s.id, s.root = *out.Id, *out.RootResourceId
			}
			return err
		}, func(p *picture) {
			p.present, p.description = true, "first"
			p.resources["/"], p.models = "", []string{"Empty", "Error"}
		}},
		createResource("/", "pets"),
		createResource("pets", "{id}"),
		{"PutMethod", func(ctx context.Context, c *apigateway.Client, s *story) error {
			_, err := c.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: &s.id, ResourceId: aws.String(s.resources["pets"]),
				HttpMethod: aws.String("GET"), AuthorizationType: aws.String("NONE")})
			return err
		}, func(p *picture) { p.resources["/pets"] = bare }},
		{"PutMethodResponse", func(ctx context.Context, c *apigateway.Client, s *story) error {
			_, err := c.PutMethodResponse(ctx, &apigateway.PutMethodResponseInput{RestApiId: &s.id, ResourceId: aws.String(s.resources["pets"]),
				HttpMethod: aws.String("GET"), StatusCode: aws.String("200")})
			return err
		}, func(p *picture) { p.resources["/pets"] = declared }},
		{"PutIntegration", func(ctx context.Context, c *apigateway.Client, s *story) error {
			_, err := c.PutIntegration(ctx, &apigateway.PutIntegrationInput{RestApiId: &s.id, ResourceId: aws.String(s.resources["pets"]),
				HttpMethod: aws.String("GET"), Type: types.IntegrationTypeMock, RequestTemplates: map[string]string{"application/json": `{"statusCode": 200}`}})
			return err
		}, func(p *picture) { p.resources["/pets"] = mocked }},
		answer("one"), deploy("one"), answer("two"), deploy("two"),
		{"CreateStage", func(ctx context.Context, c *apigateway.Client, s *story) error {
			_, err := c.CreateStage(ctx, &apigateway.CreateStageInput{RestApiId: &s.id, StageName: aws.String("old"), DeploymentId: &s.deployments[0]})
			return err
		}, func(p *picture) { p.stages["old"] = "one serves 200 one" }},
	}
}

func createResource(parent, part string) step {
	return step{"CreateResource", func(ctx context.Context, c *apigateway.Client, s *story) error {
		id := s.root
		if parent != "/" {
			id = s.resources[parent]
		}
		out, err := c.CreateResource(ctx, &apigateway.CreateResourceInput{RestApiId: &s.id, ParentId: &id, PathPart: &part})
		if err == nil {
			s.resources[part] = *out.Id
		}
		return err
	}, func(p *picture) { p.resources[strings.TrimSuffix("/"+strings.Trim(parent, "/"), "/")+"/"+part] = "" }}
}

func answer(text string) step {
	return step{"PutIntegrationResponse", func(ctx context.Context, c *apigateway.Client, s *story) error {
		_, err := c.PutIntegrationResponse(ctx, &apigateway.PutIntegrationResponseInput{RestApiId: &s.id, ResourceId: aws.String(s.resources["pets"]),
			HttpMethod: aws.String("GET"), StatusCode: aws.String("200"), ResponseTemplates: map[string]string{"application/json": text}})
		return err
	}, func(p *picture) { p.resources["/pets"] = mocked + " 200=" + text }}
}

func deploy(text string) step {
	return step{"CreateDeployment", func(ctx context.Context, c *apigateway.Client, s *story) error {
		out, err := c.CreateDeployment(ctx, &apigateway.CreateDeploymentInput{RestApiId: &s.id, StageName: aws.String("live"), Description: &text})
		if err == nil {
			s.deployments = append(s.deployments, *out.Id)
		}
		return err
	}, func(p *picture) {
		p.deployments = append(p.deployments, text)
		p.stages["live"] = text + " serves 200 " + text
	}}
}

// keyValue begins the value of an API key, which must be unlike those of all others.
const keyValue = "value-of-the-key-of-"

// extras are writes beside the API's own content.
func extras() []step {
	return []step{
		{"UpdateRestApi", func(ctx context.Context, c *apigateway.Client, s *story) error {
			_, err := c.UpdateRestApi(ctx, &apigateway.UpdateRestApiInput{RestApiId: &s.id, PatchOperations: []types.PatchOperation{
				{Op: types.OpReplace, Path: aws.String("/description"), Value: aws.String("second")}}})
			return err
		}, func(p *picture) { p.description = "second" }},
		{"CreateModel", func(ctx context.Context, c *apigateway.Client, s *story) error {
			_, err := c.CreateModel(ctx, &apigateway.CreateModelInput{RestApiId: &s.id, Name: aws.String("Pet"),
				ContentType: aws.String("application/json"), Schema: aws.String(`{"type":"object"}`)})
			return err
		}, func(p *picture) { p.models = append(p.models, "Pet") }},
		{"CreateApiKey", func(ctx context.Context, c *apigateway.Client, s *story) error {
			out, err := c.CreateApiKey(ctx, &apigateway.CreateApiKeyInput{Name: &s.name, Value: aws.String(keyValue + s.name), Enabled: true})
			if err == nil {
				s.key = *out.Id
			}
			return err
		}, func(p *picture) { p.key = keyValue }},
		{"CreateUsagePlan", func(ctx context.Context, c *apigateway.Client, s *story) error {
			out, err := c.CreateUsagePlan(ctx, &apigateway.CreateUsagePlanInput{Name: &s.name, Description: aws.String("plan"),
				ApiStages: []types.ApiStage{{ApiId: &s.id, Stage: aws.String("live")}}})
			if err == nil {
				s.plan = *out.Id
			}
			return err
		}, func(p *picture) { p.plan = "plan with keys []" }},
		{"CreateUsagePlanKey", func(ctx context.Context, c *apigateway.Client, s *story) error {
			_, err := c.CreateUsagePlanKey(ctx, &apigateway.CreateUsagePlanKeyInput{UsagePlanId: &s.plan, KeyId: &s.key, KeyType: aws.String("API_KEY")})
			return err
		}, func(p *picture) { p.plan = "plan with keys [" + keyValue + "]" }},
	}
}

func deleted() step {
	return step{"DeleteRestApi", func(ctx context.Context, c *apigateway.Client, s *story) error {
		_, err := c.DeleteRestApi(ctx, &apigateway.DeleteRestApiInput{RestApiId: &s.id})
		return err
	}, func(p *picture) { *p = picture{resources: map[string]string{}, stages: map[string]string{}} }}
}

// importedPaths is so many that an import takes more than one transaction of the store.
const importedPaths = 120

// document is an OpenAPI document whose every path answers text.
func document(name, text string) []byte {
	var paths []string
	for _, path := range importedNames() {
		paths = append(paths, fmt.Sprintf(`%q: {"get": {"responses": {"200": {"description": "ok"}}, "x-amazon-apigateway-integration": {"type": "mock",
			"requestTemplates": {"application/json": "{\"statusCode\": 200}"},
			"responses": {"default": {"statusCode": "200", "responseTemplates": {"application/json": %q}}}}}}`, path, text))
	}
	return fmt.Appendf(nil, `{"openapi": "3.0.1", "info": {"title": %q, "version": "1", "description": %q}, "paths": {%s}}`, name, text, strings.Join(paths, ","))
}

func importedNames() []string {
	out := []string{"/pets"}
	for i := range importedPaths {
		out = append(out, fmt.Sprintf("/p%d", i))
	}
	return out
}

// imported makes an API of a large document, deploys it, puts another in its place and deploys that.
func imported() []step {
	whole := func(text string) func(*picture) {
		return func(p *picture) {
			p.present, p.description = true, text
			p.resources = map[string]string{"/": ""}
			for _, path := range importedNames() {
				p.resources[path] = mocked + " 200=" + text
			}
		}
	}
	return []step{
		{"ImportRestApi", func(ctx context.Context, c *apigateway.Client, s *story) error {
			out, err := c.ImportRestApi(ctx, &apigateway.ImportRestApiInput{Body: document(s.name, "one")})
			if err == nil {
				s.id = *out.Id
			}
			return err
		}, whole("one")},
		deploy("one"),
		{"PutRestApi", func(ctx context.Context, c *apigateway.Client, s *story) error {
			_, err := c.PutRestApi(ctx, &apigateway.PutRestApiInput{RestApiId: &s.id, Mode: types.PutModeOverwrite, Body: document(s.name, "two")})
			return err
		}, whole("two")},
		deploy("two"),
	}
}
