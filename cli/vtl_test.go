package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestVTLRun(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"t.vtl": `#set($name = $input.path('$.name'))
#if($name == "Ann")Hi $name from $context.identity.sourceIp, $stageVariables.v $input.params('q') $input.params('p') $input.params('H')#end
#foreach($i in $input.path('$.list'))$i#end
#set($context.requestOverride.header.X = "y")#set($context.responseOverride.status = 201)`,
		"in.json":    `{"body":{"name":"Bob","list":[1,2]},"path":{"p":"P"},"headers":{"H":["a","b"]},"context":{"identity":{"sourceIp":"192.0.2.9"}}}`,
		"broken.vtl": "a\n#if(",
	})
	out, err := limen(t, "vtl", "run", filepath.Join(dir, "t.vtl"), "--input", filepath.Join(dir, "in.json"), "--body", `{"name":"Ann","list":[3]}`,
		"--query", "q=Q", "--stage-variable", "v=1", "--context", "identity.sourceIp=192.0.2.1", "--trace")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Hi Ann from 192.0.2.1, 1 Q P b", "1:1 #set $name = \"Ann\"", "2:1 #if: branch 1 was taken", "3:1 #foreach $i in [3]: 1 times",
		"override: request header X = y", "override: response status = 201", "$context.identity.sourceIp is \"192.0.2.1\"",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	_, err = limen(t, "vtl", "run", filepath.Join(dir, "broken.vtl"))
	if err == nil || !strings.Contains(err.Error(), "broken.vtl: ") || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("%v", err)
	}
	if _, err = limen(t, "vtl", "run", filepath.Join(dir, "t.vtl"), "--query", "q"); err == nil || err.Error() != `flag --query: must be name=value, not "q"` {
		t.Errorf("%v", err)
	}
}

func TestVTLTest(t *testing.T) {
	dir := t.TempDir()
	if _, err := limen(t, "vtl", "test", dir); err == nil {
		t.Error("a folder without a case passes")
	}
	write(t, dir, map[string]string{
		"a.vtl": "$input.body", "a.input.json": `{"body":"text"}`, "a.expected": "text\n",
		"b.vtl": "x$context.authorizer.claims.sub$context.authorizer.n", "b.input.json": `{"context":{"authorizer":{"n":1,"claims":{"sub":"s"}}}}`, "b.expected": "xs1",
	})
	if out, err := limen(t, "vtl", "test", dir); err != nil || out != "vtl: 2 passed, 0 failed\n" {
		t.Errorf("%q %v", out, err)
	}
	write(t, dir, map[string]string{
		"c.vtl": "one\ntwo", "c.expected": "one\n2", "d.vtl": "x", "e.vtl": "x", "e.input.json": `{"bdy":1}`, "e.expected": "x", "f.vtl": "1", "f.expected": "1\n2",
	})
	out, err := limen(t, "vtl", "test", dir)
	if err == nil || err.Error() != "4 of 6 templates failed" {
		t.Errorf("%v", err)
	}
	for _, want := range []string{`c.vtl: line 2 is "two", want "2"`, "d.vtl: open ", `e.vtl: e.input.json: json: unknown field "bdy"`, `f.vtl: line 2 is missing: "2"`, "vtl: 2 passed, 4 failed"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestJSONPath(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"d.json": `{"a":[{"b":1.0},{"b":"x"}]}`, "bad.json": "{"})
	for _, tt := range []struct{ path, file, out, err string }{
		{"$.a[*].b", "d.json", "[1.0,\"x\"]\n", ""},
		{"$.a[0]", "d.json", "{\"b\":1.0}\n", ""},
		{"$.c", "d.json", "", "path not found"},
		{"$[", "d.json", "", "path: "},
		{"$", "bad.json", "", "document: "},
	} {
		out, err := limen(t, "jsonpath", tt.path, filepath.Join(dir, tt.file))
		if out != tt.out || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s of %s: %q, %v", tt.path, tt.file, out, err)
		}
	}
}

func TestPolicyExplain(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{
		"p.json":   `{"Version":"2012-10-17","Statement":[{"Sid":"office","Effect":"Allow","Principal":"*","Action":"execute-api:Invoke","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}}]}`,
		"bad.json": `{"Statement":[{}]}`,
	})
	const resource = "arn:aws:execute-api:us-east-1:111111111111:a1/prod/GET/pets"
	out, err := limen(t, "policy", "explain", filepath.Join(dir, "p.json"), "--resource", resource, "--context", "aws:SourceIp=192.0.2.7")
	if err != nil || !strings.Contains(out, "office") {
		t.Errorf("%q %v", out, err)
	}
	out, err = limen(t, "policy", "explain", filepath.Join(dir, "p.json"), "--resource", resource, "--context", "aws:SourceIp=198.51.100.7")
	if err != errDenied || !strings.Contains(out, "198.51.100.7") {
		t.Errorf("%q %v", out, err)
	}
	if _, err = limen(t, "policy", "explain", filepath.Join(dir, "bad.json"), "--resource", resource); err == nil || !strings.Contains(err.Error(), "bad.json: ") {
		t.Errorf("%v", err)
	}
}
