package routing

import "testing"

func TestHostAPI(t *testing.T) {
	tests := []struct {
		host, api string
		ok        bool
	}{
		{"a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com", "a1b2c3d4e5", true},
		{"a1b2c3d4e5.execute-api.cn-north-1.amazonaws.com.cn", "a1b2c3d4e5", true},
		{"a1b2c3d4e5.execute-api.localhost:4566", "a1b2c3d4e5", true},
		{"a1b2c3d4e5.Execute-API.us-east-1.localhost", "a1b2c3d4e5", true},
		{"a1b2c3d4e5.execute-api.us-east-1.gw.local", "a1b2c3d4e5", true},
		{"a1b2c3d4e5-vpce-0123.execute-api.us-east-1.amazonaws.com", "a1b2c3d4e5", true},
		{"a1b2c3d4e5.execute-api.us-east-1.evil.example", "", false},
		{"x.y.execute-api.us-east-1.amazonaws.com", "", false},
		{".execute-api.localhost", "", false},
		{"execute-api.localhost", "", false},
		{"api.execute-api.us-east-1", "", false},
		{"localhost:4566", "", false},
		{"[::1]:80", "", false},
		{"", "", false},
	}
	for _, tt := range tests {
		if api, ok := HostAPI(tt.host, []string{"gw.local"}); api != tt.api || ok != tt.ok {
			t.Errorf("%q: %q %v, want %q %v", tt.host, api, ok, tt.api, tt.ok)
		}
	}
}

func TestStripPort(t *testing.T) {
	for host, want := range map[string]string{"a:1": "a", "a": "a", "[::1]:80": "[::1]", "[::1]": "[::1]", "::1": "::1", "": ""} {
		if got := StripPort(host); got != want {
			t.Errorf("%q: %q, want %q", host, got, want)
		}
	}
}

func TestPathTarget(t *testing.T) {
	tests := []struct {
		path string
		want Target
		ok   bool
	}{
		{"/_aws/execute-api/abc/prod/pets/1", Target{AWSPathForm, "abc", "prod", "/pets/1", "/prod/pets/1"}, true},
		{"/_aws/execute-api/abc/prod", Target{AWSPathForm, "abc", "prod", "/", "/prod"}, true},
		{"/_aws/execute-api/abc/prod/", Target{AWSPathForm, "abc", "prod", "/", "/prod/"}, true},
		{"/_aws/execute-api/abc", Target{AWSPathForm, "abc", "", "/", "/"}, true},
		{"/_aws/execute-api//prod", Target{AWSPathForm, "", "prod", "/", "/prod"}, false},
		{"/restapis/abc/prod/_user_request_/a//b/", Target{RestAPIsForm, "abc", "prod", "/a//b/", "/prod/a//b/"}, true},
		{"/restapis/abc/prod/_user_request_", Target{RestAPIsForm, "abc", "prod", "/", "/prod/"}, true},
		{"/restapis/abc/prod/_user_request_x", Target{}, false},
		{"/restapis/abc/stages/prod", Target{}, false},
		{"/restapis", Target{}, false},
		{"/prod/pets", Target{}, false},
	}
	for _, tt := range tests {
		got, ok := PathTarget(tt.path)
		if ok != tt.ok || ok && (got.API != tt.want.API || got.Stage != tt.want.Stage || got.Path != tt.want.Path || got.Form != tt.want.Form) {
			t.Errorf("%q: %+v %v, want %+v %v", tt.path, got, ok, tt.want, tt.ok)
		}
		if ok && got.ContextPath() != tt.want.full {
			t.Errorf("%q: context path %q, want %q", tt.path, got.ContextPath(), tt.want.full)
		}
	}
}

func TestStageTarget(t *testing.T) {
	for path, want := range map[string][2]string{
		"/": {"", "/"}, "": {"", "/"}, "/prod": {"prod", "/"}, "/prod/": {"prod", "/"}, "/prod//x": {"prod", "//x"}, "//x": {"", "/x"}, "*": {"", "/"},
	} {
		if got := StageTarget(HostForm, "a", path); got.Stage != want[0] || got.Path != want[1] {
			t.Errorf("%q: %+v", path, got)
		}
	}
}
