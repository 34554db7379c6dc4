package edge

import (
	"encoding/json"
	"io"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/limen-gateway/limen/core/executionlog"
)

// accessLog writes one line per request, in the form of the process's other logs. It is written by hand because it is
// the costliest thing a request does beside its system calls.
type accessLog struct {
	out  io.Writer // nil writes nothing
	json bool
	pool sync.Pool // of *[]byte
}

// textTime is how log/slog writes the time of a text line.
const textTime = "2006-01-02T15:04:05.000Z07:00"

func (a *accessLog) write(r *executionlog.Record) {
	if a.out == nil {
		return
	}
	buf, _ := a.pool.Get().(*[]byte)
	if buf == nil {
		buf = new([]byte)
	}
	*buf = a.append((*buf)[:0], r)
	// A log that cannot be written stops no request.
	_, _ = a.out.Write(*buf)
	a.pool.Put(buf)
}

func (a *accessLog) append(dst []byte, r *executionlog.Record) []byte {
	l := line{dst, a.json}
	l.begin(r.Start.Add(r.Latency))
	l.text("request_id", r.RequestID)
	l.text("extended_id", r.ExtendedID)
	l.text("trace_id", r.Trace)
	l.text("api_id", r.API)
	l.text("stage", r.Stage)
	l.text("method", r.Method)
	l.text("path", r.Path)
	l.text("route", r.Resource)
	l.number("status", int64(r.Status))
	l.number("bytes", int64(r.Bytes))
	l.number("latency_us", r.Latency.Microseconds())
	l.number("backend_us", r.Backend.Microseconds())
	l.text("source_ip", r.Source)
	if cause, ok := r.Cause(); ok {
		l.text("cause", cause.Text())
	}
	return l.end()
}

// line is a line of log as log/slog's handlers write it.
type line struct {
	b    []byte
	json bool
}

func (l *line) begin(t time.Time) {
	if l.json {
		l.b = t.AppendFormat(append(l.b, `{"time":"`...), time.RFC3339Nano)
		l.b = append(l.b, `","level":"INFO","msg":"request"`...)
		return
	}
	l.b = append(t.AppendFormat(append(l.b, "time="...), textTime), " level=INFO msg=request"...)
}

func (l *line) key(name string) {
	if l.json {
		l.b = append(append(append(l.b, `,"`...), name...), `":`...)
		return
	}
	l.b = append(append(append(l.b, ' '), name...), '=')
}

func (l *line) number(name string, v int64) {
	l.key(name)
	l.b = strconv.AppendInt(l.b, v, 10)
}

// text appends a value that may come from a client: whatever it holds, it stays one value of one line.
func (l *line) text(name, value string) {
	l.key(name)
	switch {
	case l.json && isPlain(value, false):
		l.b = append(append(append(l.b, '"'), value...), '"')
	case l.json:
		quoted, _ := json.Marshal(value) // strings always marshal
		l.b = append(l.b, quoted...)
	case value != "" && isPlain(value, true):
		l.b = append(l.b, value...)
	default:
		l.b = strconv.AppendQuote(l.b, value)
	}
}

func (l *line) end() []byte {
	if l.json {
		l.b = append(l.b, '}')
	}
	return append(l.b, '\n')
}

// isPlain reports whether a value stands for itself: inside the quotes of JSON, or bare in a line of key=value pairs.
func isPlain(s string, bare bool) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ', c >= utf8.RuneSelf-1, c == '"', c == '\\':
			return false
		case bare && (c == ' ' || c == '='):
			return false
		}
	}
	return true
}
