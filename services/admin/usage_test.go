package admin_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/limen-gateway/limen/platform/rpc"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

// ledger stands for metering: every key has used one request on each day.
type ledger struct{}

func (ledger) Usage(_ context.Context, r *meteringv1.UsageRequest, _ ...grpc.CallOption) (*meteringv1.UsageResponse, error) {
	out := &meteringv1.UsageResponse{Keys: map[string]*meteringv1.KeyUsage{}}
	for _, key := range r.ApiKeys {
		u := &meteringv1.KeyUsage{}
		for day := r.FirstDay; day <= r.LastDay; day++ {
			u.Days = append(u.Days, &meteringv1.DayUsage{Used: 1, Remaining: r.Quota.Limit - 1})
		}
		out.Keys[key] = u
	}
	return out, nil
}

func (ledger) Extend(_ context.Context, r *meteringv1.ExtendRequest, _ ...grpc.CallOption) (*meteringv1.UsageResponse, error) {
	return &meteringv1.UsageResponse{}, nil
}

func TestUsage(t *testing.T) {
	p := newPlane(t)
	plan := p.must(alice, "POST", "/usageplans", `{"name":"p","quota":{"limit":10,"period":"DAY"}}`)["id"].(string)
	var keys []string
	for range 2 {
		key := p.must(alice, "POST", "/apikeys", `{"enabled":true}`)["id"].(string)
		p.must(alice, "POST", "/usageplans/"+plan+"/keys", `{"keyId":"`+key+`","keyType":"API_KEY"}`)
		keys = append(keys, key)
	}
	url := "/usageplans/" + plan + "/usage?startDate=2026-03-01&endDate=2026-03-02"
	one := p.must(alice, "GET", url+"&keyId="+keys[0], "")
	if got := fmt.Sprint(one); got != fmt.Sprintf("map[endDate:2026-03-02 startDate:2026-03-01 usagePlanId:%s values:map[%s:[[1 9] [1 9]]]]", plan, keys[0]) {
		t.Error(got)
	}
	if all := p.must(alice, "GET", url, "")["values"].(map[string]any); len(all) != 2 {
		t.Error(all)
	}
	page := p.must(alice, "GET", url+"&limit=1", "")
	if len(page["values"].(map[string]any)) != 1 || page["position"] == nil {
		t.Error(page)
	}
	usage := "/usageplans/" + plan + "/keys/" + keys[0] + "/usage"
	if r := p.patch(usage, "replace", "/remaining", "5"); r.status != 200 || r.body["values"] == nil {
		t.Error(r.text)
	}
	for _, tt := range []struct {
		name string
		r    reply
		code int
		kind string
	}{
		{"no dates", p.call(alice, "GET", "/usageplans/"+plan+"/usage?startDate=x&endDate=y", ""), 400, "BadRequestException"},
		{"dates turned round", p.call(alice, "GET", "/usageplans/"+plan+"/usage?startDate=2026-03-02&endDate=2026-03-01", ""), 400, "BadRequestException"},
		{"too many days", p.call(alice, "GET", "/usageplans/"+plan+"/usage?startDate=2025-03-02&endDate=2026-03-01", ""), 400, "BadRequestException"},
		{"unknown plan", p.call(alice, "GET", "/usageplans/nosuch/usage?startDate=2026-03-01&endDate=2026-03-02", ""), 404, "NotFoundException"},
		{"key of no plan", p.call(alice, "GET", url+"&keyId=nosuch", ""), 404, "NotFoundException"},
		{"another account", p.call(bob, "GET", url, ""), 404, "NotFoundException"},
		{"wrong path", p.patch(usage, "replace", "/used", "5"), 400, "BadRequestException"},
		{"wrong operation", p.patch(usage, "add", "/remaining", "5"), 400, "BadRequestException"},
		{"no number", p.patch(usage, "replace", "/remaining", "-1"), 400, "BadRequestException"},
	} {
		if tt.r.status != tt.code || !strings.HasPrefix(tt.r.header.Get("x-amzn-ErrorType"), tt.kind) {
			t.Errorf("%s: %d %s %s", tt.name, tt.r.status, tt.r.header.Get("x-amzn-ErrorType"), tt.r.text)
		}
	}
}

// TestKeysArePublished: an edge hears of keys by their hash and of plans with their keys, and of what becomes of them.
func TestKeysArePublished(t *testing.T) {
	p := newPlane(t)
	const secret = "planted-secret-0123456789"
	key := p.must(alice, "POST", "/apikeys", `{"value":"`+secret+`"}`)["id"].(string)
	plan := p.must(alice, "POST", "/usageplans", `{"name":"p"}`)["id"].(string)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	stream, err := configv1.NewConfigClient(p.server.Local(rpc.Edge)).Follow(ctx, &configv1.FollowRequest{Follower: "e", Role: "edge"})
	if err != nil {
		t.Fatal(err)
	}
	keys, plans := map[string]*snapshotv1.ApiKey{}, map[string]*snapshotv1.UsagePlan{}
	until := func(what string, ok func() bool) {
		t.Helper()
		for !ok() {
			e, err := stream.Recv()
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			r := e.GetResource()
			if strings.Contains(protojson.Format(e), secret) {
				t.Fatalf("the value of a key travels: %v", e)
			}
			id := r.GetKey()[strings.LastIndexByte(r.GetKey(), '/')+1:]
			switch {
			case r.GetApiKey() != nil:
				keys[id] = r.GetApiKey()
			case r.GetUsagePlan() != nil:
				plans[id] = r.GetUsagePlan()
			case r.GetDeleted():
				delete(keys, id)
				delete(plans, id)
			}
		}
	}
	sum := sha256.Sum256([]byte(secret))
	until("both are there", func() bool {
		return keys[key] != nil && !keys[key].Enabled && bytes.Equal(keys[key].ValueSha256, sum[:]) && plans[plan] != nil && len(plans[plan].KeyIds) == 0
	})
	p.patch("/apikeys/"+key, "replace", "/enabled", "true")
	p.must(alice, "POST", "/usageplans/"+plan+"/keys", `{"keyId":"`+key+`","keyType":"API_KEY"}`)
	until("enabled and in the plan", func() bool { return keys[key].Enabled && fmt.Sprint(plans[plan].KeyIds) == "["+key+"]" })
	p.call(alice, "DELETE", "/apikeys/"+key, "")
	until("the key is gone, from its plan too", func() bool { return keys[key] == nil && len(plans[plan].KeyIds) == 0 })
	p.call(alice, "DELETE", "/usageplans/"+plan, "")
	until("the plan is gone", func() bool { return plans[plan] == nil })
}
