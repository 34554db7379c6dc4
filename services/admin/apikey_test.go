package admin_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/etcdtest"
	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/seal"
	storev1 "github.com/limen-gateway/limen/proto/store/v1"
)

func TestAPIKey(t *testing.T) {
	p := newPlane(t)
	const secret = "planted-secret-0123456789"
	r := p.call(alice, "POST", "/apikeys", `{"name":"shop-1","value":"`+secret+`","enabled":true,"customerId":"c","tags":{"a":"b"}}`)
	if r.status != 201 || r.body["value"] != secret || len(r.body["id"].(string)) != 10 {
		t.Fatal(r.text)
	}
	id := r.body["id"].(string)
	fresh := p.must(alice, "POST", "/apikeys", `{"name":"","value":""}`)
	if fresh["enabled"] != false || len(fresh["value"].(string)) != 40 || fresh["name"] != nil || fresh["stageKeys"] == nil || fresh["tags"] != nil {
		t.Errorf("defaults: %v", fresh)
	}

	for _, tt := range []struct {
		name, method, target, body string
		status                     int
		exception, text            string
	}{
		{"long name", "POST", "/apikeys", `{"name":"` + strings.Repeat("a", 1025) + `"}`, 400, "BadRequestException", "Invalid API Key name, can be at most 1024 characters."},
		{"short value", "POST", "/apikeys", `{"value":"short"}`, 400, "BadRequestException", "API Key value should be at least 20 characters"},
		{"long value", "POST", "/apikeys", `{"value":"` + strings.Repeat("a", 129) + `"}`, 400, "BadRequestException", "API Key value exceeds maximum size of 128 characters"},
		{"value taken", "POST", "/apikeys", `{"value":"` + secret + `"}`, 409, "ConflictException", "API Key already exists"},
		{"unknown stage", "POST", "/apikeys", `{"stageKeys":[{"restApiId":"a","stageName":"b"}]}`, 400, "BadRequestException", "Invalid stage identifier specified"},
		{"unknown key", "GET", "/apikeys/nosuch", "", 404, "NotFoundException", "Invalid API Key identifier specified"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.call(alice, tt.method, tt.target, tt.body).want(t, tt.status, tt.exception, tt.text)
		})
	}

	get := func(query string) any { return p.must(alice, "GET", "/apikeys/"+id+query, "")["value"] }
	if get("") != nil || get("?includeValue=true") != secret {
		t.Error("a value is shown only on request")
	}
	count := func(query string) (n int, values bool) {
		items := p.must(alice, "GET", "/apikeys?"+query, "")["item"].([]any)
		for _, item := range items {
			values = values || item.(map[string]any)["value"] != nil
		}
		return len(items), values
	}
	for query, want := range map[string]int{"": 2, "name=shop": 1, "name=Shop": 0, "name=hop": 0, "customerId=c": 1, "customerId=d": 0, "limit=-1": 2} {
		if n, values := count(query); n != want || values {
			t.Errorf("list by %q: %d, want %d", query, n, want)
		}
	}
	if n, values := count("includeValues=true"); n != 2 || !values {
		t.Error("includeValues shows them")
	}

	up := p.patch("/apikeys/"+id, "replace", "/enabled", "not-a-boolean")
	if up.body["enabled"] != false || up.body["value"] != nil || up.body["tags"] == nil {
		t.Errorf("patched: %s", up.text)
	}
	p.patch("/apikeys/"+id, "replace", "/value", "x").want(t, 400, "BadRequestException", "Invalid patch path  '/value' specified for op 'replace'. Must be one of: [/description, /enabled, /name, /customerId]")
	if get("?includeValue=true") != secret {
		t.Error("a patch loses the value")
	}

	wantNoSecret(t, p.etcd, secret)
	if r := p.call(alice, "DELETE", "/apikeys/"+id, ""); r.status != 202 {
		t.Error(r.text)
	}
	p.must(alice, "POST", "/apikeys", `{"value":"`+secret+`"}`) // free again
	p.must(bob, "POST", "/apikeys", `{"value":"`+secret+`"}`)   // unique only within an account
}

// wantNoSecret reads the whole store.
func wantNoSecret(t *testing.T, etcd *clientv3.Client, secret string) {
	t.Helper()
	res, err := etcd.Get(context.Background(), "", clientv3.WithPrefix())
	if err != nil {
		t.Fatal(err)
	}
	for _, kv := range res.Kvs {
		if bytes.Contains(kv.Value, []byte(secret)) || bytes.Contains(kv.Key, []byte(secret)) {
			t.Errorf("the secret can be read in %s", kv.Key)
		}
	}
}

// TestMasterKeyRotation: what the old key sealed is sealed anew with the first of the ring, after which the old one may go.
func TestMasterKeyRotation(t *testing.T) {
	const value = "planted-secret-0123456789"
	ring := func(lines ...[]byte) *seal.Keyring {
		k, err := seal.Parse(bytes.Join(lines, nil))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	older, newer := seal.NewKey(), seal.NewKey()
	etcd := etcdtest.Start(t).Client
	id := sealedPlane(t, etcd, ring(older)).must(alice, "POST", "/apikeys", `{"value":"`+value+`"}`)["id"].(string)

	sealedPlane(t, etcd, ring(newer, older))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	wanted := bytes.Fields(newer)[0]
	for {
		res, err := etcd.Get(ctx, "/limen/us-east-1/"+alice.Account+"/apikeys/"+id)
		if err != nil || len(res.Kvs) != 1 {
			t.Fatal(res, err)
		}
		r := &storev1.Record{}
		if err := proto.Unmarshal(res.Kvs[0].Value, r); err != nil {
			t.Fatal(err)
		}
		if sealedBy, _ := seal.KeyID(r.Private); sealedBy == string(wanted) {
			break
		}
		if !run.Pause(ctx, 10*time.Millisecond) {
			t.Fatal("is not sealed anew")
		}
	}
	if got := sealedPlane(t, etcd, ring(newer)).must(alice, "GET", "/apikeys/"+id+"?includeValue=true", "")["value"]; got != value {
		t.Errorf("value %v", got)
	}
}

// staged makes an API with a deployed stage and returns {api}:{stage}.
func (p *plane) staged(stage string) string {
	path := p.method(alice)
	p.must(alice, "POST", path+"/deployments", `{"stageName":"`+stage+`"}`)
	return strings.TrimPrefix(path, "/restapis/") + ":" + stage
}

func TestUsagePlan(t *testing.T) {
	p := newPlane(t)
	dev, prod := p.staged("dev"), p.staged("prod")
	api, _, _ := strings.Cut(dev, ":")
	stage := `{"apiId":"` + api + `","stage":"dev"`

	r := p.call(alice, "POST", "/usageplans", `{"name":"p","description":"","apiStages":[`+stage+`,"throttle":{"/pets/GET":{"rateLimit":-1,"burstLimit":2}}}],"quota":{"limit":5,"period":"DAY"}}`)
	if r.status != 201 {
		t.Fatal(r.text)
	}
	id := r.body["id"].(string)
	r.same(t, 201, `{"id":"`+id+`","name":"p","apiStages":[`+stage+`,"throttle":{"/pets/GET":{"rateLimit":-1.0,"burstLimit":2}}}],"quota":{"limit":5,"offset":0,"period":"DAY"}}`)
	one := "/usageplans/" + id
	for _, tt := range []struct {
		name            string
		r               reply
		status          int
		exception, text string
	}{
		{"unknown stage", p.call(alice, "POST", "/usageplans", `{"name":"p","apiStages":[{"apiId":"a","stage":""}]}`), 400, "BadRequestException", "Invalid API Stage specified"},
		{"half a quota", p.call(alice, "POST", "/usageplans", `{"name":"p","quota":{"limit":5}}`), 400, "BadRequestException", "Usage Plan quota must have a limit and a period"},
		{"no value", p.call(alice, "PATCH", one, `{"patchOperations":[{"op":"remove","path":"/apiStages"}]}`), 400, "BadRequestException", "Invalid API Stage specified"},
		{"remove absent", p.patch(one, "remove", "/apiStages", api+":x"), 404, "NotFoundException", "Invalid API Stage {api: " + api + ", stage: x} specified for usageplan " + id},
		{"add unknown", p.patch(one, "add", "/apiStages", api+":x"), 404, "NotFoundException", "Invalid API Stage {api: " + api + ", stage: x} specified for usageplan " + id},
		{"unknown plan", p.patch("/usageplans/nosuch", "replace", "/name", "x"), 404, "NotFoundException", "Invalid Usage Plan ID specified"},
		{"stages left", p.call(alice, "DELETE", one, ""), 400, "BadRequestException", "Cannot delete Usage Plan " + id + " because there are API Stages associated with it, including " + dev},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.r.want(t, tt.status, tt.exception, tt.text) })
	}
	// Terraform's raw path finds the created key, and the key's spelling stays.
	p.patch(one, "replace", "/apiStages/"+dev+"/throttle//pets/GET/rateLimit", "33.330000")
	p.patch(one, "add", "/apiStages", prod)
	p.patch(one, "remove", "/quota", "").same(t, 200, `{"id":"`+id+`","name":"p","tags":{},"apiStages":[`+stage+`,"throttle":{"/pets/GET":{"rateLimit":33.33,"burstLimit":2}}},{"apiId":"`+strings.TrimSuffix(prod, ":prod")+`","stage":"prod"}]}`)
	p.patch(one, "remove", "/apiStages", dev)
	p.patch(one, "remove", "/apiStages", prod)
	if r := p.call(alice, "DELETE", one, ""); r.status != 202 {
		t.Error(r.text)
	}
}

func TestUsagePlanKey(t *testing.T) {
	p := newPlane(t)
	dev := p.staged("dev")
	api, _, _ := strings.Cut(dev, ":")
	plan := func(stages string) string {
		return "/usageplans/" + p.must(alice, "POST", "/usageplans", `{"name":"p","apiStages":[`+stages+`]}`)["id"].(string)
	}
	one, other, bare := plan(`{"apiId":"`+api+`","stage":"dev"}`), plan(`{"apiId":"`+api+`","stage":"dev"}`), plan("")
	key := p.must(alice, "POST", "/apikeys", `{"name":"shop"}`)
	id, value := key["id"].(string), key["value"].(string)
	body := `{"keyId":"` + id + `","keyType":"API_KEY"}`
	shown := `{"id":"` + id + `","type":"API_KEY","value":"` + value + `","name":"shop"}`

	p.call(alice, "POST", one+"/keys", body).same(t, 201, shown)
	p.call(alice, "GET", one+"/keys/"+id, "").same(t, 200, shown)
	p.call(alice, "GET", one+"/keys?name=sh", "").same(t, 200, `{"item":[`+shown+`]}`)
	p.call(alice, "GET", one+"/keys?name=Sh", "").same(t, 200, `{"item":[]}`)
	p.call(alice, "GET", "/usageplans/nosuch/keys", "").same(t, 200, `{"item":[]}`)
	p.must(alice, "POST", bare+"/keys", body)

	planID := func(path string) string { return strings.TrimPrefix(path, "/usageplans/") }
	shared := "API Key " + id + " is already in Usage Plan " + planID(one) + " with the API Stage " + dev + ": a key can be in only one plan for a stage"
	for _, tt := range []struct {
		name            string
		r               reply
		status          int
		exception, text string
	}{
		{"twice", p.call(alice, "POST", one+"/keys", body), 409, "ConflictException", "API Key " + id + " is already in Usage Plan " + planID(one)},
		{"same stage", p.call(alice, "POST", other+"/keys", body), 409, "ConflictException", shared},
		{"stage added later", p.patch(bare, "add", "/apiStages", dev), 409, "ConflictException", shared},
		{"type", p.call(alice, "POST", other+"/keys", `{"keyId":"x","keyType":"OTHER"}`), 400, "BadRequestException", "Invalid key type specified. Valid options are API_KEY"},
		{"unknown key", p.call(alice, "POST", other+"/keys", `{"keyId":"x","keyType":"API_KEY"}`), 404, "NotFoundException", "Invalid API Key identifier specified"},
		{"unknown plan", p.call(alice, "POST", "/usageplans/nosuch/keys", body), 404, "NotFoundException", "Invalid Usage Plan ID specified"},
		{"not in the plan", p.call(alice, "GET", other+"/keys/"+id, ""), 404, "NotFoundException", "Invalid API Key identifier specified"},
	} {
		t.Run(tt.name, func(t *testing.T) { tt.r.want(t, tt.status, tt.exception, tt.text) })
	}
	if items := p.must(alice, "GET", "/usageplans?keyId="+id, "")["item"].([]any); len(items) != 2 {
		t.Errorf("plans of the key: %v", items)
	}
	if r := p.call(alice, "DELETE", bare, ""); r.status != 202 { // with its keys
		t.Error(r.text)
	}
	if r := p.call(alice, "DELETE", one+"/keys/"+id, ""); r.status != 202 {
		t.Error(r.text)
	}
	p.must(alice, "POST", other+"/keys", body)
	p.must(alice, "GET", "/apikeys/"+id, "")
	if r := p.call(alice, "DELETE", "/apikeys/"+id, ""); r.status != 202 {
		t.Error(r.text)
	}
	p.call(alice, "GET", other+"/keys", "").same(t, 200, `{"item":[]}`)
	wantNoSecret(t, p.etcd, id) // nothing of the key is left
}

func TestAccount(t *testing.T) {
	p := newPlane(t)
	const fresh = `{"throttleSettings":{"burstLimit":5000,"rateLimit":10000.0},"features":["UsagePlans"],"apiKeyVersion":"4"}`
	p.call(alice, "GET", "/account", "").same(t, 200, fresh)
	role := "arn:aws:iam::111111111111:role/logs"
	p.patch("/account", "replace", "/cloudwatchRoleArn", role).same(t, 200, `{"cloudwatchRoleArn":"`+role+`",`+fresh[1:])
	p.call(bob, "GET", "/account", "").same(t, 200, fresh)
	p.patch("/account", "replace", "/throttleSettings/rateLimit", "1").want(t, 400, "BadRequestException", "Invalid patch path /throttleSettings/rateLimit")
	p.patch("/account", "remove", "/features", "UsagePlans").want(t, 400, "BadRequestException", "Usage Plans cannot be disabled once enabled")
	p.call(alice, "PATCH", "/account", `{"patchOperations":[{"op":"replace","path":"/cloudwatchRoleArn"}]}`).same(t, 200, fresh)
}
