package admin_test

import (
	"strings"
	"testing"
)

func TestStageCache(t *testing.T) {
	p := newPlane(t)
	path := p.method(alice)
	p.must(alice, "POST", path+"/deployments", `{"stageName":"prod"}`)
	stage := path + "/stages/prod"
	tests := []struct {
		path, value  string
		status, size any
	}{
		{"/cacheClusterEnabled", "true", "AVAILABLE", "0.5"},
		{"/cacheClusterSize", "6.1", "AVAILABLE", "6.1"},
		{"/cacheClusterEnabled", "false", "NOT_AVAILABLE", "6.1"},
	}
	for _, tt := range tests {
		r := p.patch(stage, "replace", tt.path, tt.value)
		if r.status != 200 || r.body["cacheClusterStatus"] != tt.status || r.body["cacheClusterSize"] != tt.size {
			t.Errorf("%s %s: %d %s", tt.path, tt.value, r.status, r.text)
		}
		if r.header.Get("x-limen-warning") != "" {
			t.Errorf("%s %s warns: %v", tt.path, tt.value, r.header.Values("x-limen-warning"))
		}
	}
	if r := p.call(alice, "DELETE", stage+"/cache/data", ""); r.status != 202 || r.text != "" || r.header.Get("x-limen-revision") == "" {
		t.Errorf("flush: %d %q %v", r.status, r.text, r.header)
	}
	p.call(alice, "DELETE", path+"/stages/none/cache/data", "").want(t, 404, "NotFoundException", "Invalid stage identifier specified")
	p.call(bob, "DELETE", stage+"/cache/data", "").want(t, 404, "NotFoundException", "Invalid API identifier specified 222222222222:"+strings.TrimPrefix(path, "/restapis/"))
}
