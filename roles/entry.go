package roles

import (
	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/services/entry"
)

// EntryConfig are the settings of the TCP entry before edges and admins.
type EntryConfig struct {
	entry.Config `yaml:",inline"`
}

func newEntry(h *house) (run.Service, error) {
	s, err := entry.New(h.config.Entry.Config, entry.Deps{Log: h.telemetry.Log, Meter: h.telemetry.Meters.Meter("limen/entry")})
	if err != nil {
		return nil, err
	}
	h.telemetry.Health.Check("entry", s.Check)
	return s, nil
}
