package roles

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/durable"
	"github.com/limen-gateway/limen/platform/rpc"
	adminv1 "github.com/limen-gateway/limen/proto/admin/v1"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

// Seed is the API that limen dev serves from the start: of a file, or the sample.
type Seed struct {
	API, Name, Stage string
	// Path is one to try.
	Path string
}

const (
	sampleName  = "sample"
	sampleStage = "prod"
	fileStage   = "dev"
	// seedsFile remembers, in the data folder, which API was made of which file.
	seedsFile = "seeds.json"
)

//go:embed sample.yaml
var sampleAPI []byte

// seeder makes seeds for the first account.
type seeder struct {
	apis adminv1.ApiGatewayClient
	own  adminv1.AdminClient
	path string
	made map[string]string // source → API
}

// seed imports an OpenAPI file, or puts it over the API that an earlier start made of it, and deploys it; without a file it
// makes the sample API, once. It runs when everything else does.
func (h *house) seed(ctx context.Context, file string) (Seed, error) {
	keys, _, err := RootKeys(h.config, true)
	if err != nil {
		return Seed{}, err
	}
	conn := h.admin.service.Root(h.admin.server.Local(rpc.Admin), keys[0].Account, h.config.Region)
	s := seeder{adminv1.NewApiGatewayClient(conn), adminv1.NewAdminClient(conn), h.dir(seedsFile), map[string]string{}}
	if err := s.load(); err != nil {
		return Seed{}, err
	}
	if file == "" {
		return s.sample(ctx)
	}
	return s.file(ctx, file)
}

func (s *seeder) load() error {
	text, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(text, &s.made)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	return nil
}

func (s *seeder) remember(source, api string) error {
	s.made[source] = api
	text, err := json.Marshal(s.made)
	if err != nil {
		return err
	}
	return durable.WriteFile(s.path, text, 0o600)
}

// known is the API made of a source, if it is still there.
func (s *seeder) known(ctx context.Context, source string) string {
	id := s.made[source]
	if id == "" {
		return ""
	}
	if _, err := s.apis.GetRestApi(ctx, &apigatewayv1.GetRestApiRequest{RestApiId: &id}); status.Code(err) == codes.NotFound {
		return ""
	}
	return id
}

// sample makes the sample API at first start; a user who deletes it does not get it again.
func (s *seeder) sample(ctx context.Context) (Seed, error) {
	seed := Seed{API: s.known(ctx, sampleName), Name: sampleName, Stage: sampleStage, Path: "/hello?name=you"}
	if s.made[sampleName] != "" {
		return seed, nil
	}
	api, err := s.apis.ImportRestApi(ctx, &apigatewayv1.ImportRestApiRequest{Body: sampleAPI})
	if err != nil {
		return Seed{}, fmt.Errorf("sample API: %w", err)
	}
	seed.API = api.GetId()
	if err := s.deploy(ctx, seed); err != nil {
		return Seed{}, err
	}
	return seed, s.remember(sampleName, seed.API)
}

func (s *seeder) file(ctx context.Context, file string) (Seed, error) {
	document, err := os.ReadFile(file)
	if err != nil {
		return Seed{}, err
	}
	source, err := filepath.Abs(file)
	if err != nil {
		return Seed{}, err
	}
	seed := Seed{API: s.known(ctx, source), Name: filepath.Base(file), Stage: fileStage, Path: "/"}
	if seed.API == "" {
		var api *apigatewayv1.RestApi
		if api, err = s.apis.ImportRestApi(ctx, &apigatewayv1.ImportRestApiRequest{Body: document}); err == nil {
			seed.API = api.GetId()
			err = s.remember(source, seed.API)
		}
	} else {
		_, err = s.apis.PutRestApi(ctx, &apigatewayv1.PutRestApiRequest{RestApiId: &seed.API, Mode: proto.String("overwrite"), Body: document})
	}
	if err != nil {
		return Seed{}, fmt.Errorf("%s: %s", file, status.Convert(err).Message())
	}
	return seed, s.deploy(ctx, seed)
}

func (s *seeder) deploy(ctx context.Context, seed Seed) error {
	_, err := s.apis.CreateDeployment(ctx, &apigatewayv1.CreateDeploymentRequest{RestApiId: &seed.API, StageName: &seed.Stage, Description: proto.String("by limen dev")})
	if err != nil {
		return fmt.Errorf("deploy %s: %s", seed.Name, status.Convert(err).Message())
	}
	// Whoever reads that limen is ready may call at once.
	_, err = s.own.Wait(ctx, &adminv1.WaitRequest{ApiId: seed.API, Stage: seed.Stage, TimeoutMillis: seedTimeout.Milliseconds()})
	return err
}

const seedTimeout = 5 * time.Second
