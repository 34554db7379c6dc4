package trust

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func authority(t *testing.T) *Authority {
	t.Helper()
	a, err := NewAuthority(filepath.Join(t.TempDir(), "ca"), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func issue(t *testing.T, a *Authority, dir string, r Request) {
	t.Helper()
	if err := a.Issue(dir, r, time.Now()); err != nil {
		t.Fatal(err)
	}
}

func files(dir string) Config {
	return Config{CAFile: filepath.Join(dir, CAFile), CertFile: filepath.Join(dir, CertFile), KeyFile: filepath.Join(dir, KeyFile)}
}

func identity(t *testing.T, a *Authority, role string) (*Identity, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), role)
	issue(t, a, dir, Request{Role: role})
	i, err := Open(files(dir), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return i, dir
}

// meet lets a client and a server shake hands and returns what each of them says of it.
func meet(t *testing.T, client, server *tls.Config) (atClient, atServer error) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			served <- err
			return
		}
		defer c.Close()
		s := tls.Server(c, server)
		err = s.Handshake()
		if err == nil {
			_, err = s.Write([]byte("x"))
		}
		served <- err
	}()
	c, err := tls.Dial("tcp", l.Addr().String(), client)
	if err == nil {
		// With TLS 1.3 a client learns with its first read that the server refused it.
		_, err = c.Read(make([]byte, 1))
		_ = c.Close()
	}
	return err, <-served
}

func TestOnlyTheRightRolesMeet(t *testing.T) {
	a := authority(t)
	edge, _ := identity(t, a, "edge")
	authz, _ := identity(t, a, "authz")
	stranger, _ := identity(t, authority(t), "edge")
	tests := []struct {
		name           string
		client, server *tls.Config
		want           string // a part of either side's error; empty when they meet
	}{
		{"both roles as asked", edge.Client("authz"), authz.Server("edge"), ""},
		{"a server that takes every role", edge.Client("authz"), authz.Server(), ""},
		{"the server is of another role", edge.Client("cache"), authz.Server(), ErrRole.Error()},
		{"the client is of another role", edge.Client("authz"), authz.Server("admin"), ErrRole.Error()},
		{"the client is of another cluster", stranger.Client("authz"), authz.Server(), "unknown authority"},
		{"the server is of another cluster", authz.Client("edge"), stranger.Server(), "unknown authority"},
		{"the client has no certificate", &tls.Config{InsecureSkipVerify: true}, authz.Server(), "certificate"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			atClient, atServer := meet(t, tt.client, tt.server)
			err := errors.Join(atClient, atServer)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("client: %v; server: %v; want %q", atClient, atServer, tt.want)
			}
		})
	}
}

func TestACertificateThatIsOverIsRefused(t *testing.T) {
	a := authority(t)
	edge, _ := identity(t, a, "edge")
	dir := t.TempDir()
	if err := a.Issue(dir, Request{Role: "authz", Lifetime: time.Hour}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	old, err := Open(files(dir), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err, _ := meet(t, edge.Client("authz"), old.Server()); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("the server's: %v", err)
	}
	if _, err := meet(t, old.Client("edge"), edge.Server()); err == nil || !strings.Contains(err.Error(), "expired") {
		t.Errorf("the client's: %v", err)
	}
}

// look makes the next use of an identity read the files.
func look(i *Identity) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.looked = time.Time{}
}

func TestFilesAreReadAgain(t *testing.T) {
	a := authority(t)
	i, dir := identity(t, a, "edge")
	issue(t, a, dir, Request{Role: "edge", Lifetime: time.Hour})
	look(i)
	if until := time.Until(i.Expires()); until > time.Hour {
		t.Errorf("the old certificate is used: %v left", until)
	}
	if err := os.WriteFile(filepath.Join(dir, CertFile), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	i.log = slog.New(slog.NewTextHandler(&log, nil))
	look(i)
	if i.Role() != "edge" || !strings.Contains(log.String(), "the last good ones stay") {
		t.Errorf("role %q after a broken file; log: %s", i.Role(), log.String())
	}
}

func TestOneAuthorityFollowsAnother(t *testing.T) {
	before, after := authority(t), authority(t)
	authz, dir := identity(t, before, "authz")
	edge, _ := identity(t, after, "edge")
	server, client := authz.Server(), edge.Client("authz") // made before the change: they serve after it
	if _, err := meet(t, client, server); err == nil {
		t.Fatal("another authority is believed")
	}
	issue(t, after, dir, Request{Role: "authz"})
	look(authz)
	if err := errors.Join(meet(t, client, server)); err != nil {
		t.Error(err)
	}
}

func TestAuthorityIsKept(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "ca")
	if _, err := NewAuthority(dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := NewAuthority(dir, time.Now()); !errors.Is(err, fs.ErrExist) {
		t.Errorf("a second CA in its place: %v", err)
	}
	a, err := OpenAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	i, of := identity(t, a, "etcd")
	if i.Role() != "etcd" {
		t.Errorf("role %q", i.Role())
	}
	issue(t, a, of, Request{Role: "etcd", Names: []string{"etcd1", "10.0.0.1"}})
	look(i)
	leaf := i.credentials().certificate.Leaf
	if leaf.Subject.CommonName != "etcd" || leaf.VerifyHostname("etcd1") != nil || leaf.VerifyHostname("10.0.0.1") != nil {
		t.Errorf("certificate for %v", leaf.Subject)
	}
	for _, name := range []string{KeyFile, CertFile} {
		if info, err := os.Stat(filepath.Join(of, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	a := authority(t)
	good := t.TempDir()
	issue(t, a, good, Request{Role: "edge"})
	broken := files(good)
	broken.CAFile = broken.KeyFile
	missing := files(good)
	missing.CAFile += "x"
	half := files(good)
	half.KeyFile = ""
	both := files(good)
	both.Insecure = true
	for want, c := range map[string]Config{
		"holds no certificate":     broken,
		"no such file":             missing,
		"together with":            half,
		"together with certificat": both,
	} {
		if i, err := Open(c, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %s", i, err, want)
		}
	}
	if i, err := Open(Config{}, nil); i != nil || err != nil {
		t.Errorf("no files: %v, %v", i, err)
	}
	if role := RoleOf(&x509.Certificate{}); role != "" {
		t.Errorf("role %q", role)
	}
}

func TestAuthorityRefuses(t *testing.T) {
	if err := authority(t).Issue(t.TempDir(), Request{}, time.Now()); err == nil {
		t.Error("a certificate without a role")
	}
	dir := filepath.Join(t.TempDir(), "ca")
	if _, err := OpenAuthority(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := NewAuthority(dir, time.Now()); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "ca")
	if _, err := NewAuthority(other, time.Now()); err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(other, caKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	for want, text := range map[string][]byte{"is not PEM": nil, "is not the key of": key, "asn1": []byte("-----BEGIN X-----\n-----END X-----\n")} {
		if err := os.WriteFile(filepath.Join(dir, caKeyFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenAuthority(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
