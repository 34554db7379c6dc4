package vtl

import (
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"
)

func TestErrorPlaces(t *testing.T) {
	tests := []struct {
		template     string
		line, column int
		message      string
	}{
		{"a\nb #if(true)", 2, 12, "the template ends where #end is expected"},
		{"a\r\n#set($x = 1 2)", 2, 13, "unexpected"},
		{"é #set($x=@)", 1, 11, "unexpected"},
		{"x\rx #end", 2, 3, "unexpected"},
		{"ok\n\n  $s.substring(99)", 3, 6, "index out of range"},
		{"#set($x=\"a\n$s.substring(99)\")", 1, 9, "index out of range"},
		{"#set($x=\"$a[\")", 1, 9, "in the string"},
		{"\n#evaluate('#if(')", 2, 1, "in the evaluated text"},
		{"\n#parse('x')", 2, 1, "#parse is not available"},
		{"#macro(m)#m()#end\n#m()", 1, 10, "nested deeper than 20"},
		{"a$", 1, 3, "ends inside"},
		{"#macro", 1, 1, "needs a name"},
	}
	for _, tt := range tests {
		p, err := CompileText(tt.template, Options{})
		if err == nil {
			_, err = p.Render([]Variable{{"s", StringValue("abc")}}, Limits{}, nil)
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("%q: got %v, want an error", tt.template, err)
			continue
		}
		if e.Line != tt.line || e.Column != tt.column || !strings.Contains(e.Error(), tt.message) {
			t.Errorf("%q: got %v, want %q at %d:%d", tt.template, err, tt.message, tt.line, tt.column)
		}
	}
}

func TestTrace(t *testing.T) {
	template := `#set($x = 'v')
#macro(m $p)<$p>#end
#foreach($i in [1..5])#if($i == 2)two#{else}$i#end#end
#m($x)#define($d)D#end$d
#evaluate('e$x')#set($m.k = "q$x")
#if(false)#end#foreach($i in ['z'])#break#end#foreach($i in $nope)#end#stop`
	p, err := CompileText(template, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	out, err := p.Render([]Variable{{"m", MapValue(NewMap(0))}}, Limits{Iterations: 3}, func(e Event) {
		line := fmt.Sprintf("%d:%d %s %s=%v", e.Line, e.Column, e.Directive, e.Name, e.Value)
		if e.Directive == "if" {
			line += fmt.Sprintf(" branch %d", e.Branch)
		}
		if e.Directive == "foreach" {
			line += fmt.Sprintf(" iterations %d cut %v", e.Iterations, e.Cut)
		}
		if e.Captured {
			line += " captured"
		}
		got = append(got, fmt.Sprintf("%s [%d,%d)", line, e.Start, e.End))
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := "1two3<v>D\nev"; string(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
	want := []string{
		"1:1 set $x=v [0,0)",
		"3:45 reference $i=1 [0,1)",
		"3:23 if =false branch -1 [0,1)",
		"3:23 if =true branch 0 [1,4)",
		"3:45 reference $i=3 [4,5)",
		"3:23 if =false branch -1 [4,5)",
		"3:1 foreach $i=null iterations 3 cut true [0,5)",
		"2:14 reference $p=v [6,7)",
		"4:1 #m #m($x)=null [5,8)",
		"4:7 define $d=null [8,8)",
		"4:23 reference $d=D [8,9)",
		"5:1 reference $x=v [11,12)",
		"5:1 evaluate =e$x [10,12)",
		"5:29 reference $x=v captured [13,14)",
		"5:17 set $m.k=qv [12,12)",
		"6:1 if =false branch -1 [12,12)",
		"6:36 break =null [12,12)",
		"6:15 foreach $i=[z] iterations 1 cut false [12,12)",
		"6:46 foreach $i= iterations 0 cut false [12,12)",
		"6:71 stop =null [12,12)",
	}
	if a, b := strings.Join(got, "\n"), strings.Join(want, "\n"); a != b {
		t.Errorf("got\n%s\nwant\n%s", a, b)
	}
}

// TestConcurrent: renders of one program share nothing, and nothing is left over from one to the next.
func TestConcurrent(t *testing.T) {
	p, err := CompileText("$!seen#set($seen=$n)#macro(m $p)$p#end#m($n)#evaluate('#set($y=$n)$y')#define($d)$n#end$d#foreach($i in [1..3])$i#end$n.toString().replaceAll('[0-9]','d')", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for n := range 8 {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for range 50 {
				out, err := p.Render([]Variable{{"n", IntValue(int64(n))}, {"unused", IntValue(1)}}, Limits{}, nil)
				if want := fmt.Sprintf("%d%d%d123d", n, n, n); err != nil || string(out) != want {
					t.Errorf("got %q, %v, want %q", out, err, want)
				}
			}
		}()
	}
	wait.Wait()
}

// TestBlockOutlivesRender: a block that the template has stored in the host's map can still be printed afterwards.
func TestBlockOutlivesRender(t *testing.T) {
	m := NewMap(0)
	p, err := CompileText("#set($x='v')#define($d)<$x>#end#set($m.d=$d)", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = p.Render([]Variable{{"m", MapValue(m)}}, Limits{}, nil); err != nil {
		t.Fatal(err)
	}
	if v, _ := m.Get("d"); v.String() != "<v>" {
		t.Errorf("got %q", v.String())
	}
}

// thing is an object with everything an object can have.
type thing struct{ x Value }

func (o *thing) Property(name string) (Value, bool) { return o.x, name == "x" }

func (o *thing) Call(name string, args []Value) (Value, bool, error) {
	switch name {
	case "fail":
		return Value{}, true, errors.New("the host fails")
	case "count":
		return IntValue(int64(len(args))), true, nil
	case "get":
		return StringValue("at " + args[0].String()), true, nil
	case "put":
		o.x = args[1]
		return Value{}, true, nil
	}
	return Value{}, false, nil
}

func (o *thing) SetProperty(name string, v Value) bool {
	o.x = v
	return name == "x"
}

func (o *thing) AppendText(dst []byte) []byte { return append(dst, "thing"...) }

func (o *thing) ClassName() string { return "host.Thing" }

func TestObject(t *testing.T) {
	tests := []struct{ template, want string }{
		{"$o|$o.x|$o.y|$o.count(1,2)|$o.nope(1)|$o[3]|$o.class.name|$o.toString()", "thing|1||2||at 3|host.Thing|thing"},
		{"#set($o.x='new')$o.x#set($o.q='other')$o.x", "newother"},
		{"#set($o[0]='put')$o.x", "put"},
		{"#if($o)T#end#if($o==$o)E#end#if($o=='thing')P#end#if($o==1)N#end", "TEP"},
		{"$o.equals($o)$o.equals(1)", "truefalse"},
		{"$o.toString(1)", "error: wrong number of arguments"},
		{"$o.fail()", "error: the host fails"},
		{"#foreach($i in $o)x#end", ""},
		{"#set($l=[$o])$l#set($m={'k':$o})$m", "[thing]{k=thing}"},
		{"$u|$u.toString()|$u.class.name|#if($u=='')E#end", "||java.lang.Object|E"},
	}
	for _, tt := range tests {
		p, err := CompileText(tt.template, Options{})
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.Render([]Variable{{"o", ObjectValue(&thing{IntValue(1)})}, {"u", ObjectValue(utilities{})}}, Limits{}, nil)
		if err != nil {
			out = []byte("error: " + err.(*Error).Message)
		}
		if string(out) != tt.want {
			t.Errorf("%q: got %q, want %q", tt.template, out, tt.want)
		}
	}
}

func TestValue(t *testing.T) {
	m := NewMap(1)
	m.Put("k", BoolValue(true))
	l := NewList(IntValue(1))
	l.Append(DoubleValue(0.5))
	n, _ := new(big.Int).SetString("12345678901234567890", 10)
	tests := []struct {
		value Value
		kind  Kind
		text  string
		json  string
	}{
		{Value{}, Null, "null", "null"},
		{BoolValue(false), Boolean, "false", "false"},
		{IntValue(7), Integer, "7", "7"},
		{IntValue(1 << 40), Long, "1099511627776", "1099511627776"},
		{LongValue(7), Long, "7", "7"},
		{DoubleValue(1e21), Double, "1.0E21", "1.0E21"},
		{BigIntegerValue(n), BigInteger, "12345678901234567890", "12345678901234567890"},
		{BigDecimalValue(big.NewInt(15), 1), BigDecimal, "1.5", "1.5"},
		{BigDecimalValue(big.NewInt(15), -3), BigDecimal, "1.5E+4", "1.5E+4"},
		{BigDecimalValue(big.NewInt(-1), 9), BigDecimal, "-1E-9", "-1E-9"},
		{StringValue("a\"/\u2028\x01"), String, "a\"/\u2028\x01", `"a\"/\u2028\u0001"`},
		{ListValue(l), ListKind, "[1, 0.5]", "[1,0.5]"},
		{ListValue(NewJSONArray(StringValue("a/b"))), ListKind, `["a\/b"]`, `["a/b"]`},
		{MapValue(m), MapKind, "{k=true}", `{"k":true}`},
		{ObjectValue(&thing{}), ObjectKind, "thing", `"thing"`},
		{ListValue(nil), Null, "null", "null"},
		{MapValue(nil), Null, "null", "null"},
		{ObjectValue(nil), Null, "null", "null"},
		{charValue('c'), Character, "c", `"c"`},
		{DoubleValue(0.0 / func() float64 { return 0 }()), Double, "NaN", "null"},
	}
	for _, tt := range tests {
		if tt.value.Kind() != tt.kind || tt.value.String() != tt.text || string(AppendJSON(nil, tt.value)) != tt.json {
			t.Errorf("got %v %q %s, want %v %q %s", tt.value.Kind(), tt.value.String(), AppendJSON(nil, tt.value), tt.kind, tt.text, tt.json)
		}
	}
	if s, ok := StringValue("x").Text(); s != "x" || !ok {
		t.Error("Text of a string")
	}
	if _, ok := IntValue(1).Text(); ok || IntValue(1).IsNull() || IntValue(5).Int() != 5 || StringValue("5").Int() != 0 {
		t.Error("an Integer is neither a string nor null")
	}
	if DoubleValue(1.5).Double() != 1.5 || IntValue(1).Double() != 0 || !BoolValue(true).Bool() || IntValue(1).Bool() {
		t.Error("Double and Bool are of their kinds only")
	}
	if l.Len() != 2 || l.At(1).Double() != 0.5 || l.IsJSON() || ObjectValue(&thing{}).Object() == nil || m.Len() != 1 {
		t.Error("the accessors of lists, maps and objects")
	}
}
