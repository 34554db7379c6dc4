package xray

import (
	"testing"
)

const (
	root   = "1-5e1b4151-0123456789abcdef01234567"
	parent = "53995c3f42cd8ad8"
)

func TestParse(t *testing.T) {
	tests := []struct {
		name, in string
		want     Trace
	}{
		{"everything", "Root=" + root + ";Parent=" + parent + ";Sampled=1", Trace{root, parent, "1"}},
		{"any order, spaces, and what others add", "Sampled=0; Self=1-x;Parent=" + parent + "; Root=" + root + ";Lineage=a", Trace{root, parent, "0"}},
		{"root alone", "Root=" + root, Trace{Root: root}},
		{"broken parts are left out", "Root=1-5e1b4151-0123;Parent=xyz;Sampled=?", Trace{}},
		{"no hexadecimal", "Root=1-5e1b4151-0123456789abcdef0123456g", Trace{}},
		{"nothing", "", Trace{}},
		{"separators alone", ";;;", Trace{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Parse(tt.in); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestContext(t *testing.T) {
	full := Trace{root, parent, "1"}
	c := full.Context()
	if c.TraceID().String() != "5e1b41510123456789abcdef01234567" || c.SpanID().String() != parent || !c.IsSampled() || !c.IsRemote() {
		t.Errorf("got %v %v %v", c.TraceID(), c.SpanID(), c.TraceFlags())
	}
	if got := Format(c); got != "Root="+root+";Parent="+parent+";Sampled=1" || Parse(got) != full {
		t.Errorf("back: %s", got)
	}
	upper := Trace{Root: "1-5E1B4151-0123456789ABCDEF01234567"}.Context()
	if upper.TraceID() != c.TraceID() || upper.IsValid() || upper.IsSampled() {
		t.Errorf("root alone, in capitals: %v %v", upper.TraceID(), upper.SpanID())
	}
	if got := (Trace{Root: "1-x"}).Context(); got.HasTraceID() || Of(got) != (Trace{}) {
		t.Errorf("a broken root is trace %v", got.TraceID())
	}
	if n := testing.AllocsPerRun(100, func() { _ = Parse("Root=" + root + ";Sampled=0").Context() }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
