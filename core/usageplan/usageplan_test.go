package usageplan

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/core/throttle"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
)

func key(id, value string, enabled bool) *snapshotv1.ApiKey {
	sum := sha256.Sum256([]byte(value))
	return &snapshotv1.ApiKey{Id: id, ValueSha256: sum[:], Enabled: enabled}
}

func plan(id string, keys []string, stages ...string) *snapshotv1.UsagePlan {
	p := &apigatewayv1.UsagePlan{Id: &id, ApiStages: &apigatewayv1.ApiStageList{}}
	for _, s := range stages {
		p.ApiStages.Items = append(p.ApiStages.Items, &apigatewayv1.ApiStage{ApiId: proto.String("api"), Stage: proto.String(s)})
	}
	return &snapshotv1.UsagePlan{Plan: p, KeyIds: keys}
}

func TestKeys(t *testing.T) {
	var none *Keys
	if none.Find("x") != nil || none.Plan(&Key{}, "api", "s") != nil {
		t.Error("no keys know a key")
	}
	k := none.WithKey(key("k1", "value one", true)).WithKey(key("k2", "value two", false)).
		WithPlan(plan("p1", []string{"k1"}, "s1", "s2"), 1).WithPlan(plan("p2", []string{"k2"}, "s1"), 2)
	one, two := k.Find("value one"), k.Find("value two")
	if one == nil || !one.Enabled || one.ID != "k1" || two == nil || two.Enabled || k.Find("Value one") != nil {
		t.Fatalf("%v %v", one, two)
	}
	for _, tt := range []struct {
		key   *Key
		stage string
		want  string
	}{{one, "s1", "p1"}, {one, "s2", "p1"}, {two, "s1", "p2"}, {two, "s2", ""}, {nil, "s1", ""}} {
		got := ""
		if p := k.Plan(tt.key, "api", tt.stage); p != nil {
			got = p.ID
		}
		if got != tt.want {
			t.Errorf("%v on %s: %q, want %q", tt.key, tt.stage, got, tt.want)
		}
	}
	later := k.WithoutKey("k1").WithoutPlan("p2").WithKey(key("k2", "changed", true))
	if later.Find("value one") != nil || later.Find("value two") != nil || later.Find("changed") == nil || later.Plan(two, "api", "s1") != nil {
		t.Error("changes do not show")
	}
	if k.Find("value one") != one || k.Find("changed") != nil || k.Plan(two, "api", "s1") == nil {
		t.Error("a change reached what was there before")
	}
	if k.WithKey(&snapshotv1.ApiKey{Id: "k1"}).Find("value one") != nil {
		t.Error("a key without a value is found")
	}
}

func TestManyKeys(t *testing.T) {
	var k *Keys
	for n := range 1000 {
		k = k.WithKey(key(fmt.Sprint("id", n), fmt.Sprint("value", n), true))
	}
	for n := range 1000 {
		if got := k.Find(fmt.Sprint("value", n)); got == nil || got.ID != fmt.Sprint("id", n) {
			t.Fatal(n, got)
		}
	}
}

func TestLimits(t *testing.T) {
	m := plan("p", nil, "s")
	m.Plan.Throttle = &apigatewayv1.ThrottleSettings{RateLimit: proto.Float64(10), BurstLimit: proto.Int32(20)}
	m.Plan.Quota = &apigatewayv1.QuotaSettings{Limit: proto.Int32(100), Offset: proto.Int32(3), Period: proto.String("WEEK")}
	m.Plan.ApiStages.Items[0].Throttle = &apigatewayv1.ThrottleSettingsMap{Entries: map[string]*apigatewayv1.ThrottleSettings{
		"~1pets~1{id}/GET": {RateLimit: proto.Float64(1), BurstLimit: proto.Int32(2)},
		"pets/POST":        {RateLimit: proto.Float64(-1)},
	}}
	p := compile(m, 7)
	if p.Throttle != (throttle.Limit{Rate: 10, Burst: 20}) || *p.Quota != (Quota{100, 3, Week}) || p.Revision != 7 {
		t.Errorf("%+v", p)
	}
	if l, ok := p.Method("api", "s", "GET /pets/{id}"); !ok || l != (throttle.Limit{Rate: 1, Burst: 2}) {
		t.Error(l, ok)
	}
	for _, miss := range [][3]string{{"api", "s", "POST /pets"}, {"api", "other", "GET /pets/{id}"}, {"api", "s", "GET /"}} {
		if _, ok := p.Method(miss[0], miss[1], miss[2]); ok {
			t.Errorf("%v has a limit", miss)
		}
	}
	if p.Quota.Of(true) != 97 || p.Quota.Of(false) != 100 || (Quota{Limit: 1, Offset: 2}).Of(true) != 0 {
		t.Error("offset")
	}
}

func TestSplitMethod(t *testing.T) {
	for key, want := range map[string][2]string{
		"pets/GET": {"/pets", "GET"}, "/pets/GET": {"/pets", "GET"}, "~1pets/GET": {"/pets", "GET"}, "~1pets~1{id}/GET": {"/pets/{id}", "GET"},
		"a/b/GET": {"/a/b", "GET"}, "~1/GET": {"/", "GET"}, "//GET": {"/", "GET"}, "/GET": {"/", "GET"}, "*/*": {"*", "*"}, "/*/*": {"*", "*"},
		"~1a~0b/ANY": {"/a~b", "ANY"}, "GET": {"/", "GET"},
	} {
		if path, verb := SplitMethod(key); path != want[0] || verb != want[1] {
			t.Errorf("%s: %s %s", key, path, verb)
		}
	}
}

func TestWindow(t *testing.T) {
	for _, tt := range []struct {
		period     Period
		now        string
		start, end string
	}{
		{Day, "2026-03-01T00:00:00Z", "2026-03-01", "2026-03-02"},
		{Day, "2026-03-01T23:30:00-02:00", "2026-03-02", "2026-03-03"},
		{Week, "2026-03-01T10:00:00Z", "2026-03-01", "2026-03-08"},
		{Week, "2026-02-28T23:59:59Z", "2026-02-22", "2026-03-01"},
		{Month, "2028-02-29T10:00:00Z", "2028-02-01", "2028-03-01"},
		{Month, "2026-12-31T23:59:59Z", "2026-12-01", "2027-01-01"},
		{"", "2026-12-31T23:59:59Z", "2026-12-31", "2027-01-01"},
	} {
		now, err := time.Parse(time.RFC3339, tt.now)
		if err != nil {
			t.Fatal(err)
		}
		start, end := tt.period.Window(now)
		if start.Format(time.DateOnly) != tt.start || end.Format(time.DateOnly) != tt.end || start.Location() != time.UTC {
			t.Errorf("%s %s: %v to %v", tt.period, tt.now, start, end)
		}
	}
}
