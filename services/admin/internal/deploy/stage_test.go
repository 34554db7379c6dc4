package deploy

import (
	"log/slog"
	"testing"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	storev1 "github.com/limen-gateway/limen/proto/store/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
)

// TestStagesOfBothFamilies: a stage is published once its deployment is known, in the form of its family, and not any more
// when it names none.
func TestStagesOfBothFamilies(t *testing.T) {
	scope := draft.Scope{Account: "123456789012", Region: "us-east-1"}
	deployment := proto.String("d1")
	for name, tt := range map[string]struct {
		stage, bare proto.Message
		v2          bool
	}{
		"REST":      {&apigatewayv1.Stage{DeploymentId: deployment}, &apigatewayv1.Stage{}, false},
		"WebSocket": {&apigatewayv2v1.Stage{DeploymentId: deployment}, &apigatewayv2v1.Stage{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMirror(nil, slog.New(slog.DiscardHandler))
			revision := int64(0)
			put := func(key string, r *storev1.Record) {
				revision++
				value, err := proto.Marshal(r)
				if err != nil {
					t.Fatal(err)
				}
				m.apply(clientv3.WatchResponse{Header: &etcdserverpb.ResponseHeader{Revision: revision}, Events: []*clientv3.Event{
					{Type: clientv3.EventTypePut, Kv: &mvccpb.KeyValue{Key: []byte(key), Value: value, ModRevision: revision}}}})
			}
			record := func(noun proto.Message) *storev1.Record {
				packed, err := anypb.New(noun)
				if err != nil {
					t.Fatal(err)
				}
				return &storev1.Record{Noun: packed, AuthorizerEpoch: 3}
			}
			key := scope.Key(draft.Stages, "api", "prod")
			put(key, record(tt.stage))
			if n := len(m.resources); n != 0 {
				t.Fatalf("%d resources before the deployment", n)
			}
			put(scope.Key(draft.Deployments, "api", "d1"), &storev1.Record{ContentHash: "h"})
			s := m.resources["stages/us-east-1/123456789012/api/prod"].GetStage()
			if s.GetDeploymentHash() != "h" || s.GetAuthorizerEpoch() != 3 || s.GetApiId() != "api" || (s.GetApiStage() != nil) != tt.v2 || (s.GetStage() != nil) == tt.v2 {
				t.Errorf("published %v", s)
			}
			put(key, record(tt.bare))
			if len(m.resources) != 0 || len(m.gone) != 1 {
				t.Errorf("a stage without deployment is published: %v", m.resources)
			}
		})
	}
}
