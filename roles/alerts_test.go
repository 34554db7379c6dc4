package roles

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/limen-gateway/limen/platform/telemetry"
	"github.com/limen-gateway/limen/services/entry"
)

// TestAlerts: every metric that an alert asks for is one that limen shows before anything is wrong, and every alert is
// explained.
func TestAlerts(t *testing.T) {
	read := func(path string) []byte {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var file struct {
		Groups []struct {
			Rules []struct{ Alert, Expr string }
		}
	}
	if err := yaml.Unmarshal(read("../deploy/compose/alerts.yaml"), &file); err != nil || len(file.Groups) != 1 {
		t.Fatal(file, err)
	}
	page := string(read("../docs/operations/alerts.md"))
	shown := metricsOfDev(t) + metricsOfACluster(t) + metricsOfAnEntry(t)
	names := regexp.MustCompile(`\b(limen|process)_\w+`)
	for _, rule := range file.Groups[0].Rules {
		for _, name := range names.FindAllString(rule.Expr, -1) {
			if !strings.Contains(shown, "\n# TYPE "+name+" ") {
				t.Errorf("%s: there is no metric %s", rule.Alert, name)
			}
		}
		if !strings.Contains(page, "\n## "+rule.Alert+"\n\n    "+rule.Expr+"\n") {
			t.Errorf("docs/operations/alerts.md does not explain %s with the expression of the rule", rule.Alert)
		}
	}
}

func metrics(t *testing.T, tel *telemetry.Telemetry) string {
	t.Helper()
	w := httptest.NewRecorder()
	tel.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	if w.Code != 200 {
		t.Fatal(w.Code, w.Body)
	}
	return w.Body.String()
}

// metricsOfDev are those of a process that has answered a request by a function.
func metricsOfDev(t *testing.T) string {
	dev, _ := startDev(t)
	seed, err := dev.Seed(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + dev.Address() + "/_aws/execute-api/" + seed.API + "/" + seed.Stage + "/hello")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 200 {
		t.Fatal(resp.Status)
	}
	return metrics(t, dev.house.telemetry)
}

// metricsOfAnEntry are those of a process that passes connections on.
func metricsOfAnEntry(t *testing.T) string {
	tel, err := telemetry.New(telemetry.Config{}, "limen-test", "0")
	if err != nil {
		t.Fatal(err)
	}
	routes := []entry.Route{{Listen: "127.0.0.1:0", Host: "edge", Port: 8080}}
	if _, err := newEntry(newHouse(Config{Entry: EntryConfig{entry.Config{Routes: routes}}}, tel, nil)); err != nil {
		t.Fatal(err)
	}
	return metrics(t, tel)
}

// metricsOfACluster are those of a process that has a certificate.
func metricsOfACluster(t *testing.T) string {
	tel, err := telemetry.New(telemetry.Config{}, "limen-test", "0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Server(Config{DataDir: t.TempDir(), Trust: newSecured(t).files("cache")}, tel, "cache"); err != nil {
		t.Fatal(err)
	}
	return metrics(t, tel)
}
