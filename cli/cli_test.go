package cli

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/limen-gateway/limen/cli/sample"
	"github.com/limen-gateway/limen/platform/rootkeys"
	"github.com/limen-gateway/limen/platform/token"
)

// limen runs a command line and returns what it printed.
func limen(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := New()
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestVersion(t *testing.T) {
	out, err := limen(t, "version")
	if err != nil || !strings.HasPrefix(out, "limen "+Version+" go") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestTokenIsSignedByTheKeyOfTheEnvironment(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAAAAAAAAAAAAAAAAA")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secretsecretsecret")
	out, err := limen(t, "token", "--lifetime", "1h")
	if err != nil {
		t.Fatal(err)
	}
	claims, err := token.Verify(strings.TrimSpace(out), func(string) (string, bool) { return "secretsecretsecret", true }, time.Now())
	if err != nil || claims.AccessKeyID != "AKIAAAAAAAAAAAAAAAAA" || claims.ExpiresAt.Sub(claims.IssuedAt) != time.Hour {
		t.Errorf("%v, %v", claims, err)
	}
}

func TestTokenTakesARootKey(t *testing.T) {
	dir := t.TempDir()
	keys, err := rootkeys.LoadOrCreate(filepath.Join(dir, "root-keys"), "111111111111", "222222222222")
	if err != nil {
		t.Fatal(err)
	}
	for account, want := range map[string]rootkeys.Key{"": keys[0], "222222222222": keys[1]} {
		out, err := limen(t, "token", "--data-dir", dir, "--account", account)
		if err != nil {
			t.Fatal(err)
		}
		secretOf := func(id string) (string, bool) { return want.SecretAccessKey, id == want.AccessKeyID }
		if _, err := token.Verify(strings.TrimSpace(out), secretOf, time.Now()); err != nil {
			t.Errorf("account %q: %v", account, err)
		}
	}
}

func TestTokenProblems(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	dir := t.TempDir()
	if _, err := rootkeys.LoadOrCreate(filepath.Join(dir, "root-keys"), "111111111111"); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		args []string
		want string
	}{
		{nil, "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set, or --data-dir given"},
		{[]string{"--data-dir", dir, "--account", "333333333333"}, `flag --account: there is no root key for account "333333333333"`},
		{[]string{"--data-dir", dir, "--lifetime", "24h"}, "flag --lifetime: token lives longer than 12h0m0s, or not at all"},
	}
	for _, tt := range tests {
		if _, err := limen(t, append([]string{"token"}, tt.args...)...); err == nil || err.Error() != tt.want {
			t.Errorf("%v: %v, want %s", tt.args, err, tt.want)
		}
	}
}

func TestHealth(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/readyz/edge" {
			http.Error(w, "no configuration yet", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	}))
	defer server.Close()
	address := strings.TrimPrefix(server.URL, "http://")
	if out, err := limen(t, "health", "--address", address); err != nil || out != "ok\n" {
		t.Errorf("%q, %v", out, err)
	}
	_, err := limen(t, "health", "edge", "--address", address)
	if err == nil || err.Error() != "503 Service Unavailable: no configuration yet" {
		t.Errorf("error %v", err)
	}
	server.Close()
	if _, err := limen(t, "health", "--address", address); err == nil {
		t.Error("nobody listens, and that is healthy")
	}
}

func TestSettingsFlags(t *testing.T) {
	type config struct {
		DataDir string `yaml:"data_dir"`
		Region  string `yaml:"region"`
		Keep    string `yaml:"keep"`
		Quota   int    `yaml:"quota"`
	}
	file := filepath.Join(t.TempDir(), "limen.yaml")
	if err := os.WriteFile(file, []byte("data_dir: file\nregion: file\nkeep: file\nquota: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LIMEN_CONFIG", file)
	t.Setenv("LIMEN_REGION", "environment")
	var got config
	var unknown []string
	c := &cobra.Command{Use: "x", Args: cobra.NoArgs}
	load := SettingsFlags(c, Shortcut{"data-dir", "data_dir", "help"}, Shortcut{"region", "region", "help"})
	c.RunE = func(*cobra.Command, []string) error {
		got = config{}
		l, err := load(&got)
		if err == nil {
			unknown = l.Unknown()
		}
		return err
	}
	root := New(c)
	root.SetArgs([]string{"x", "--data-dir", "flag", "--set", "keep=set"})
	if err := root.Execute(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config{"flag", "environment", "set", 1}, got); diff != "" {
		t.Error(diff)
	}
	if len(unknown) > 0 {
		t.Errorf("unknown: %v", unknown)
	}
	root.SetArgs([]string{"x", "--set", "keep"})
	if err := root.Execute(); err == nil || err.Error() != `flag --set: must be name=value, not "keep"` {
		t.Errorf("error %v", err)
	}
}

func TestSample(t *testing.T) {
	t.Setenv("AWS_LAMBDA_RUNTIME_API", "")
	if _, err := limen(t, "sample", "hello"); !errors.Is(err, sample.ErrNoRuntime) {
		t.Errorf("error %v", err)
	}
	if _, err := limen(t, "sample", "nope"); err == nil || !strings.Contains(err.Error(), `invalid argument "nope"`) {
		t.Errorf("error %v", err)
	}
}
