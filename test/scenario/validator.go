package scenario

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
)

// orderModel is what bodies sent to /orders are checked against.
const orderModel = `{"$schema":"http://json-schema.org/draft-04/schema#","type":"object","required":["pet","price"],` +
	`"properties":{"pet":{"type":"string"},"price":{"type":"number","minimum":0}}}`

// validatorRefuses makes /orders, whose bodies have a model, and sends it one that breaks the model and one that does not.
func validatorRefuses(ctx context.Context, w *World) (string, error) {
	if err := w.orders(ctx); err != nil {
		return "", err
	}
	if _, err := deploy(ctx, w); err != nil {
		return "", err
	}
	refused, err := w.order(ctx, `{"pet":"cat"}`)
	if err != nil {
		return "", err
	}
	if err := refused.expect(400, `{"message": "Invalid request body"}`); err != nil {
		return "", err
	}
	why, err := w.firstLine(ctx, refused.header.Get("x-amzn-RequestId"))
	if err != nil {
		return "", err
	}
	if !strings.Contains(why, "model Order") || !strings.Contains(why, `required properties (["price"])`) {
		return "", fmt.Errorf("the first line does not name the rule: %s", why)
	}
	negative, err := w.order(ctx, `{"pet":"cat","price":-7}`)
	if err != nil {
		return "", err
	}
	if err := negative.expect(400, `{"message": "Invalid request body"}`); err != nil {
		return "", err
	}
	rule, err := w.firstLine(ctx, negative.header.Get("x-amzn-RequestId"))
	if err != nil {
		return "", err
	}
	if !strings.Contains(rule, "minimum at /price") || strings.Contains(rule, "-7") {
		return "", fmt.Errorf("the first line does not name the rule and its place alone: %s", rule)
	}
	good, err := w.order(ctx, `{"pet":"cat","price":5}`)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s: %s %s", refused, why, rule), good.expect(200, `{"mock": true}`)
}

// orders makes the model, the validator, the resource and its method.
func (w *World) orders(ctx context.Context) error {
	api, err := w.apis.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: &w.api})
	if err != nil {
		return err
	}
	_, err = w.apis.CreateModel(ctx, &apigateway.CreateModelInput{RestApiId: &w.api, Name: aws.String("Order"), ContentType: aws.String("application/json"), Schema: aws.String(orderModel)})
	if err != nil {
		return err
	}
	validator, err := w.apis.CreateRequestValidator(ctx, &apigateway.CreateRequestValidatorInput{RestApiId: &w.api, Name: aws.String("bodies"), ValidateRequestBody: true})
	if err != nil {
		return err
	}
	r, err := w.resource(ctx, *api.RootResourceId, "orders")
	if err != nil {
		return err
	}
	_, err = w.apis.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: &w.api, ResourceId: &r, HttpMethod: aws.String("POST"), AuthorizationType: aws.String("NONE"),
		RequestValidatorId: validator.Id, RequestModels: map[string]string{"application/json": "Order"}})
	if err != nil {
		return err
	}
	return w.mocked(ctx, r, "POST")
}

func (w *World) order(ctx context.Context, body string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.Data+"/_aws/execute-api/"+w.api+"/prod/orders", strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	return do(req)
}
