package scenario

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// cacheBackend gives the stage a cache, whose key is the path behind /backend, calls twice, flushes, calls again, and
// takes the cache away.
func cacheBackend(ctx context.Context, w *World) (string, error) {
	if err := w.cachePath(ctx); err != nil {
		return "", err
	}
	if _, err := deploy(ctx, w); err != nil {
		return "", err
	}
	stage, err := w.caching(ctx, true)
	if err != nil {
		return "", err
	}
	if stage.CacheClusterStatus != types.CacheClusterStatusAvailable || stage.CacheClusterSize != types.CacheClusterSizeSize0Point5Gb {
		return "", fmt.Errorf("the cache of the stage is %s, %s GB", stage.CacheClusterStatus, stage.CacheClusterSize)
	}
	first, again, other, err := w.thrice(ctx)
	if err != nil {
		return "", err
	}
	// A cache that is late is a miss, by design; one that always is does not cache.
	for range 5 {
		if first == again {
			break
		}
		if first, again, other, err = w.thrice(ctx); err != nil {
			return "", err
		}
	}
	if first != again || first == other {
		return "", fmt.Errorf("the backend counted %s and %s for one path, %s for another", first, again, other)
	}
	if _, err := w.apis.FlushStageCache(ctx, &apigateway.FlushStageCacheInput{RestApiId: &w.api, StageName: aws.String("prod")}); err != nil {
		return "", err
	}
	if _, err := w.settle(ctx, w.api, "prod"); err != nil {
		return "", err
	}
	flushed, _, _, err := w.thrice(ctx)
	if err != nil {
		return "", err
	}
	if flushed == first {
		return "", fmt.Errorf("after the flush the answer is still that of call %s", first)
	}
	_, err = w.caching(ctx, false)
	return fmt.Sprintf("two requests, both answered by the backend's call %s; after a flush by call %s", first, flushed), err
}

// cachePath makes the path behind /backend the key of what is cached.
func (w *World) cachePath(ctx context.Context) error {
	resources, err := w.apis.GetResources(ctx, &apigateway.GetResourcesInput{RestApiId: &w.api})
	if err != nil {
		return err
	}
	for _, r := range resources.Items {
		if !strings.HasPrefix(*r.Path, "/backend/") {
			continue
		}
		_, err := w.apis.UpdateIntegration(ctx, &apigateway.UpdateIntegrationInput{RestApiId: &w.api, ResourceId: r.Id, HttpMethod: aws.String("ANY"),
			PatchOperations: []types.PatchOperation{{Op: types.OpAdd, Path: aws.String("/cacheKeyParameters/method.request.path.proxy"), Value: aws.String("")}}})
		return err
	}
	return fmt.Errorf("there is no resource below /backend")
}

// caching switches the cache of the stage for all methods, which means GET.
func (w *World) caching(ctx context.Context, on bool) (*apigateway.UpdateStageOutput, error) {
	value := aws.String(fmt.Sprint(on))
	stage, err := w.apis.UpdateStage(ctx, &apigateway.UpdateStageInput{RestApiId: &w.api, StageName: aws.String("prod"), PatchOperations: []types.PatchOperation{
		{Op: types.OpReplace, Path: aws.String("/cacheClusterEnabled"), Value: value},
		{Op: types.OpReplace, Path: aws.String("/*/*/caching/enabled"), Value: value},
	}})
	if err != nil {
		return nil, err
	}
	_, err = w.settle(ctx, w.api, "prod")
	return stage, err
}

// thrice calls one path twice and another once, and returns the backend's counts.
func (w *World) thrice(ctx context.Context) (first, again, other string, err error) {
	var counts [3]string
	for i, path := range []string{"/prod/backend/kept", "/prod/backend/kept", "/prod/backend/other"} {
		a, err := w.call(ctx, w.api, "GET", path)
		if err == nil {
			err = a.expect(200, "GET "+strings.TrimPrefix(path, "/prod/backend"))
		}
		if err != nil {
			return "", "", "", err
		}
		counts[i] = a.header.Get("X-Call")
	}
	return counts[0], counts[1], counts[2], nil
}
