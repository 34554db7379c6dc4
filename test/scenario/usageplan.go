package scenario

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// quota of the usage plan, in requests a day.
const quota = 2

// usagePlan sells two requests a day: a call without a key is refused, two with it succeed, the third is one too many.
func usagePlan(ctx context.Context, w *World) (string, error) {
	if err := w.keyed(ctx); err != nil {
		return "", err
	}
	if _, err := deploy(ctx, w); err != nil {
		return "", err
	}
	key, err := w.sell(ctx)
	if err != nil {
		return "", err
	}
	none, err := w.metered(ctx, "")
	if err == nil {
		err = none.expect(403, `{"message":"Forbidden"}`)
	}
	if err != nil {
		return "", err
	}
	for n := range quota {
		a, err := w.metered(ctx, key)
		// Edges follow keys and plans; the first call may come before the news.
		for end := time.Now().Add(10 * time.Second); err == nil && n == 0 && a.status == 403 && time.Now().Before(end); {
			time.Sleep(20 * time.Millisecond)
			a, err = w.metered(ctx, key)
		}
		if err == nil {
			err = a.expect(200)
		}
		if err != nil {
			return "", fmt.Errorf("request %d of %d: %w", n+1, quota, err)
		}
	}
	over, err := w.metered(ctx, key)
	if err == nil {
		err = over.expect(429, `{"message":"Limit Exceeded"}`)
	}
	if err != nil {
		return "", err
	}
	why, err := w.firstLine(ctx, over.header.Get("x-amzn-RequestId"))
	return fmt.Sprintf("%s without a key, %d times 200 with it, then %s: %s", none, quota, over, why), err
}

// keyed makes GET /metered, a mock that requires an API key.
func (w *World) keyed(ctx context.Context) error {
	api, err := w.apis.GetRestApi(ctx, &apigateway.GetRestApiInput{RestApiId: &w.api})
	if err != nil {
		return err
	}
	r, err := w.resource(ctx, *api.RootResourceId, "metered")
	if err != nil {
		return err
	}
	_, err = w.apis.PutMethod(ctx, &apigateway.PutMethodInput{RestApiId: &w.api, ResourceId: &r, HttpMethod: aws.String("GET"),
		AuthorizationType: aws.String("NONE"), ApiKeyRequired: true})
	if err != nil {
		return err
	}
	return w.mocked(ctx, r, "GET")
}

// sell makes a key and puts it into a plan of the stage; it returns the key's value.
func (w *World) sell(ctx context.Context) (string, error) {
	key, err := w.apis.CreateApiKey(ctx, &apigateway.CreateApiKeyInput{Name: aws.String("customer"), Enabled: true})
	if err != nil {
		return "", err
	}
	plan, err := w.apis.CreateUsagePlan(ctx, &apigateway.CreateUsagePlanInput{Name: aws.String("small"),
		ApiStages: []types.ApiStage{{ApiId: &w.api, Stage: aws.String("prod")}},
		Quota:     &types.QuotaSettings{Limit: quota, Period: types.QuotaPeriodTypeDay}})
	if err != nil {
		return "", err
	}
	_, err = w.apis.CreateUsagePlanKey(ctx, &apigateway.CreateUsagePlanKeyInput{UsagePlanId: plan.Id, KeyId: key.Id, KeyType: aws.String("API_KEY")})
	return *key.Value, err
}

func (w *World) metered(ctx context.Context, key string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.Data+"/_aws/execute-api/"+w.api+"/prod/metered", nil)
	if err != nil {
		return answer{}, err
	}
	if key != "" {
		req.Header.Set("x-api-key", key)
	}
	return do(req)
}
