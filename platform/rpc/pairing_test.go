package rpc

import (
	"context"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/platform/trust"
)

// pairs are who may call what, beside the faces that the world sees. It says again what House says, so that a row which
// becomes wider is seen twice.
var pairs = map[string][]string{
	"edge": {
		"config.v1.Config/Follow", "config.v1.Config/Report", "edge.v1.Edge/Explain",
		"authz.v1.Authz/Authorize", "authz.v1.Authz/VerifySignature", "cache.v1.Cache/Get", "cache.v1.Cache/Put",
		"metering.v1.Metering/Lease", "metering.v1.Metering/Settle", "metering.v1.Metering/Recalls",
	},
	"admin":     {"edge.v1.Edge/Explain", "metering.v1.Metering/Usage", "metering.v1.Metering/Extend"},
	"wsconn":    {"config.v1.Config/Follow", "config.v1.Config/Report", "edge.v1.Edge/Invoke"},
	"authz":     {"config.v1.Config/Follow", "config.v1.Config/Report"},
	"metering":  {"config.v1.Config/Follow", "config.v1.Config/Report"},
	"cache":     {"config.v1.Config/Follow", "config.v1.Config/Report"},
	"functions": {"config.v1.Config/Follow", "config.v1.Config/Report"},
	"entry":     nil, "etcd": nil, "nats": nil, "operator": nil, "nobody": nil,
}

// identities makes a CA and certificates of roles.
func identities(t *testing.T) func(role string) *trust.Identity {
	t.Helper()
	a, err := trust.NewAuthority(filepath.Join(t.TempDir(), "ca"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return func(role string) *trust.Identity {
		t.Helper()
		dir := filepath.Join(t.TempDir(), role)
		if err := a.Issue(dir, trust.Request{Role: role}, time.Now()); err != nil {
			t.Fatal(err)
		}
		i, err := trust.Open(trust.Config{
			CAFile: filepath.Join(dir, trust.CAFile), CertFile: filepath.Join(dir, trust.CertFile), KeyFile: filepath.Join(dir, trust.KeyFile),
		}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
}

// answering makes every rpc of a service answer with nothing.
func answering(d *grpc.ServiceDesc) *grpc.ServiceDesc {
	out := &grpc.ServiceDesc{ServiceName: d.ServiceName, HandlerType: (*any)(nil)}
	for _, m := range d.Methods {
		info := &grpc.UnaryServerInfo{FullMethod: "/" + d.ServiceName + "/" + m.MethodName}
		out.Methods = append(out.Methods, grpc.MethodDesc{MethodName: m.MethodName, Handler: func(_ any, ctx context.Context, dec func(any) error, rules grpc.UnaryServerInterceptor) (any, error) {
			in := new(emptypb.Empty)
			if err := dec(in); err != nil {
				return nil, err
			}
			return rules(ctx, in, info, func(context.Context, any) (any, error) { return in, nil })
		}})
	}
	return out
}

// TestEveryPairing calls every rpc of the house over TLS with the certificate of every role: what is not in the table is
// refused, and so is whoever shows no certificate of the cluster.
func TestEveryPairing(t *testing.T) {
	issue := identities(t)
	server := NewServer(Config{Tables: House(), TLS: credentials.NewTLS(issue("admin").Server())})
	services := houseServices(t)
	for _, d := range services {
		server.RegisterService(answering(d), new(any))
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	for role, allowed := range pairs {
		t.Run(role, func(t *testing.T) {
			conn := dial(t, l.Addr().String(), ClientConfig{Tables: House(), TLS: issue(role).Client("admin")})
			for _, d := range services {
				for _, m := range d.Methods {
					public := strings.HasPrefix(d.ServiceName, "limen.admin.v1.")
					want := codes.PermissionDenied
					if public || slices.Contains(allowed, strings.TrimPrefix(d.ServiceName, "limen.")+"/"+m.MethodName) {
						want = codes.OK
					}
					full := "/" + d.ServiceName + "/" + m.MethodName
					if err := conn.Invoke(t.Context(), full, new(emptypb.Empty), new(emptypb.Empty)); status.Code(err) != want {
						t.Errorf("%s: %v, want %v", full, err, want)
					}
				}
			}
		})
	}
	strangers := identities(t)
	for name, c := range map[string]ClientConfig{
		"another cluster":            {Tables: House(), TLS: strangers("edge").Client("admin")},
		"plaintext":                  {Tables: House(), Claim: Edge},
		"a server of the wrong role": {Tables: House(), TLS: issue("edge").Client("metering")},
	} {
		t.Run(name, func(t *testing.T) {
			conn := dial(t, l.Addr().String(), c)
			err := conn.Invoke(t.Context(), "/limen.authz.v1.Authz/Authorize", new(emptypb.Empty), new(emptypb.Empty))
			if status.Code(err) != codes.Unavailable {
				t.Error(err)
			}
		})
	}
}
