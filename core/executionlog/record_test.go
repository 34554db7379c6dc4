package executionlog

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func sample() *Record {
	r := &Record{Facts: Facts{
		RequestID: "0d4b", ExtendedID: "AbCdEfGhIjKl=", Method: "POST", Path: "/prod/pets", Source: "192.0.2.1", API: "a1b2c3d4e5",
		Stage: "prod", Start: time.Unix(1700000000, 5).UTC(), Latency: 1200 * time.Microsecond, Status: 403, Bytes: 42,
	}}
	r.Add(PhaseReceive, Received, "POST", "/prod/pets", "HTTP/1.1", "192.0.2.1")
	r.Add(PhaseAPI, APIFound, "a1b2c3d4e5.execute-api.localhost", "a1b2c3d4e5")
	return r
}

func TestExplain(t *testing.T) {
	tests := []struct {
		name      string
		phase     Phase
		code      Code
		number    int64
		values    []string
		firstLine string
	}{
		{"wrong path", PhaseRoute, WrongPath, 0, []string{"a1", "prod", "/x"}, "Wrong path: no resource of API a1, stage prod matches /x."},
		{"wrong method names the verbs", PhaseRoute, WrongMethod, 0, []string{"/pets", "POST", "GET, PUT"}, "Wrong method: /pets exists, but not for POST; the methods there are: GET, PUT."},
		{"unknown API", PhaseAPI, UnknownAPI, 0, []string{"zz"}, "Unknown API: no API with the id zz is published on this gateway; it does not exist, or was never deployed to a stage."},
		{"unknown stage", PhaseStage, UnknownStage, 0, []string{"a1", "dev", "prod"}, "Unknown stage: API a1 has no stage named dev; its stages are: prod."},
		{"not deployed", PhaseStage, NotDeployed, 0, []string{"a1"}, "Not deployed: API a1 exists, but no deployment of it is published on a stage; create a deployment."},
		{"unreachable", PhaseIntegration, BackendUnreachable, 0, []string{"http://b:1/", "connection refused"}, "Backend unreachable: http://b:1/: connection refused."},
		{"time-out", PhaseIntegration, BackendTimeout, 50, []string{"http://b:1/"}, "Backend time-out: http://b:1/ did not answer within 50 ms."},
		{"malformed result", PhaseIntegration, MalformedResult, 0, []string{"fn", "a body that is not a string"}, "Malformed function result: fn returned a body that is not a string."},
		{"function missing", PhaseIntegration, FunctionMissing, 0, []string{"arn:x", "no such function"}, "Function missing: arn:x is not a function this gateway can reach: no such function."},
		{"integration response missing", PhaseIntegrationResponse, NoIntegrationResponse, 0, []string{"418"}, "Integration response missing: the integration answered 418, which no selection pattern matches, and there is no default integration response."},
		{"control characters do not forge lines", PhaseRoute, WrongPath, 0, []string{"a1", "prod", "/x\ny"}, "Wrong path: no resource of API a1, stage prod matches /x y."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := sample()
			r.AddNumber(tt.phase, tt.code, tt.number, tt.values...)
			r.AddNumber(PhaseGatewayResponse, Answered, 403, "X", "y")
			lines := strings.Split(r.Explain(), "\n")
			if lines[0] != tt.firstLine {
				t.Errorf("first line\n got %q\nwant %q", lines[0], tt.firstLine)
			}
			if want := "  api: a1b2c3d4e5.execute-api.localhost names API a1b2c3d4e5"; lines[3] != want {
				t.Errorf("phase line %q, want %q", lines[3], want)
			}
		})
	}
}

func TestExplain_success(t *testing.T) {
	r := sample()
	r.Status = 200
	r.AddNumber(PhaseIntegration, BackendAnswered, 310, "http://b:1/", "204")
	if got, _, _ := strings.Cut(r.Explain(), "\n"); got != "Answered 200: http://b:1/ answered 204 after 310 µs." {
		t.Error(got)
	}
}

func TestCodes_haveSentences(t *testing.T) {
	for c := Received; c <= Failed; c++ {
		if c.text() == "" {
			t.Errorf("code %d has no sentence", c)
		}
	}
	for p := PhaseReceive; p <= PhaseGatewayResponse; p++ {
		if p.String() == "phase" {
			t.Errorf("phase %d has no name", p)
		}
	}
}

func TestRecord_roundTrip(t *testing.T) {
	r := sample()
	r.AddNumber(PhaseRoute, WrongMethod, 7, "/pets", "POST", "GET", "x")
	b := r.Append(nil)
	var got Record
	if err := got.Decode(b); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(r.Explain(), got.Explain()); d != "" {
		t.Error(d)
	}
	for i := range b {
		if err := got.Decode(b[:i]); err == nil {
			t.Fatalf("a record cut at %d of %d bytes was read", i, len(b))
		}
	}
}

func TestRecord_cutsLongValues(t *testing.T) {
	var r, got Record
	r.Add(PhaseRoute, WrongPath, "a", "b", strings.Repeat("x", 100000))
	b := r.Append(nil)
	if len(b) > 2*maxValue {
		t.Errorf("stored %d bytes", len(b))
	}
	if err := got.Decode(b); err != nil {
		t.Error(err)
	}
}

func TestRecord_keepsTheNewestWhenFull(t *testing.T) {
	var r Record
	for range Size + 3 {
		r.Add(PhaseRoute, PhasePassed, "x")
	}
	r.Add(PhaseRoute, WrongPath, "a", "b", "/c")
	if c, ok := r.Cause(); !ok || c.Code != WrongPath {
		t.Error("the cause was lost")
	}
	if len(r.Entries()) != Size {
		t.Error(len(r.Entries()))
	}
	if !strings.Contains(r.Explain(), "(4 decisions did not fit)") {
		t.Error(r.Explain())
	}
	r.Reset()
	if len(r.Entries()) != 0 || r.entries[0] != (Entry{}) {
		t.Error("Reset keeps entries")
	}
}

func TestMask(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"Authorization", "Bearer abcdefgh", "*********cdefgh"},
		{"X-API-Key", "abcdef", "******"},
		{"x-amz-security-token", "", ""},
		{"Accept", "text/html", "text/html"},
	}
	for _, tt := range tests {
		if got := MaskHeader(tt.name, tt.value); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestRecord_addDoesNotAllocate(t *testing.T) {
	var r Record
	buf := make([]byte, 0, 4096)
	path := string([]byte("/prod/pets"))
	if n := testing.AllocsPerRun(100, func() {
		r.Reset()
		r.Add(PhaseRoute, WrongPath, "a", "b", path)
		buf = r.Append(buf[:0])
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sample().Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Record
		if r.Decode(b) == nil {
			_ = r.Explain()
		}
	})
}

func BenchmarkRecord(b *testing.B) {
	b.ReportAllocs()
	var r Record
	buf := make([]byte, 0, 4096)
	for b.Loop() {
		r.Reset()
		r.Add(PhaseReceive, Received, "GET", "/prod/pets", "HTTP/1.1", "192.0.2.1")
		r.Add(PhaseAPI, APIFound, "host", "api")
		r.Add(PhaseStage, StageFound, "prod", "abc")
		r.Add(PhaseRoute, RouteMatched, "GET", "/pets", "ANY", "/{proxy+}")
		r.AddNumber(PhaseIntegration, BackendAnswered, 10, "http://b", "200")
		buf = r.Append(buf[:0])
	}
}
