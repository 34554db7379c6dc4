// Package executionlog holds the decision record of one request: which phases it passed, what each decided, and with
// which values. Execution logs, test-invoke logs and explanations are all readings of this one record.
//
// The record is a fixed array and is formatted only when somebody reads it, so a request that nobody asks about pays for
// a few stores. It holds no bodies and no query strings, and secrets enter it masked (Mask).
//
// The surprise: the strings of a live record may alias the request's own memory. Append copies them; a record that
// outlives its request must have gone through Append and Decode.
package executionlog

import (
	"strings"
	"time"
)

// Size is the number of entries one record keeps; the entries after that are counted, not kept.
const Size = 20

// Phase names a step of the pipeline (spec/rest.md section 0).
type Phase uint8

// The phases, in the order a request meets them.
const (
	PhaseReceive Phase = iota + 1
	PhaseAPI
	PhaseStage
	PhaseRoute
	PhaseAuthorize
	PhaseAPIKey
	PhaseThrottle
	PhaseValidate
	PhaseCache
	PhaseIntegrationRequest
	PhaseIntegration
	PhaseIntegrationResponse
	PhaseMethodResponse
	PhaseGatewayResponse
)

var phaseNames = [...]string{
	PhaseReceive: "receive", PhaseAPI: "api", PhaseStage: "stage", PhaseRoute: "route", PhaseAuthorize: "authorize",
	PhaseAPIKey: "api key", PhaseThrottle: "throttle", PhaseValidate: "validate", PhaseCache: "cache",
	PhaseIntegrationRequest: "integration request", PhaseIntegration: "integration",
	PhaseIntegrationResponse: "integration response", PhaseMethodResponse: "method response",
	PhaseGatewayResponse: "gateway response",
}

// String is the name of the phase in explanations.
func (p Phase) String() string {
	if int(p) < len(phaseNames) && phaseNames[p] != "" {
		return phaseNames[p]
	}
	return "phase"
}

// Entry is one decision: a phase, what it found, up to four values and one number. What they mean is said by the code.
type Entry struct {
	Phase  Phase
	Code   Code
	Number int64
	Values [4]string
}

// Facts are what every record tells, whatever was decided.
type Facts struct {
	RequestID  string
	ExtendedID string
	Trace      string // trace id, in AWS's form
	Method     string
	Path       string // as on the wire, without the query string
	Source     string // address of the peer
	Account    string
	API        string
	Stage      string
	Resource   string // template of the matched resource
	Start      time.Time
	Latency    time.Duration
	Backend    time.Duration // time spent in the integration
	Status     int
	Bytes      int // length of the answer's body
}

// Record is the decision record of one request. The zero value is empty and ready; it is not safe for concurrent use.
type Record struct {
	Facts

	n       int
	dropped int
	entries [Size]Entry
}

// Reset empties the record for the next request.
func (r *Record) Reset() {
	clear(r.entries[:r.n])
	r.Facts, r.n, r.dropped = Facts{}, 0, 0
}

// Add notes a decision. Values beyond the fourth are ignored.
func (r *Record) Add(p Phase, c Code, values ...string) {
	r.AddNumber(p, c, 0, values...)
}

// AddNumber notes a decision that carries a number: a status, or a time in microseconds, as the code says.
func (r *Record) AddNumber(p Phase, c Code, number int64, values ...string) {
	if r.n == Size {
		// The last entry is the likeliest cause of a failure: keep the newest in the last place.
		r.dropped++
		r.n--
	}
	e := &r.entries[r.n]
	e.Phase, e.Code, e.Number = p, c, number
	e.Values = [4]string{}
	copy(e.Values[:], values)
	r.n++
}

// Entries are the decisions so far, oldest first. The slice belongs to the record.
func (r *Record) Entries() []Entry { return r.entries[:r.n] }

// Cause is the decision that made the request fail, and whether there was one.
func (r *Record) Cause() (Entry, bool) {
	for i := r.n - 1; i >= 0; i-- {
		if r.entries[i].Code.IsCause() {
			return r.entries[i], true
		}
	}
	return Entry{}, false
}

// Mask hides a secret the way execution logs do: all but the last six characters become asterisks, the length stays
// (spec/rest.md 12.2). Six characters and fewer are hidden whole.
func Mask(secret string) string {
	if len(secret) <= 6 {
		return strings.Repeat("*", len(secret))
	}
	return strings.Repeat("*", len(secret)-6) + secret[len(secret)-6:]
}

// MaskHeader masks the value of a header that carries credentials and returns every other value as it is.
func MaskHeader(name, value string) string {
	if strings.EqualFold(name, "authorization") || strings.EqualFold(name, "x-api-key") || strings.EqualFold(name, "x-amz-security-token") {
		return Mask(value)
	}
	return value
}
