// Package test holds the black-box tests of limen: they run the real binary and know nothing of its code.
package test

import (
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/limen-gateway/limen/test/harness"
)

// residentLimit is what an idle limen may hold. How soon it is ready, the bench measures.
const residentLimit = 80 << 20

func TestDevIsSmall(t *testing.T) {
	l := harness.Start(t, harness.Options{})
	t.Logf("ready after %v, %d MB resident", l.ReadyAfter, l.Resident()>>20)
	if r := l.Resident(); r > residentLimit {
		t.Errorf("%d MB resident, at most %d", r>>20, residentLimit>>20)
	}
	if status, body := l.Get("/readyz"); status != 200 || body != "ok\n" {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if len(l.Keys) != 2 || l.Keys[0].Account != "111111111111" || l.Keys[1].Account != "222222222222" {
		t.Errorf("root keys: %v", l.Keys)
	}
	info, err := os.Stat(filepath.Join(l.DataDir, "root-keys"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("root keys: %v, %v", info.Mode(), err)
	}
	for _, want := range []string{
		"AWS_ENDPOINT_URL=" + l.URL, "AWS_ACCESS_KEY_ID=" + l.Keys[0].AccessKeyID,
		"AWS_SECRET_ACCESS_KEY=" + l.Keys[0].SecretAccessKey, "AWS_DEFAULT_REGION=us-east-1",
	} {
		if !strings.Contains(l.Log(), want+"\n") {
			t.Errorf("%s is not printed", want)
		}
	}
}

func TestDevStopsOnASignal(t *testing.T) {
	for _, s := range []os.Signal{syscall.SIGTERM, os.Interrupt} {
		l := harness.Start(t, harness.Options{})
		l.Signal(s)
		if code := l.Wait(); code != 0 {
			t.Errorf("%v: exit code %d", s, code)
		}
		if strings.Contains(l.Log(), "level=ERROR") || strings.Contains(l.Log(), "level=WARN") {
			t.Errorf("%v: it complains:\n%s", s, l.Log())
		}
	}
}

// TestDevSurvivesKills kills limen at random moments of its life, most of them while it starts, and starts it again with
// the same data.
func TestDevSurvivesKills(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	l := harness.Start(t, harness.Options{})
	keys, url := l.Keys, l.URL
	l.Kill()
	for range 15 {
		l.Launch()
		time.Sleep(time.Duration(random.IntN(150)) * time.Millisecond) // the moment of the kill
		l.Kill()
	}
	var slowest time.Duration
	for range 5 {
		l.Restart()
		slowest = max(slowest, l.ReadyAfter)
		l.Kill()
	}
	l.Restart()
	t.Logf("slowest restart after a kill: %v", slowest)
	if diff := cmp.Diff(keys, l.Keys); diff != "" {
		t.Errorf("other root keys than before: %s", diff)
	}
	if l.URL != url {
		t.Errorf("other address than before: %s, %s", l.URL, url)
	}
	if status, body := l.Get("/readyz"); status != 200 {
		t.Errorf("/readyz: %d %s", status, body)
	}
	if code := l.Stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// TestDevIsKilledAtFirstStart: whatever a killed first start leaves behind, the next one makes something of it.
func TestDevIsKilledAtFirstStart(t *testing.T) {
	for delay := time.Duration(0); delay < 120*time.Millisecond; delay += 12 * time.Millisecond {
		l := harness.New(t, harness.Options{})
		l.Launch()
		time.Sleep(delay) // the moment of the kill
		l.Kill()
		l.Restart()
		l.Kill()
	}
}

func TestDevRefusesAFolderInUse(t *testing.T) {
	l := harness.Start(t, harness.Options{})
	_, stderr, code := harness.Run(t, nil, "dev", "--data-dir", l.DataDir, "--listen", "127.0.0.1:0")
	if code != 1 || !strings.Contains(stderr, "limen: data_dir (LIMEN_DATA_DIR, --data-dir): "+l.DataDir+": in use by another process") {
		t.Errorf("%d, %s", code, stderr)
	}
	if status, _ := l.Get("/readyz"); status != 200 {
		t.Errorf("the first one suffers: %d", status)
	}
}

func TestDevNamesThePortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, stderr, code := harness.Run(t, nil, "dev", "--data-dir", t.TempDir(), "--listen", taken.Addr().String())
	if code != 1 || !strings.Contains(stderr, "listen (LIMEN_LISTEN, --listen): listen tcp "+taken.Addr().String()) {
		t.Errorf("%d, %s", code, stderr)
	}
}

func TestServerRunsNamedRoles(t *testing.T) {
	_, stderr, code := harness.Run(t, nil, "server", "--role", "egde", "--data-dir", t.TempDir())
	if code != 1 || !strings.Contains(stderr, `there is no role "egde"`) {
		t.Errorf("%d, %s", code, stderr)
	}
}

func TestHealthAsksARunningProcess(t *testing.T) {
	l := harness.Start(t, harness.Options{})
	address := strings.TrimPrefix(l.URL, "http://")
	for _, args := range [][]string{{"health"}, {"health", "etcd"}, {"health", "nats"}} {
		if out, stderr, code := harness.Run(t, nil, append(args, "--address", address)...); code != 0 || out != "ok\n" {
			t.Errorf("%v: %d, %s%s", args, code, out, stderr)
		}
	}
	l.Stop()
	if _, _, code := harness.Run(t, nil, "health", "--address", address); code != 1 {
		t.Errorf("nothing runs, and the exit code is %d", code)
	}
}

func TestTokenWithARootKey(t *testing.T) {
	l := harness.Start(t, harness.Options{})
	out, stderr, code := harness.Run(t, nil, "token", "--data-dir", l.DataDir)
	if code != 0 || !strings.HasPrefix(out, "limen1.") || strings.Count(out, "\n") != 1 {
		t.Errorf("%d, %s%s", code, out, stderr)
	}
}

func TestSettingsSayWhereTheyComeFrom(t *testing.T) {
	out, stderr, code := harness.Run(t, []string{"LIMEN_REGION=eu-west-1"}, "dev", "--listen", "127.0.0.1:1", "--print-settings")
	if code != 0 {
		t.Fatalf("%d, %s", code, stderr)
	}
	got := map[string]string{}
	for line := range strings.Lines(out) {
		if f := strings.Fields(line); len(f) > 2 {
			got[f[0]] = strings.Join(f[1:], " ")
		}
	}
	for name, want := range map[string]string{
		"region": "eu-west-1 environment LIMEN_REGION", "listen": "127.0.0.1:1 flag --listen", "data_dir": ".limen default",
	} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
}

// TestEverySettingIsExplained: the page of the settings says of each what it means.
func TestEverySettingIsExplained(t *testing.T) {
	out, stderr, code := harness.Run(t, nil, "settings")
	if code != 0 || !strings.Contains(out, "\n| `etcd.keep` | `LIMEN_ETCD_KEEP` | `1h` | how long old revisions") {
		t.Fatalf("%d, %s%s", code, out, stderr)
	}
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "| `") && strings.HasSuffix(line, "|  |\n") {
			t.Errorf("is not explained: %s", line)
		}
	}
}

// TestDevIgnoresWhatADeadProcessLeft: a lock file means nothing unless a living process holds it.
func TestDevIgnoresWhatADeadProcessLeft(t *testing.T) {
	l := harness.New(t, harness.Options{})
	if err := os.MkdirAll(l.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.DataDir, "lock"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l.Restart()
}

// TestDevDoesNotReplaceDamagedRootKeys: keys that somebody uses are not thrown away.
func TestDevDoesNotReplaceDamagedRootKeys(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "root-keys")
	if err := os.WriteFile(path, []byte("111111111111 AKIAAAAAAAAAAAAAAAAA\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := harness.Run(t, nil, "dev", "--data-dir", dir, "--listen", "127.0.0.1:0")
	if want := "root keys " + path + `: line 1: must be "account access-key secret", has 2 words`; code != 1 || !strings.Contains(stderr, want) {
		t.Errorf("%d, %s", code, stderr)
	}
}
