package roles

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// The embedded servers talk a lot. What they warn of goes to our log, as the value of "text" under a constant message.

// zapTo makes a zap logger that writes its warnings and errors to log, until quiet is set: a server of etcd's that stops
// calls every listener it closes itself an error.
func zapTo(log *slog.Logger, quiet *atomic.Bool) *zap.Logger {
	return zap.New(zapCore{log: log, quiet: quiet})
}

// harmless are warnings of etcd's that say nothing about an installation like ours.
var harmless = map[string]bool{
	"Running http and grpc server on single port. This is not recommended for production.": true, // said without a port too
	"simple token is not cryptographically signed":                                         true, // etcd's own users are not in use
	"Failed to detect schema version":                                                      true, // the first second of a new member
	"failed to update storage version":                                                     true, // likewise; tried again until it works
}

type zapCore struct {
	log    *slog.Logger
	quiet  *atomic.Bool
	fields []zapcore.Field
}

func (zapCore) Enabled(l zapcore.Level) bool { return l >= zapcore.WarnLevel }

func (c zapCore) With(fields []zapcore.Field) zapcore.Core {
	return zapCore{c.log, c.quiet, append(c.fields[:len(c.fields):len(c.fields)], fields...)}
}

func (c zapCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) && !harmless[e.Message] && !c.quiet.Load() {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c zapCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	m := zapcore.NewMapObjectEncoder()
	for _, f := range append(c.fields[:len(c.fields):len(c.fields)], fields...) {
		f.AddTo(m)
	}
	level := slog.LevelWarn
	if e.Level >= zapcore.ErrorLevel {
		level = slog.LevelError
	}
	c.log.LogAttrs(context.Background(), level, "etcd says", slog.String("text", e.Message), slog.Any("fields", m.Fields))
	return nil
}

func (zapCore) Sync() error { return nil }

// natsLog is a logger of the NATS server.
type natsLog struct{ log *slog.Logger }

func (n natsLog) say(l slog.Level, format string, v []any) {
	n.log.Log(context.Background(), l, "nats says", "text", fmt.Sprintf(format, v...))
}

func (natsLog) Noticef(string, ...any) {}
func (natsLog) Debugf(string, ...any)  {}
func (natsLog) Tracef(string, ...any)  {}

// Warnf passes by what is not so: members verify each other's chain and role (trust.Identity), only no host name.
func (n natsLog) Warnf(format string, v ...any) {
	if !strings.HasPrefix(format, "TLS certificate chain and hostname of solicited routes will not be verified") {
		n.say(slog.LevelWarn, format, v)
	}
}

func (n natsLog) Errorf(format string, v ...any) { n.say(slog.LevelError, format, v) }
func (n natsLog) Fatalf(format string, v ...any) { n.say(slog.LevelError, format, v) }
