// Package xray is the form in which AWS writes a trace context, the header X-Amzn-Trace-Id, and what it is in
// OpenTelemetry's terms (spec/rest.md 12.5). It starts no spans and decides nothing.
//
// The surprise: 1-5e1b4151-0123456789abcdef01234567 and 5e1b41510123456789abcdef01234567 are the same trace id, so that a
// trace goes on through whoever knows only one of the two forms.
package xray

import (
	"encoding/hex"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

const (
	rootLength   = 35 // 1-{8 hex}-{24 hex}
	parentLength = 16
)

// Trace is the content of a header; what it does not say, or says wrongly, is empty.
type Trace struct {
	Root    string // 1-{8 hex}-{24 hex}
	Parent  string // {16 hex}
	Sampled string // "0" or "1"
}

// Parse reads a header. The strings are parts of it.
func Parse(in string) Trace {
	var t Trace
	for rest, more := in, in != ""; more; {
		var part string
		part, rest, more = strings.Cut(rest, ";")
		part = strings.TrimLeft(part, " ")
		switch {
		case len(part) == 5+rootLength && part[:5] == "Root=" && isRoot(part[5:]):
			t.Root = part[5:]
		case len(part) == 7+parentLength && part[:7] == "Parent=" && allHex(part[7:]):
			t.Parent = part[7:]
		case part == "Sampled=0" || part == "Sampled=1":
			t.Sampled = part[8:]
		}
	}
	return t
}

// Append writes the header.
func (t Trace) Append(dst []byte) []byte {
	dst = append(append(dst, "Root="...), t.Root...)
	if t.Parent != "" {
		dst = append(append(dst, ";Parent="...), t.Parent...)
	}
	if t.Sampled != "" {
		dst = append(append(dst, ";Sampled="...), t.Sampled...)
	}
	return dst
}

// Context is the span that the header names, as one of another process. Without a parent it has a trace id alone: a span
// below it is the first of its trace.
func (t Trace) Context() trace.SpanContext {
	var c trace.SpanContextConfig
	if len(t.Root) != rootLength || !decode(c.TraceID[:4], t.Root[2:10]) || !decode(c.TraceID[4:], t.Root[11:]) {
		return trace.SpanContext{}
	}
	if t.Parent != "" && !decode(c.SpanID[:], t.Parent) {
		c.SpanID = trace.SpanID{}
	}
	if t.Sampled == "1" {
		c.TraceFlags = trace.FlagsSampled
	}
	c.Remote = true
	return trace.NewSpanContext(c)
}

// decode allocates nothing.
func decode(dst []byte, in string) bool {
	if len(in) != 2*len(dst) {
		return false
	}
	var text [32]byte
	_, err := hex.Decode(dst, text[:copy(text[:], in)])
	return err == nil
}

// Of is what a span is in AWS's form.
func Of(c trace.SpanContext) Trace {
	if !c.IsValid() {
		return Trace{}
	}
	id := c.TraceID().String()
	t := Trace{Root: "1-" + id[:8] + "-" + id[8:], Parent: c.SpanID().String(), Sampled: "0"}
	if c.IsSampled() {
		t.Sampled = "1"
	}
	return t
}

// Format is the header that names a span.
func Format(c trace.SpanContext) string { return string(Of(c).Append(nil)) }

func isRoot(s string) bool {
	return len(s) == rootLength && s[:2] == "1-" && allHex(s[2:10]) && s[10] == '-' && allHex(s[11:])
}

func allHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return s != ""
}
