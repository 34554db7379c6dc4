package deploy

import (
	"cmp"
	"slices"

	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// FreezeV2 makes the content of a deployment from the whole draft of a WebSocket or HTTP API.
func FreezeV2(scope draft.Scope, t *draft.TreeV2) *snapshotv1.Deployment {
	d := &snapshotv1.Deployment{Account: scope.Account, Region: scope.Region, ApiId: t.API.GetApiId(), Api: t.API}
	for _, r := range sorted(t.Routes) {
		d.Routes = append(d.Routes, &snapshotv1.Route{Route: r, Responses: sorted(t.RouteResponses[r.GetRouteId()])})
	}
	slices.SortFunc(d.Routes, func(a, b *snapshotv1.Route) int { return cmp.Compare(a.Route.GetRouteKey(), b.Route.GetRouteKey()) })
	for _, i := range sorted(t.Integrations) {
		d.Integrations = append(d.Integrations, &snapshotv1.Integration{Integration: i, Responses: sorted(t.IntegrationResponses[i.GetIntegrationId()])})
	}
	d.ApiModels = sorted(t.Models)
	d.ApiAuthorizers = sorted(t.Authorizers)
	return d
}
