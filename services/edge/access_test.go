package edge

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/limen-gateway/limen/core/executionlog"
)

func accessRecord(path string) *executionlog.Record {
	return &executionlog.Record{Facts: executionlog.Facts{
		RequestID: "aa7c474b-d747-4f4a-b939-37689d03d52b", ExtendedID: "_rD-saKWFwhNdUg=", Trace: "1-5e66d96f-7491f09f1234567890abcdef", API: "zz72rpzoix", Stage: "prod", Method: "GET",
		Path: path, Resource: "/orders/{id}", Status: 200, Bytes: 1024, Source: "127.0.0.1",
		Start: time.Date(2026, 11, 24, 16, 0, 0, 123456789, time.UTC), Latency: 231771 * time.Microsecond, Backend: 9 * time.Microsecond,
	}}
}

// throughSlog writes the line as log/slog would.
func throughSlog(t *testing.T, r *executionlog.Record, asJSON bool) string {
	var b bytes.Buffer
	var h slog.Handler = slog.NewTextHandler(&b, nil)
	if asJSON {
		h = slog.NewJSONHandler(&b, nil)
	}
	record := slog.NewRecord(r.Start.Add(r.Latency), slog.LevelInfo, "request", 0)
	record.Add("request_id", r.RequestID, "extended_id", r.ExtendedID, "trace_id", r.Trace, "api_id", r.API, "stage", r.Stage, "method", r.Method, "path", r.Path,
		"route", r.Resource, "status", r.Status, "bytes", r.Bytes, "latency_us", r.Latency.Microseconds(),
		"backend_us", r.Backend.Microseconds(), "source_ip", r.Source)
	if err := h.Handle(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestAccessLine_isWhatSlogWrites: one log holds lines of both, and readers tell no difference. Only in text, bytes that
// are not printable ASCII are quoted always.
func TestAccessLine_isWhatSlogWrites(t *testing.T) {
	for _, path := range []string{"/orders/1", "", "/a b", `/"\`, "/a=b", "/%20", "/ü", "/\x7f", "/\x00\n\xff", "/<&>"} {
		r := accessRecord(path)
		text := (&accessLog{}).append(nil, r)
		want := throughSlog(t, r, false)
		if strings.Contains(want, " path="+path+" ") && strings.ContainsAny(path, "ü\x7f") {
			want = strings.Replace(want, "path="+path, "path="+strconv.Quote(path), 1)
		}
		if string(text) != want {
			t.Errorf("%q: %s, want %s", path, text, want)
		}
		var got, wanted map[string]any
		asJSON := (&accessLog{json: true}).append(nil, r)
		if err := json.Unmarshal(asJSON, &got); err != nil {
			t.Fatalf("%q: %v: %s", path, err, asJSON)
		}
		if err := json.Unmarshal([]byte(throughSlog(t, r, true)), &wanted); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(wanted, got); diff != "" {
			t.Errorf("%q: %s", path, diff)
		}
		if n := strings.Count(string(text)+string(asJSON), "\n"); n != 2 {
			t.Errorf("%q: %d lines", path, n)
		}
	}
}

func TestAccessLine_allocatesNothing(t *testing.T) {
	r, a := accessRecord("/orders/1"), &accessLog{}
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() { buf = a.append(buf[:0], r) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
