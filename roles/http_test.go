package roles

import (
	"context"
	"net"
	"net/http"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/limen-gateway/limen/platform/proxytest"
)

// TestAFaceWaits: until there is something to answer its address is free for another.
func TestAFaceWaits(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	after := make(chan struct{})
	g, ctx := errgroup.WithContext(ctx)
	f := face{setting: "listen", address: proxytest.FreeAddress(t), handler: http.NotFoundHandler(), after: after}
	f.keep(ctx, g)
	l, err := net.Listen("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	close(after)
	for ctx.Err() == nil {
		if resp, err := http.Get("http://" + f.address); err == nil {
			resp.Body.Close()
			break
		}
	}
	cancel()
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	http.DefaultClient.CloseIdleConnections()
}
