package roles

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/limen-gateway/limen/platform/telemetry"
)

func TestAccessLogIsOffWhenTold(t *testing.T) {
	if accessLog(&house{config: Config{Edge: EdgeConfig{AccessLog: "off"}}}) != nil {
		t.Error("lines are written")
	}
	if err := (&EdgeConfig{AccessLog: "false"}).Check(); err == nil || err.Error() != `access_log must be on or off, not "false"` {
		t.Error(err)
	}
}

// limited remembers until when the body of its request may arrive.
type limited struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (l *limited) SetReadDeadline(until time.Time) error {
	l.until = until
	return nil
}

// TestTheFrontWaitsForNoBody: what comes by HTTP/2 is read by the control plane itself.
func TestTheFrontWaitsForNoBody(t *testing.T) {
	h := &house{telemetry: &telemetry.Telemetry{Health: telemetry.NewHealth()}, admin: &controlPlane{handler: http.NotFoundHandler()}}
	w := &limited{ResponseRecorder: httptest.NewRecorder()}
	h.fallback().ServeHTTP(w, httptest.NewRequest("POST", "/restapis", strings.NewReader("{}")))
	if w.until.IsZero() {
		t.Error("the body may take for ever")
	}
}
