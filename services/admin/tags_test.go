package admin_test

import (
	"net/url"
	"strings"
	"testing"
)

func TestTags(t *testing.T) {
	p := newPlane(t)
	api, _, _ := strings.Cut(p.staged("dev"), ":")
	key := p.must(alice, "POST", "/apikeys", `{"value":"0123456789012345678901"}`)["id"].(string)
	plan := p.must(alice, "POST", "/usageplans", `{"name":"p"}`)["id"].(string)
	target := func(path string) string { return "/tags/" + url.PathEscape("arn:aws:apigateway:us-east-1::/"+path) }
	for name, path := range map[string]string{"RestApi": "restapis/" + api, "Stage": "restapis/" + api + "/stages/dev", "ApiKey": "apikeys/" + key, "UsagePlan": "usageplans/" + plan} {
		t.Run(name, func(t *testing.T) {
			p.call(alice, "GET", target(path), "").same(t, 200, `{"tags":{}}`)
			if r := p.call(alice, "PUT", target(path), `{"tags":{"a":"1","b":"2","c":"3"}}`); r.status != 204 || r.text != "" {
				t.Errorf("%d %s", r.status, r.text)
			}
			p.call(alice, "PUT", target(path), `{"tags":{"a":"9","aws:x":"1"}}`).want(t, 400, "BadRequestException", "Invalid tag key 'aws:x': keys that begin with aws: are reserved")
			p.call(alice, "DELETE", target(path)+"?tagKeys=b,c&tagKeys=none", "")
			p.call(alice, "GET", target(path), "").same(t, 200, `{"tags":{"a":"1"}}`)
			if got := p.must(alice, "GET", "/"+path, "")["tags"]; got == nil {
				t.Error("the thing does not show its tag")
			}
			r := p.call(bob, "GET", target(path), "")
			if r.status != 404 {
				t.Errorf("another account: %d %s", r.status, r.text)
			}
		})
	}
	if got := p.must(alice, "GET", "/apikeys/"+key+"?includeValue=true", "")["value"]; got != "0123456789012345678901" {
		t.Errorf("tagging loses the value: %v", got)
	}
	for _, path := range []string{"vpclinks/x", "usageplans/x/stages/y", "restapis/a/b"} {
		p.call(alice, "GET", target(path), "").want(t, 400, "BadRequestException", "Invalid ARN specified in the request")
	}
	p.call(alice, "GET", strings.Replace(target("apikeys/"+key), "us-east-1", "eu-west-1", 1), "").want(t, 400, "BadRequestException", "Invalid ARN specified in the request")
}
