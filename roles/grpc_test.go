package roles

import (
	"context"
	"net"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/limen-gateway/limen/platform/proxytest"
	"github.com/limen-gateway/limen/platform/rootkeys"
	"github.com/limen-gateway/limen/platform/rpc"
	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/telemetry"
	"github.com/limen-gateway/limen/platform/token"
	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
)

// startDev runs limen dev in this process and returns where it answers.
func startDev(t *testing.T) (*DevProcess, Config) {
	t.Helper()
	c := Config{DataDir: t.TempDir(), Listen: "127.0.0.1:0"}
	tel, err := telemetry.New(c.Telemetry, "limen-test", "0")
	if err != nil {
		t.Fatal(err)
	}
	dev, err := Dev(c, tel)
	if err != nil {
		t.Fatal(err)
	}
	g := run.New(tel.Log, dev.Services...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	<-g.Ready()
	return dev, dev.house.config
}

// TestReflection does what grpcurl does: it knows nothing but the address and a token, asks which services there are, reads
// their descriptors, and calls one.
func TestReflection(t *testing.T) {
	dev, config := startDev(t)
	conn, err := grpc.NewClient(dev.Address(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		t.Fatal(err)
	}
	services := listServices(t, stream)
	for _, want := range []string{"limen.admin.v1.ApiGateway", "limen.admin.v1.ApiGatewayV2", "limen.admin.v1.ApiGatewayManagementApi", "limen.admin.v1.Admin"} {
		if !slices.Contains(services, want) {
			t.Errorf("no service %s in %v", want, services)
		}
	}
	method := describe(t, stream, "limen.admin.v1.ApiGateway").Methods().ByName("CreateRestApi")

	t.Run("no call without a token", func(t *testing.T) {
		_, err := create(ctx, conn, method)
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("answered %v", err)
		}
	})
	t.Run("a call with a token", func(t *testing.T) {
		keys, _, err := RootKeys(config, true)
		if err != nil {
			t.Fatal(err)
		}
		bearer, err := token.Mint(keys[1].AccessKeyID, keys[1].SecretAccessKey, time.Now(), 0)
		if err != nil {
			t.Fatal(err)
		}
		// Metadata that claims another caller changes nothing.
		authorized := metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+bearer, "limen-account", keys[0].Account)
		api, err := create(authorized, conn, method)
		if err != nil {
			t.Fatal(err)
		}
		id := api.Get(api.Descriptor().Fields().ByName("id")).String()
		if owner, err := dev.house.etcd.Get(ctx, "/limen/-/apis/"+id); err != nil || len(owner.Kvs) != 1 || string(owner.Kvs[0].Value) != config.Region+"/"+keys[1].Account {
			t.Errorf("API %s belongs to %v (%v)", id, owner, err)
		}
	})
}

// TestUsersPlayNoRole: hosts of a trusted network may claim a role, users of admin's port may not.
func TestUsersPlayNoRole(t *testing.T) {
	c := Config{DataDir: t.TempDir(), Admin: AdminConfig{Listen: proxytest.FreeAddress(t)}}
	c.RootKeyFile = c.DataDir + "/root-keys"
	if _, err := rootkeys.LoadOrCreate(c.RootKeyFile, "111111111111"); err != nil {
		t.Fatal(err)
	}
	_, stop := start(t, c, only("etcd", "admin"))
	defer stop()
	claims := func(role rpc.Role) (context.Context, grpc.ClientConnInterface) {
		conn, err := rpc.Dial(c.Admin.Listen, rpc.ClientConfig{Tables: rpc.House(), Claim: role, Options: []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.WaitForReady(true))}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return metadata.AppendToOutgoingContext(t.Context(), "limen-account", "111111111111", "limen-region", "us-east-1"), conn
	}
	ctx, conn := claims(rpc.Admin)
	if _, err := adminv1.NewApiGatewayClient(conn).CreateRestApi(ctx, &apigatewayv1.CreateRestApiRequest{Name: proto.String("stolen")}); status.Code(err) != codes.Unauthenticated {
		t.Errorf("whoever says that it is admin creates an API: %v", err)
	}
	ctx, conn = claims(rpc.Edge)
	stream, err := configv1.NewConfigClient(conn).Follow(ctx, &configv1.FollowRequest{Role: "edge", Follower: "stranger"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.PermissionDenied {
		t.Errorf("whoever says that it is an edge follows: %v", err)
	}
}

// TestATrustedNetwork: an admin in the clear serves other hosts, and starts.
func TestATrustedNetwork(t *testing.T) {
	_, port, err := net.SplitHostPort(proxytest.FreeAddress(t))
	if err != nil {
		t.Fatal(err)
	}
	c := Config{DataDir: t.TempDir(), Admin: AdminConfig{GRPCListen: "0.0.0.0:" + port}}
	c.RootKeyFile = c.DataDir + "/root-keys"
	if _, err := rootkeys.LoadOrCreate(c.RootKeyFile, "111111111111"); err != nil {
		t.Fatal(err)
	}
	_, stop := start(t, c, only("etcd", "admin"))
	stop()
}

func listServices(t *testing.T, stream reflectionv1.ServerReflection_ServerReflectionInfoClient) []string {
	t.Helper()
	res := ask(t, stream, &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}})
	var out []string
	for _, s := range res.GetListServicesResponse().GetService() {
		out = append(out, s.Name)
	}
	return out
}

// describe builds the descriptor of a service from what the server says of it.
func describe(t *testing.T, stream reflectionv1.ServerReflection_ServerReflectionInfoClient, service string) protoreflect.ServiceDescriptor {
	t.Helper()
	res := ask(t, stream, &reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service}})
	set := &descriptorpb.FileDescriptorSet{}
	for _, raw := range res.GetFileDescriptorResponse().GetFileDescriptorProto() {
		f := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(raw, f); err != nil {
			t.Fatal(err)
		}
		set.File = append(set.File, f)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		t.Fatal(err)
	}
	d, err := files.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		t.Fatal(err)
	}
	return d.(protoreflect.ServiceDescriptor)
}

func ask(t *testing.T, stream reflectionv1.ServerReflection_ServerReflectionInfoClient, req *reflectionv1.ServerReflectionRequest) *reflectionv1.ServerReflectionResponse {
	t.Helper()
	if err := stream.Send(req); err != nil {
		t.Fatal(err)
	}
	res, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// create calls CreateRestApi with messages that are known only by their descriptors.
func create(ctx context.Context, conn *grpc.ClientConn, method protoreflect.MethodDescriptor) (protoreflect.Message, error) {
	in, out := dynamicpb.NewMessage(method.Input()), dynamicpb.NewMessage(method.Output())
	in.Set(method.Input().Fields().ByName("name"), protoreflect.ValueOfString("by reflection"))
	err := conn.Invoke(ctx, "/limen.admin.v1.ApiGateway/"+string(method.Name()), in, out)
	return out, err
}
