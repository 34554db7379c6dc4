package roles

import (
	"context"
	"net/http"
	"slices"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/limen-gateway/limen/platform/proxytest"
	"github.com/limen-gateway/limen/platform/rpc"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
)

// emptyConfig is an admin where nothing is declared.
type emptyConfig struct {
	configv1.UnimplementedConfigServer
}

func (emptyConfig) Follow(_ *configv1.FollowRequest, stream grpc.ServerStreamingServer[configv1.FollowResponse]) error {
	for _, e := range []*configv1.FollowResponse{
		{Event: &configv1.FollowResponse_Welcome{Welcome: &configv1.Welcome{Number: 1, Full: true}}},
		{Event: &configv1.FollowResponse_Position{Position: &configv1.Position{Epoch: "e", Revision: 1}}},
	} {
		if err := stream.Send(e); err != nil {
			return err
		}
	}
	<-stream.Context().Done()
	return nil
}

func (emptyConfig) Report(context.Context, *configv1.ReportRequest) (*configv1.ReportResponse, error) {
	return &configv1.ReportResponse{}, nil
}

// TestWhoInvokesFunctions: a functions host of a cluster answers edges, authz and admin, and nobody else.
func TestWhoInvokesFunctions(t *testing.T) {
	s := newSecured(t)
	admin := rpc.NewServer(rpc.Config{Tables: rpc.House(), TLS: credentials.NewTLS(s.identity("admin").Server())})
	configv1.RegisterConfigServer(admin, emptyConfig{})
	l := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- admin.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	c := Config{DataDir: t.TempDir(), AdminAddress: l.Addr().String(), Functions: FunctionsConfig{Listen: proxytest.FreeAddress(t), DrainGrace: 1}}
	<-s.member(c, "functions").ready
	for _, role := range certified() {
		way := &http.Transport{TLSClientConfig: s.identity(role).Client("functions"), DisableKeepAlives: true}
		r, err := http.NewRequestWithContext(t.Context(), "POST", "https://"+c.Functions.Listen+"/2015-03-31/functions/none/invocations", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		res, err := way.RoundTrip(r)
		if err == nil {
			_ = res.Body.Close()
		}
		if admitted := slices.Contains([]string{"edge", "authz", "admin"}, role); (err == nil) != admitted {
			t.Errorf("%s: %v", role, err)
		}
	}
}
