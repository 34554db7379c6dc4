package roles

import "testing"

func TestAccessLogIsOffWhenTold(t *testing.T) {
	if accessLog(&house{config: Config{Edge: EdgeConfig{AccessLog: "off"}}}) != nil {
		t.Error("lines are written")
	}
	if err := (&EdgeConfig{AccessLog: "false"}).Check(); err == nil || err.Error() != `access_log must be on or off, not "false"` {
		t.Error(err)
	}
}
