package roles

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"go.uber.org/goleak"

	"github.com/limen-gateway/limen/cli/sample"
	"github.com/limen-gateway/limen/platform/proxytest"
	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/settings"
	"github.com/limen-gateway/limen/platform/telemetry"
)

// TestMain is a sample function too: the function host starts its own program as `limen sample NAME`.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "sample" {
		if err := sample.Run(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// start runs the roles of a process in dir and returns its house and what ends it.
func start(t *testing.T, c Config, roles []role) (*house, func()) {
	t.Helper()
	c.Edge.DrainGrace, c.Admin.DrainGrace = cmp.Or(c.Edge.DrainGrace, 1), cmp.Or(c.Admin.DrainGrace, 1) // no load balancer looks
	settings.Defaults(&c)
	tel, err := telemetry.New(c.Telemetry, "limen-test", "0")
	if err != nil {
		t.Fatal(err)
	}
	c.Trust.Insecure = true
	h := newHouse(c, tel, nil)
	g := run.New(tel.Log, h.list(roles)...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	select {
	case <-g.Ready():
	case err := <-done:
		cancel()
		t.Fatal(err)
	}
	return h, func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// stores are the roles that keep data.
func stores() []role { return all()[:2] }

func TestStoresKeepTheirDataOverARestart(t *testing.T) {
	c := Config{DataDir: t.TempDir()}
	began := time.Now()
	h, stop := start(t, c, stores())
	t.Logf("first start: %v", time.Since(began))
	if _, err := h.etcd.Put(t.Context(), "/limen/x", "kept"); err != nil {
		t.Fatal(err)
	}
	js, err := h.nats.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateKeyValue(&nats.KeyValueConfig{Bucket: "b"}); err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue("b")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put("x", []byte("kept")); err != nil {
		t.Fatal(err)
	}
	began = time.Now()
	stop()
	t.Logf("stop: %v", time.Since(began))

	began = time.Now()
	h, stop = start(t, c, stores())
	defer stop()
	t.Logf("second start: %v", time.Since(began))
	got, err := h.etcd.Get(t.Context(), "/limen/x")
	if err != nil || got.Count != 1 || string(got.Kvs[0].Value) != "kept" {
		t.Errorf("etcd: %v, %v", got, err)
	}
	if js, err = h.nats.JetStream(); err != nil {
		t.Fatal(err)
	}
	if kv, err = js.KeyValue("b"); err != nil {
		t.Fatal(err)
	}
	if e, err := kv.Get("x"); err != nil || string(e.Value()) != "kept" {
		t.Errorf("nats: %v, %v", e, err)
	}
}

func TestNoSocketUnlessAsked(t *testing.T) {
	c := Config{DataDir: t.TempDir()}
	_, stop := start(t, c, stores())
	defer stop()
	err := filepath.WalkDir(c.DataDir, func(p string, d os.DirEntry, err error) error {
		if err == nil && d.Type()&os.ModeSocket != 0 {
			t.Errorf("socket %s", p)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestDevAnswersOnOnePort(t *testing.T) {
	c := Config{DataDir: t.TempDir(), Listen: "127.0.0.1:0"}
	settings.Defaults(&c)
	tel, err := telemetry.New(c.Telemetry, "limen-test", "0")
	if err != nil {
		t.Fatal(err)
	}
	dev, err := Dev(c, tel)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, n := range dev.Services {
		names = append(names, n.Name)
	}
	if got := strings.Join(names, " "); got+" entry" != "telemetry peers "+strings.Join(Names(), " ") {
		t.Errorf("services: %s", got)
	}
	g := run.New(nil, dev.Services...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	<-g.Ready()
	tel.Health.Started()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for path, want := range map[string]string{"/readyz": "200 ok", "/readyz/etcd": "200 ok", "/readyz/nope": "404 there is no check nope"} {
		resp, err := client.Get("http://" + dev.Address() + path)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if got := resp.Status[:3] + " " + strings.TrimSpace(string(body)); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestServerRefusesRolesItDoesNotHave(t *testing.T) {
	roles := strings.Join(Names(), ", ")
	tests := []struct {
		names []string
		want  string
	}{
		{[]string{"etcd", "egde"}, `there is no role "egde"; the roles are ` + roles},
		{nil, "no role is named; the roles are " + roles},
	}
	for _, tt := range tests {
		if _, err := Server(Config{}, nil, tt.names...); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%v: %v", tt.names, err)
		}
	}
}

// asker is a role that uses both stores.
func asker(t *testing.T, asked *bool) role {
	return role{name: "asker", needs: []string{"etcd", "nats"}, build: func(h *house) (run.Service, error) {
		if _, err := h.etcd.Put(t.Context(), "/limen/x", "1"); err != nil {
			return nil, err
		}
		if err := h.nats.FlushTimeout(time.Minute); err != nil {
			return nil, err
		}
		*asked = true
		return run.Func(func(ctx context.Context) error { <-ctx.Done(); return nil }), nil
	}}
}

func TestRolesDoNotAskWhereTheStoresAre(t *testing.T) {
	port := func() string { return proxytest.FreeAddress(t) }
	stores := Config{DataDir: t.TempDir(), Etcd: EtcdConfig{Listen: []string{"http://" + port()}}, NATS: NATSConfig{Listen: port()}}
	var near, far bool
	_, stop := start(t, stores, append(all()[:2:2], asker(t, &near)))
	defer stop()
	elsewhere := Config{Etcd: EtcdConfig{Endpoints: stores.Etcd.Listen}, NATS: NATSConfig{URL: "nats://" + stores.NATS.Listen}}
	_, stop2 := start(t, elsewhere, []role{asker(t, &far)})
	stop2()
	if !near || !far {
		t.Errorf("in the process %v, elsewhere %v", near, far)
	}
}

func TestStoresElsewhereMustBeNamed(t *testing.T) {
	tests := []struct {
		needs, want string
	}{
		{"etcd", "service etcd client: etcd.endpoints (LIMEN_ETCD_ENDPOINTS) must name etcd, since this process does not run it"},
		{"nats", "service nats client: nats.url (LIMEN_NATS_URL) must name NATS, since this process does not run it"},
	}
	for _, tt := range tests {
		tel, err := telemetry.New(telemetry.Config{}, "limen-test", "0")
		if err != nil {
			t.Fatal(err)
		}
		h := &house{telemetry: tel, peers: newPeers(nil)}
		err = run.New(nil, h.list([]role{{name: "x", needs: []string{tt.needs}}})...).Run(t.Context())
		if err == nil || err.Error() != tt.want {
			t.Errorf("error %v, want %s", err, tt.want)
		}
	}
}

func TestSettings(t *testing.T) {
	var c Config
	_, err := settings.Load(&c, settings.Sources{Environ: []string{
		"LIMEN_ETCD_QUOTA_BYTES=1", "LIMEN_ETCD_KEEP=1s", "LIMEN_ETCD_LISTEN=here", "LIMEN_NATS_LISTEN=here", "LIMEN_NATS_MAX_BYTES=-1", "LIMEN_ACCOUNTS=1",
	}})
	want := `environment LIMEN_ETCD_QUOTA_BYTES: etcd.quota_bytes must be at least 16 MiB, not 1
environment LIMEN_ETCD_KEEP: etcd.keep must be at least 1m, not 1s
environment LIMEN_ETCD_LISTEN: etcd.listen must be URLs such as http://0.0.0.0:2379, not "here"
environment LIMEN_NATS_LISTEN: nats.listen must be host:port, not "here"
environment LIMEN_NATS_MAX_BYTES: nats.max_bytes must not be negative
environment LIMEN_ACCOUNTS: accounts must be 12 digits each, not "1"`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestClusterNeedsRootKeys(t *testing.T) {
	if _, _, err := RootKeys(Config{}, false); err == nil || !strings.Contains(err.Error(), "LIMEN_ROOT_ACCESS_KEY_FILE") {
		t.Errorf("error %v", err)
	}
	dir := t.TempDir()
	keys, path, err := RootKeys(Config{DataDir: dir}, true)
	if err != nil || len(keys) != 2 || path != filepath.Join(dir, "root-keys") {
		t.Errorf("%v %s %v", keys, path, err)
	}
	again, _, err := RootKeys(Config{RootKeyFile: path}, false)
	if err != nil || again[0] != keys[0] {
		t.Errorf("%v, %v", again, err)
	}
}

// BenchmarkDurableWrite tells what a write costs that survives a power cut.
func BenchmarkDurableWrite(b *testing.B) {
	c := Config{DataDir: b.TempDir()}
	settings.Defaults(&c)
	tel, err := telemetry.New(telemetry.Config{LogLevel: "error"}, "limen-test", "0")
	if err != nil {
		b.Fatal(err)
	}
	c.Trust.Insecure = true
	h := newHouse(c, tel, nil)
	g := run.New(nil, h.list(all()[:2])...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	<-g.Ready()
	b.Run("etcd", func(b *testing.B) {
		for b.Loop() {
			if _, err := h.etcd.Put(ctx, "/limen/x", "value"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("nats", func(b *testing.B) {
		js, err := h.nats.JetStream()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := js.AddStream(&nats.StreamConfig{Name: b.Name()[len("BenchmarkDurableWrite/"):], Subjects: []string{"s"}}); err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := js.Publish("s", []byte("value")); err != nil {
				b.Fatal(err)
			}
		}
	})
	cancel()
	if err := <-done; err != nil {
		b.Error(err)
	}
}
