package patch

import (
	"encoding/json"
	"os"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

// subject is a noun of one type with its rules.
type subject struct {
	noun  proto.Message
	apply func(proto.Message, *apigatewayv1.PatchOperationList) *fault.Error
}

func of[T proto.Message](noun T, rules *Rules[T]) subject {
	return subject{noun, func(m proto.Message, ops *apigatewayv1.PatchOperationList) *fault.Error {
		return rules.Apply(m.(T), ops)
	}}
}

func subjects() map[string]subject {
	return map[string]subject{
		"Account":             of(&apigatewayv1.Account{}, Account),
		"ApiKey":              of(&apigatewayv1.ApiKey{}, APIKey),
		"Authorizer":          of(&apigatewayv1.Authorizer{}, Authorizer),
		"Deployment":          of(&apigatewayv1.Deployment{}, Deployment),
		"GatewayResponse":     of(&apigatewayv1.GatewayResponse{}, GatewayResponse),
		"Integration":         of(&apigatewayv1.Integration{}, Integration),
		"IntegrationResponse": of(&apigatewayv1.IntegrationResponse{}, IntegrationResponse),
		"Method":              of(&apigatewayv1.Method{}, Method),
		"MethodResponse":      of(&apigatewayv1.MethodResponse{}, MethodResponse),
		"Model":               of(&apigatewayv1.Model{}, Model),
		"RequestValidator":    of(&apigatewayv1.RequestValidator{}, RequestValidator),
		"Resource":            of(&apigatewayv1.Resource{}, Resource),
		"RestApi":             of(&apigatewayv1.RestApi{}, RestAPI),
		"Stage":               of(&apigatewayv1.Stage{}, Stage),
		"UsagePlan":           of(&apigatewayv1.UsagePlan{}, UsagePlan),
	}
}

// The cases of testdata/cases.json: a noun before, operations, and the noun after or the refusal. Nouns are written as
// protobuf's JSON writes them.
func TestCases(t *testing.T) {
	raw, err := os.ReadFile("testdata/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, Noun string
		Before     json.RawMessage
		Ops        []json.RawMessage
		After      json.RawMessage
		Status     int
		Text       string
	}
	if err := json.Unmarshal(raw, &cases); err != nil {
		t.Fatal(err)
	}
	read := func(t *testing.T, text json.RawMessage, into proto.Message) {
		t.Helper()
		if len(text) == 0 {
			return
		}
		if err := protojson.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range cases {
		t.Run(c.Noun+"/"+c.Name, func(t *testing.T) {
			s, ok := subjects()[c.Noun]
			if !ok {
				t.Fatal("unknown noun")
			}
			ops := &apigatewayv1.PatchOperationList{}
			for _, text := range c.Ops {
				op := &apigatewayv1.PatchOperation{}
				read(t, text, op)
				ops.Items = append(ops.Items, op)
			}
			got, want := s.noun, s.noun.ProtoReflect().New().Interface()
			read(t, c.Before, got)
			read(t, c.After, want)
			err := s.apply(got, ops)
			if err == nil {
				err = &fault.Error{}
			}
			if err.Status != c.Status || err.Message != c.Text {
				t.Errorf("got %d %q, want %d %q", err.Status, err.Message, c.Status, c.Text)
			}
			if c.Status == 0 && !proto.Equal(got, want) {
				t.Errorf("got %v, want %v", protojson.Format(got), protojson.Format(want))
			}
		})
	}
}

func TestSplitList(t *testing.T) {
	if got := SplitList(" a,, b ,c"); len(got) != 3 || got[1] != "b" {
		t.Errorf("%q", got)
	}
	if got := SplitList(" "); got != nil {
		t.Errorf("%q", got)
	}
}

// FuzzStage: no path and no value makes the rules with the freest paths fail otherwise than by a refusal.
func FuzzStage(f *testing.F) {
	f.Add("replace", "/~1pets/GET/throttling/rateLimit", "1")
	f.Add("remove", "/*/*", "")
	f.Add("add", "/apiStages/a:b/throttle//x/GET/burstLimit", "2")
	f.Fuzz(func(t *testing.T, op, path, value string) {
		ops := &apigatewayv1.PatchOperationList{Items: []*apigatewayv1.PatchOperation{{Op: &op, Path: &path, Value: &value}}}
		_ = Stage.Apply(&apigatewayv1.Stage{}, ops)
		a, b := "a", "b"
		_ = UsagePlan.Apply(&apigatewayv1.UsagePlan{ApiStages: &apigatewayv1.ApiStageList{Items: []*apigatewayv1.ApiStage{{ApiId: &a, Stage: &b}}}}, ops)
	})
}
