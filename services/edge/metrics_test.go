package edge

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

func TestMetrics_countByStageRouteAndClass(t *testing.T) {
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	t.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	w := start(t, Deps{Meter: provider.Meter("edge")})
	publish(w.edge, 1, nil, map[string]*snapshotv1.Deployment{"prod": deployment(nil, method{"/a/{id}", "GET", withResponses(mock(""), response("200", "", nil, map[string]string{"application/json": "{}"}))})})
	for _, path := range []string{"/prod/a/1", "/prod/a/2", "/prod/b", "/none/a"} {
		w.get(path)
	}
	var got metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &got); err != nil {
		t.Fatal(err)
	}
	want := map[[3]string]int64{{"prod", "/a/{id}", "2xx"}: 2, {"prod", "", "4xx"}: 1, {"", "", "4xx"}: 1}
	for _, m := range got.ScopeMetrics[0].Metrics {
		if m.Name != "limen_requests" {
			continue
		}
		for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
			label := func(k attribute.Key) string { v, _ := p.Attributes.Value(k); return v.AsString() }
			key := [3]string{label("stage"), label("route"), label("status_class")}
			if p.Value != want[key] {
				t.Errorf("%v: %d", key, p.Value)
			}
			delete(want, key)
		}
	}
	if len(want) != 0 {
		t.Errorf("not counted: %v", want)
	}
}
