// Package exchange holds one request in flight: the request and the response as plain values with reusable memory, its
// ids, what the plan said about it, its decision record, and Method, the immutable compiled form of one API method.
//
// No phase sees net/http or a connection; they see an Exchange. The surprise: its strings alias pooled memory. They live
// until Release, and what outlives the request must be cloned.
package exchange

import (
	"cmp"
	"crypto/tls"
	"net/netip"
	"strings"
	"sync"
	"time"
	"unsafe"

	"go.opentelemetry.io/otel/trace"

	"github.com/limen-gateway/limen/core/event"
	"github.com/limen-gateway/limen/core/executionlog"
	"github.com/limen-gateway/limen/core/mapping"
	"github.com/limen-gateway/limen/core/routing"
	"github.com/limen-gateway/limen/core/usageplan"
)

// Field is one header or parameter, with the spelling and order of the wire. It is an alias, so that slices of such pairs
// fit wherever core takes them.
type Field = struct{ Name, Value string }

// Request is what the client sent, as on the wire: nothing is decoded, joined, sorted or canonicalised.
type Request struct {
	Method   string // what the client wants done; see Override
	Target   string // the request target: path and query
	Path     string
	RawQuery string
	Protocol string // HTTP/1.1 or HTTP/2.0
	Host     string
	Headers  []Field
	Body     []byte

	Remote    netip.AddrPort
	LocalPort uint16
	TLS       *tls.ConnectionState // nil on plaintext
	Received  time.Time

	// Forwarded: a trusted proxy told of the client. The last X-Forwarded-For ends with Remote already, and Proto is what the
	// client spoke to the proxy, "" when that was not told.
	Forwarded bool
	Proto     string

	sent string // the method on the wire, where it is not Method
}

// Override makes verb the Method: routing, mappings and backends know no other.
func (r *Request) Override(verb string) { r.sent, r.Method = r.WireMethod(), verb }

// WireMethod is the method that the client sent, whatever overrides it. It decides whether the answer has a body, and is what a
// signature is over.
func (r *Request) WireMethod() string { return cmp.Or(r.sent, r.Method) }

// Scheme is what the client spoke: http or https.
func (r *Request) Scheme() string {
	switch {
	case r.Proto != "":
		return r.Proto
	case r.TLS != nil:
		return "https"
	default:
		return "http"
	}
}

// Response is the answer so far. The listener adds what every answer carries: Date, Content-Length, Connection and the
// request ids.
type Response struct {
	Status  int
	Headers []Field
	Body    []byte
}

// Exchange is one request in flight. It belongs to one goroutine at a time.
type Exchange struct {
	Request  Request
	Response Response
	Record   executionlog.Record

	RequestID  string // UUID; the client's own if it sent a valid one
	ExtendedID string // names this edge
	Trace      Trace
	// Span is that of the request; nil when its trace is not recorded.
	Span trace.Span

	// Scope is where the request was found to belong; nil until the plan knows.
	Scope  *Scope
	Method *Method

	Target     routing.Target
	Match      routing.Match
	EventPath  string // path without stage, leading slashes collapsed, trailing slash kept
	DomainName string

	// Socket is what the exchange is as an event of a WebSocket connection; nil for all others. Handover, when set, takes the
	// connection instead of the response.
	Socket   *Socket
	Handover Handover

	// Payload is the body for the integration, after templates and content handling. Overrides are the parameters that its
	// request template has set; Templates is what the templates of the request share.
	Payload   []byte
	Overrides mapping.RequestOverrides
	Templates mapping.State
	// Authorizer is what an authorizer said of the caller; nil without one. UsageKey is the API key it named.
	Authorizer *event.Authorizer
	UsageKey   string

	// Caller is who signed the request.
	Caller Caller

	// Keys are the API keys of the account. APIKey and APIKeyID are the key that the request was let in with, and Plan the usage
	// plan that counted it.
	Keys             *usageplan.Keys
	APIKey, APIKeyID string
	Plan             *usageplan.Plan

	// Cached is what the response cache did for this request.
	Cached Cached

	// Backend is what the integration answered, before it is mapped.
	Backend Backend

	query       []Field
	queryParsed bool
	arena       []byte
	scratch     []byte
	body        []byte // backing memory of Request.Body and Response.Body while they are small
	reply       []byte
}

// Backend is an integration's answer. Status is 0 before the call.
type Backend struct {
	Status  int
	Subject string // what selection patterns are matched against
	Headers []Field
	Body    []byte
}

// keepBytes is the largest buffer a pooled exchange keeps: a rare large body must not pin memory.
const keepBytes = 64 << 10

var pool = sync.Pool{New: func() any {
	return &Exchange{
		Request:  Request{Headers: make([]Field, 0, 32)},
		Response: Response{Headers: make([]Field, 0, 32)},
		Backend:  Backend{Headers: make([]Field, 0, 32)},
		arena:    make([]byte, 0, 4096),
	}
}}

// New takes an empty exchange from the pool.
func New() *Exchange { return pool.Get().(*Exchange) }

// Release gives the exchange back. None of its strings may be used afterwards.
func (x *Exchange) Release() {
	x.reset()
	pool.Put(x)
}

func (x *Exchange) reset() {
	x.Request = Request{Headers: emptied(x.Request.Headers)}
	x.Response = Response{Headers: emptied(x.Response.Headers)}
	x.Backend = Backend{Headers: emptied(x.Backend.Headers)}
	x.Record.Reset()
	x.RequestID, x.ExtendedID, x.Trace, x.Span = "", "", Trace{}, nil
	x.Scope, x.Method, x.Payload = nil, nil, nil
	x.Overrides, x.Templates = mapping.RequestOverrides{}, mapping.State{}
	x.Socket, x.Handover = nil, nil
	x.Authorizer, x.UsageKey, x.Caller = nil, "", Caller{}
	x.Keys, x.APIKey, x.APIKeyID, x.Plan = nil, "", "", nil
	x.Cached = CachePassedBy
	x.Target, x.EventPath, x.DomainName = routing.Target{}, "", ""
	x.Match.Params = nil
	x.query, x.queryParsed = emptied(x.query), false
	x.arena, x.scratch, x.body, x.reply = kept(x.arena), kept(x.scratch), kept(x.body), kept(x.reply)
}

func emptied(f []Field) []Field {
	clear(f)
	return f[:0]
}

func kept(b []byte) []byte {
	if cap(b) > keepBytes {
		return nil
	}
	return b[:0]
}

// BodyBuffer is empty memory for the request body; StoreBody keeps what it grew to.
func (x *Exchange) BodyBuffer() []byte { return x.body[:0] }

// StoreBody sets the request body and remembers its memory for the next request.
func (x *Exchange) StoreBody(b []byte) { x.Request.Body, x.body = b, b }

// ReplyBuffer is empty memory for a response body; StoreReply keeps what it grew to.
func (x *Exchange) ReplyBuffer() []byte { return x.reply[:0] }

// StoreReply remembers the memory of a response body.
func (x *Exchange) StoreReply(b []byte) { x.reply = b }

// Text copies bytes into the exchange's memory and returns them as a string that lives as long as the exchange.
func (x *Exchange) Text(b []byte) string {
	start := len(x.arena)
	x.arena = append(x.arena, b...)
	return View(x.arena[start:])
}

// Compose is Build for a fill that uses the exchange itself: it appends to memory apart, which is copied at the end.
func (x *Exchange) Compose(fill func(dst []byte) []byte) string {
	x.scratch = fill(x.scratch[:0])
	return x.Text(x.scratch)
}

// Build lets fill append to the exchange's memory and returns what it appended as a string. fill must not use the
// exchange's memory otherwise.
func (x *Exchange) Build(fill func(dst []byte) []byte) string {
	start := len(x.arena)
	x.arena = fill(x.arena)
	return View(x.arena[start:])
}

// View looks at bytes as a string without copying them. The bytes must not change while the string is used.
func View(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Header is the last value of the request header of exactly this spelling: look-ups by mappings and events are
// case-sensitive (spec/rest.md 1.5).
func (x *Exchange) Header(name string) string {
	for i := len(x.Request.Headers) - 1; i >= 0; i-- {
		if x.Request.Headers[i].Name == name {
			return x.Request.Headers[i].Value
		}
	}
	return ""
}

// HeaderFold is the last value of a request header in any spelling, for the headers the gateway itself reads.
func (x *Exchange) HeaderFold(name string) string { return LookupFold(x.Request.Headers, name) }

// LookupFold is the last value of a field in any spelling.
func LookupFold(fields []Field, name string) string {
	for i := len(fields) - 1; i >= 0; i-- {
		if len(fields[i].Name) == len(name) && strings.EqualFold(fields[i].Name, name) {
			return fields[i].Value
		}
	}
	return ""
}

// SetResponseHeader replaces a response header in any spelling, or adds it.
func (x *Exchange) SetResponseHeader(name, value string) {
	for i := range x.Response.Headers {
		if strings.EqualFold(x.Response.Headers[i].Name, name) {
			x.Response.Headers[i].Value = value
			return
		}
	}
	x.AddResponseHeader(name, value)
}

// AddResponseHeader appends a response header.
func (x *Exchange) AddResponseHeader(name, value string) {
	x.Response.Headers = append(x.Response.Headers, Field{name, value})
}

// Text2 copies a name and a value into the exchange's memory.
func (x *Exchange) Text2(name, value string) (string, string) {
	start := len(x.arena)
	x.arena = append(append(x.arena, name...), value...)
	both := View(x.arena[start:])
	return both[:len(name)], both[len(name):]
}
