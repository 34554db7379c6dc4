package cli

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func clusterSecrets(dir string) *secrets {
	return &secrets{
		ca: filepath.Join(dir, "ca"), dir: filepath.Join(dir, "secrets"), roles: []string{"etcd", "admin", "authz", "edge"},
		accounts: []string{"111111111111"}, names: map[string]string{"etcd": "etcd1/etcd2"},
	}
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(p)
		rel, _ := filepath.Rel(dir, p)
		out[rel] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestClusterInitGivesEachRoleWhatItNeeds(t *testing.T) {
	dir := t.TempDir()
	s := clusterSecrets(dir)
	if err := s.make(io.Discard, time.Now()); err != nil {
		t.Fatal(err)
	}
	made := contents(t, dir)
	for _, name := range []string{
		"ca/ca.pem", "ca/ca-key.pem", "secrets/etcd/cert.pem", "secrets/edge/key.pem", "secrets/edge/ca.pem",
		"secrets/admin/root-keys", "secrets/admin/master-key", "secrets/authz/root-keys",
	} {
		if made[name] == "" {
			t.Errorf("%s is missing", name)
		}
	}
	for name, text := range made {
		role, secret, _ := strings.Cut(strings.TrimPrefix(name, "secrets/"), "/")
		if role == "edge" && (secret == "root-keys" || secret == "master-key") {
			t.Errorf("edges get %s", secret)
		}
		if strings.HasPrefix(name, "secrets/") && strings.Contains(text, made["ca/ca-key.pem"]) {
			t.Errorf("%s holds the key of the CA", name)
		}
	}
	block, _ := pem.Decode([]byte(made["secrets/etcd/cert.pem"]))
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil || c.VerifyHostname("etcd2") != nil {
		t.Errorf("certificate of etcd: %v, names %v", err, c.DNSNames)
	}
}

func TestClusterInitKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	s := clusterSecrets(dir)
	now := time.Now()
	if err := s.make(io.Discard, now); err != nil {
		t.Fatal(err)
	}
	first := contents(t, dir)
	if err := s.make(io.Discard, now.AddDate(0, 6, 0)); err != nil {
		t.Fatal(err)
	}
	for name, text := range contents(t, dir) {
		if text != first[name] {
			t.Errorf("%s has changed after half a year", name)
		}
	}
	if err := s.make(io.Discard, now.AddDate(0, 9, 0)); err != nil {
		t.Fatal(err)
	}
	for name, text := range contents(t, dir) {
		certificate := strings.HasPrefix(name, "secrets/") && (strings.HasSuffix(name, "cert.pem") || strings.HasSuffix(name, "key.pem"))
		if changed := text != first[name]; changed != certificate {
			t.Errorf("%s after nine months: changed %t", name, changed)
		}
	}
}

func TestClusterKeysPrintsTheEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "root-keys")
	if err := os.WriteFile(file, []byte("111111111111 AKIAIOSFODNN7EXAMPLE wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYxx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := New()
	var out strings.Builder
	c.SetOut(&out)
	c.SetArgs([]string{"cluster", "keys", "--file", file, "--endpoint", "http://x:1"})
	if err := c.Execute(); err != nil {
		t.Fatal(err)
	}
	want := "export AWS_ENDPOINT_URL=http://x:1 AWS_DEFAULT_REGION=us-east-1\nexport AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYxx\n"
	if out.String() != want {
		t.Errorf("%s\nwant %s", out.String(), want)
	}
}
