package admin_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/limen-gateway/limen/platform/rpc"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
)

// TestAFollowerSpeaksForItsOwnRole: what a role does not get it does not get under another name, and it says nothing of what
// another one serves.
func TestAFollowerSpeaksForItsOwnRole(t *testing.T) {
	p := newPlane(t)
	edge := p.follow("e", nil)
	if _, err := edge.stream.Recv(); err != nil { // the welcome: the edge is listed
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for _, tt := range []struct {
		caller rpc.Role
		claims string
		want   codes.Code // of Report; Follow begins where it is OK
	}{
		{rpc.Edge, "edge", codes.OK},
		{rpc.Functions, "edge", codes.PermissionDenied},
		{rpc.Cache, "edge", codes.PermissionDenied},
		{rpc.Edge, "functions", codes.PermissionDenied},
	} {
		client := configv1.NewConfigClient(p.server.Local(tt.caller))
		if _, err := client.Report(ctx, &configv1.ReportRequest{Follower: "e", Role: tt.claims}); status.Code(err) != tt.want {
			t.Errorf("%s reports as %s: %v", tt.caller, tt.claims, err)
		}
		stream, err := client.Follow(ctx, &configv1.FollowRequest{Follower: "f", Role: tt.claims})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); status.Code(err) != tt.want {
			t.Errorf("%s follows as %s: %v", tt.caller, tt.claims, err)
		}
	}
}
