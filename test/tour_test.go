package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limen-gateway/limen/test/harness"
)

// TestReadmeTour runs the commands of the README's tour with the AWS CLI, as they stand there.
func TestReadmeTour(t *testing.T) {
	if _, err := exec.LookPath("aws"); err != nil {
		t.Skip("the AWS CLI is not on this machine")
	}
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(readme), "```sh\n")
	block, _, found := strings.Cut(rest, "```")
	if !found || !strings.Contains(block, "create-rest-api") {
		t.Fatal("the README has no tour")
	}
	explain := `bin/limen explain $(curl -si "$AWS_ENDPOINT_URL/_aws/execute-api/$API/prod/nope" | tr -d '\r' | sed -n 's/^x-amzn-RequestId: //p')`
	script := "shopt -s expand_aliases\nset -eu\n" + strings.ReplaceAll(block, "bin/limen explain REQUEST_ID", explain)

	l := harness.Start(t, harness.Options{})
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("bash")
	cmd.Dir = root
	cmd.Stdin = strings.NewReader(script)
	cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+l.URL, "AWS_ACCESS_KEY_ID="+l.Keys[0].AccessKeyID,
		"AWS_SECRET_ACCESS_KEY="+l.Keys[0].SecretAccessKey, "AWS_DEFAULT_REGION="+l.Region, "AWS_PAGER=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{`"message":"Hello, you!"`, `{"message":"Missing Authentication Token"}`, "Wrong path: "} {
		if !strings.Contains(string(out), want) {
			t.Errorf("the tour did not show %s:\n%s", want, out)
		}
	}
}
