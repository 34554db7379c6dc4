package exchange

import (
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"

	"go.opentelemetry.io/otel/trace"

	"github.com/limen-gateway/limen/platform/xray"
)

// uuidLength is the length of a UUID in text.
const uuidLength = 36

// AssignIDs gives the exchange its ids and its trace context. The client's x-amzn-RequestId is adopted when it is a UUID
// (spec/rest.md 12.1); the extended id is never client-controlled and carries the number of this edge.
func (x *Exchange) AssignIDs(edge uint16) {
	if id := x.HeaderFold("x-amzn-requestid"); IsUUID(id) {
		x.RequestID = id
	} else {
		x.RequestID = x.Build(appendUUID)
	}
	start := len(x.arena)
	x.arena = AppendExtendedID(x.arena, edge, rand.Uint64())
	x.ExtendedID = View(x.arena[start:])
	x.assignTrace()
	x.Record.RequestID, x.Record.ExtendedID = x.RequestID, x.ExtendedID
}

// appendUUID appends a random UUID, version 4.
func appendUUID(dst []byte) []byte {
	hi, lo := rand.Uint64(), rand.Uint64()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 1<<63
	dst = appendHex(dst, hi>>32, 8)
	dst = append(dst, '-')
	dst = appendHex(dst, hi>>16&0xffff, 4)
	dst = append(dst, '-')
	dst = appendHex(dst, hi&0xffff, 4)
	dst = append(dst, '-')
	dst = appendHex(dst, lo>>48, 4)
	dst = append(dst, '-')
	return appendHex(dst, lo&(1<<48-1), 12)
}

func appendHex(dst []byte, v uint64, digits int) []byte {
	for shift := (digits - 1) * 4; shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[v>>shift&15])
	}
	return dst
}

// IsUUID reports whether s is a UUID in its usual text form.
func IsUUID(s string) bool {
	if len(s) != uuidLength {
		return false
	}
	for i := range len(s) {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !isHex(s[i]) {
				return false
			}
		}
	}
	return true
}

func isHex(c byte) bool { return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' }

// extendedBytes is the length of an extended id before encoding: 11 bytes are 16 characters of which the last is "=".
const extendedBytes = 11

// AppendExtendedID appends an extended request id: two bytes of edge number, eight random ones and a check byte.
func AppendExtendedID(dst []byte, edge uint16, random uint64) []byte {
	var b [extendedBytes]byte
	check := byte(0x5a)
	for i := range 8 {
		b[2+i] = byte(random >> (8 * i))
		check ^= b[2+i]
	}
	// The number is folded with random bytes, so that ids of one edge do not all begin alike.
	b[0], b[1] = byte(edge>>8)^b[2], byte(edge)^b[3]
	b[10] = check ^ b[0] ^ b[1]
	return base64.URLEncoding.AppendEncode(dst, b[:])
}

// EdgeOf is the number of the edge that gave an extended id; ok is false for anything else.
func EdgeOf(extendedID string) (edge uint16, ok bool) {
	var b [extendedBytes + 1]byte
	if n, err := base64.URLEncoding.Decode(b[:], []byte(extendedID)); err != nil || n != extendedBytes {
		return 0, false
	}
	check := byte(0x5a)
	for _, c := range b[:10] {
		check ^= c
	}
	return uint16(b[0]^b[2])<<8 | uint16(b[1]^b[3]), check == b[10]
}

// Trace is the trace context of a request (spec/rest.md 12.5).
type Trace struct {
	xray.Trace
	Header string // the value of X-Amzn-Trace-Id for backends, events and answers
	// Given is what the client said of it, before anything was made up: Given.Sampled is empty when nobody decided.
	Given xray.Trace
}

// Context is what the client's span is to a span of this request. Without one it has a trace id alone.
func (t *Trace) Context() trace.SpanContext {
	return xray.Trace{Root: t.Root, Parent: t.Given.Parent, Sampled: t.Given.Sampled}.Context()
}

// Set takes over a trace that did not come in a header.
func (t *Trace) Set(given xray.Trace) {
	t.Trace, t.Given = given, given
	t.Header = string(given.Append(nil))
}

// assignTrace keeps an incoming Root, Parent and Sampled. A Root alone gets a Parent and Sampled=0; no header gets a new
// Root and nothing else. A W3C traceparent serves when there is no header of AWS's.
func (x *Exchange) assignTrace() {
	if in := x.HeaderFold("x-amzn-trace-id"); in != "" {
		x.Trace.Given = xray.Parse(in)
	} else if in := x.HeaderFold("traceparent"); in != "" {
		x.Trace.Given = x.convertTraceparent(in)
	}
	if x.Trace.Given.Root == "" {
		x.Trace.Given = xray.Trace{}
		now := uint64(x.Request.Received.Unix())
		x.Trace.Root = x.Build(func(dst []byte) []byte {
			dst = appendHex(append(dst, "1-"...), now, 8)
			dst = appendHex(append(dst, '-'), rand.Uint64(), 16)
			return appendHex(dst, rand.Uint64(), 8)
		})
	} else {
		x.Trace.Trace = x.Trace.Given
		if x.Trace.Parent == "" {
			x.Trace.Parent = x.Build(func(dst []byte) []byte { return appendHex(dst, rand.Uint64(), 16) })
		}
		if x.Trace.Sampled == "" {
			x.Trace.Sampled = "0"
		}
	}
	x.Trace.Header = x.Build(x.Trace.Append)
	x.Record.Trace = x.Trace.Root
}

// convertTraceparent reads {version}-{32 hex}-{16 hex}-{2 hex}, which later versions may go on behind.
func (x *Exchange) convertTraceparent(in string) xray.Trace {
	if len(in) < 55 || len(in) > 55 && (in[:2] == "00" || in[55] != '-') || in[:2] == "ff" || in[2] != '-' || in[35] != '-' || in[52] != '-' {
		return xray.Trace{}
	}
	t := xray.Trace{Parent: in[36:52], Sampled: "0"}
	t.Root = x.Build(func(dst []byte) []byte {
		dst = append(append(dst, "1-"...), in[3:11]...)
		return append(append(dst, '-'), in[11:35]...)
	})
	var flags [1]byte
	if _, err := hex.Decode(flags[:], []byte(in[53:55])); err != nil || !t.Context().IsValid() {
		return xray.Trace{}
	}
	if flags[0]&1 == 1 {
		t.Sampled = "1"
	}
	return t
}
