package jsonpath

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func parse(t testing.TB, text string) Value {
	t.Helper()
	v, err := ParseJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestParseJSON(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"keys keep their order", `{"b":1,"a":2}`, `{"b":1,"a":2}`},
		{"the last of equal keys counts, at the first place", `{"a":1,"b":2,"a":3}`, `{"a":3,"b":2}`},
		{"equal keys of a large object", `{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":1,"k":2,"l":3,"m":4,"a":9}`, `{"a":9,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":1,"k":2,"l":3,"m":4}`},
		{"escapes", `"\"\\\/\b\f\n\r\tA"`, `"\"\\/\b\f\n\r\tA"`},
		{"a pair of surrogates", `"\uD83D\uDE00\ud83d\ude00"`, `"😀😀"`},
		{"half a pair", `"\uD83Dx\uDE00\uD83D\u0041\uD83D\n"`, `"�x��A�\n"`},
		{"text after an escape", `"\né"`, `"\né"`},
		{"white space", " [ 1 ,\t{ \"a\" : [ ] , \"b\" : { } }\r\n] ", `[1,{"a":[],"b":{}}]`},
		{"numbers", `[0,-0,10.00,1e3,-1.5E-7,1E400,-1E400]`, `[0,0,10.0,1000.0,-1.5E-7,null,null]`},
		{"words", `[true,false,null]`, `[true,false,null]`},
		{"a long list", "[" + strings.Repeat("1,", 40) + "1]", "[" + strings.Repeat("1,", 40) + "1]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := parse(t, c.text).String(); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestParseJSONErrors(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", "", "invalid JSON at 0: unexpected end of the document"},
		{"text after the value", "1 x", "invalid JSON at 2: unexpected text after the value"},
		{"a word", "nope", "invalid JSON at 0: expected a value"},
		{"apostrophes", "'a'", "invalid JSON at 0: expected a value"},
		{"a list without end", "[1", "invalid JSON at 2: expected ',' or ']'"},
		{"a list with a hole", "[1,,2]", "invalid JSON at 3: expected a value"},
		{"a key without quotes", "{a:1}", "invalid JSON at 1: expected a key between quotes"},
		{"a key without value", `{"a"}`, "invalid JSON at 4: expected ':' after a key"},
		{"a bad value", `{"a":x}`, "invalid JSON at 5: expected a value"},
		{"an object without end", `{"a":1`, "invalid JSON at 6: expected ',' or '}'"},
		{"a bad key", `{"a`, "invalid JSON at 3: string is not closed"},
		{"leading zero", "01", "invalid JSON at 2: malformed number"},
		{"minus alone", "-", "invalid JSON at 1: malformed number"},
		{"point without digits", "1.", "invalid JSON at 2: malformed number"},
		{"exponent without digits", "1e+", "invalid JSON at 3: malformed number"},
		{"string without end", `"a`, "invalid JSON at 2: string is not closed"},
		{"string without end after an escape", `"\n`, "invalid JSON at 3: string is not closed"},
		{"control character", "\"a\nb\"", "invalid JSON at 2: control character in a string"},
		{"control character after an escape", "\"\\n\nb\"", "invalid JSON at 3: control character in a string"},
		{"unknown escape", `"\x"`, "invalid JSON at 2: unknown escape in a string"},
		{"short unicode escape", `"\u12"`, "invalid JSON at 2: expected four hexadecimal digits"},
		{"unicode escape at the end", `"\u12`, "invalid JSON at 2: expected four hexadecimal digits"},
		{"not hexadecimal", `"\u12x4"`, "invalid JSON at 2: expected four hexadecimal digits"},
		{"broken UTF-8", "[\"a\xff\"]", "invalid JSON at 3: invalid UTF-8"},
		{"broken UTF-8 after an escape", "\"\\n\xff\"", "invalid JSON at 3: invalid UTF-8"},
		{"deep nesting", strings.Repeat("[", 100_000), "too complex at 1000: document is nested too deeply"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := ParseJSON(c.text); err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestLenient(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`['a', "b", c d , 01]`, `["a","b","c d",1]`},
		{`{'a': x, b: 'it\'s', "c": y z}`, `{"a":"x","b":"it's","c":"y z"}`},
		{"['a\tb\\n\tc']", `["a\tb\n\tc"]`},
	} {
		if v, err := parseLenient(c.text); err != nil || strings.ReplaceAll(v.String(), ":01", ":1") != strings.ReplaceAll(c.want, ",1]", ",01]") {
			t.Errorf("%s: got %s, %v", c.text, v, err)
		}
	}
	for _, text := range []string{"[,]", "{a}", "{:1}", "[x", `['\`} {
		if v, err := parseLenient(text); err == nil {
			t.Errorf("%s: got %s", text, v)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		text  string
		class NumberClass
		want  string
	}{
		{"1", Integer, "1"}, {"-2147483648", Integer, "-2147483648"}, {"2147483648", Long, "2147483648"},
		{"9223372036854775808", BigInteger, "9223372036854775808"}, {"-0", Integer, "0"},
		{"10.00", Double, "10.0"}, {"1e7", Double, "1.0E7"}, {"9999999.5", Double, "9999999.5"}, {"0.001", Double, "0.001"},
		{"0.00099", Double, "9.9E-4"}, {"-0.0", Double, "-0.0"}, {"1e400", Double, "Infinity"}, {"-1e400", Double, "-Infinity"},
		{"1.0000000000000000000", BigDecimal, "1.0000000000000000000"}, {"-12345678901234567890e3", BigDecimal, "-1.2345678901234567890E+22"},
		{"0.0000000000000000001", BigDecimal, "1E-19"}, {"0.00000000000000000000", BigDecimal, "0E-20"},
		{"0.1234567890123456789", BigDecimal, "0.1234567890123456789"}, {"0.0000012345678901234", BigDecimal, "0.0000012345678901234"},
		{"12345678901234567890E0", BigDecimal, "12345678901234567890"}, {"0000000000000000000.5e1", BigDecimal, "5"},
		{"100000000000000000.0e-1", BigDecimal, "10000000000000000.00"}, {"10000000000000000.0e+1", BigDecimal, "100000000000000000"},
	} {
		v := NumberValue(c.text)
		if got := string(v.AppendPrinted(nil)); got != c.want || v.NumberClass() != c.class {
			t.Errorf("%s: got %s of class %d, want %s", c.text, got, v.NumberClass(), c.want)
		}
	}
	if NullValue().NumberClass() != 0 {
		t.Error("null has a class of number")
	}
	if got := string(AppendDouble(nil, math.NaN())); got != "NaN" {
		t.Error(got)
	}
	if got := doubleValue(math.Inf(1)).String() + doubleValue(math.Inf(-1)).String(); got != "nullnull" {
		t.Error(got)
	}
	if got := string(doubleValue(1.0/3).AppendPrinted(nil)) + " " + string(doubleValue(1e300/3).AppendPrinted(nil)) + " " + string(doubleValue(1e15+1).AppendPrinted(nil)) + " " + string(doubleValue(123456789012345680).AppendPrinted(nil)); got != "0.3333333333333333 3.3333333333333335E+299 1.000000000000001E15 123456789012345680.0" {
		t.Error(got)
	}
}

func TestCompareNumbers(t *testing.T) {
	ascending := []string{"-1e400", "-1e300", "-10", "-9.5", "-1", "0", "1e-300", "0.5", "1", "1.5", "10", "10.25", "100", "12345678901234567890", "1e300", "1e301", "1e9999999999999999999"}
	for i, a := range ascending {
		for j, b := range ascending {
			if got := compareNumbers(a, b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%s and %s: %d", a, b, got)
			}
		}
	}
	for _, pair := range [][2]string{{"1", "1.0"}, {"100", "1e2"}, {"0", "-0.0"}, {"0.1", "0.10000000000000000"}} {
		if compareNumbers(pair[0], pair[1]) != 0 {
			t.Errorf("%s is not %s", pair[0], pair[1])
		}
	}
	for text, want := range map[string]bool{"": false, "+": false, "-1": true, "+1.5e-3": true, ".5": true, "5.": true, ".": false, "1e": false, "1e99999999999": false, "--1": false, "1x": false, "1.x": false} {
		if isDecimal(text) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestCompareUTF16(t *testing.T) {
	ascending := []string{"", "a", "aa", "b", "é", "\ud7ff", "😀", "\ue000", "\uffff"}
	for i, a := range ascending {
		for j, b := range ascending {
			if got := compareUTF16(a, b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%q and %q: %d", a, b, got)
			}
		}
	}
}

func TestValueChanges(t *testing.T) {
	v := parse(t, `{"a":[1,2],"b":{"c":null}}`)
	seen := v.Get("a")
	v.Get("a").Append(NumberValue("3"))
	v.Get("a").SetIndex(0, StringValue("x"))
	v.Get("b").Set("d", BoolValue(true))
	v.Get("b").Set("c", BoolValue(false))
	v.Set("e", ArrayValue(NullValue()))
	if got := v.String(); got != `{"a":["x",2,3],"b":{"c":false,"d":true},"e":[null]}` {
		t.Error(got)
	}
	if got := seen.String(); got != `["x",2,3]` {
		t.Error("a copy does not see the change:", got)
	}
	if old := v.Delete("a"); old.Len() != 3 || v.Len() != 2 || v.Key(0) != "b" {
		t.Error(v)
	}
	if old := seen.RemoveIndex(1); old.Text() != "2" || seen.Len() != 2 {
		t.Error(seen)
	}
	o := ObjectValue()
	for i := range 40 {
		o.Set("k"+itoa(i), NumberValue(itoa(i)))
	}
	o.Delete("k3")
	o.Set("k4", NullValue())
	if o.Len() != 39 || o.Get("k39").Text() != "39" || o.Get("k3").Kind() != Absent || !o.Get("k4").IsNull() || o.Key(38) != "k39" {
		t.Error(o)
	}
}

// TestValueOfOtherKind: what does not apply does nothing.
func TestValueOfOtherKind(t *testing.T) {
	s := StringValue("x")
	s.Set("a", s)
	s.Append(s)
	if s.SetIndex(0, s) || s.RemoveIndex(0).Kind() != Absent || s.Delete("a").Kind() != Absent || s.Get("a").Kind() != Absent {
		t.Error("a string was changed")
	}
	if s.Len() != 0 || s.Index(0).Kind() != Absent || s.Key(0) != "" || s.Bool() || NullValue().Text() != "" {
		t.Error("a string has what it has not")
	}
	if o := ObjectValue(); o.Delete("a").Kind() != Absent || (Value{}).String() != "null" {
		t.Error("deleted what is not there")
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{`{"a":1,"b":[2]}`, `{"b":[2],"a":1}`, true}, {`{"a":1}`, `{"b":1}`, false}, {`[1]`, `[2]`, false}, {`[1]`, `[1,2]`, false},
		{`1`, `1.0`, false}, {`1.0`, `1.00`, true}, {`"a"`, `"a"`, true}, {`true`, `false`, false}, {`null`, `null`, true}, {`1`, `"1"`, false},
	} {
		if parse(t, c.a).Equal(parse(t, c.b)) != c.want {
			t.Errorf("%s and %s", c.a, c.b)
		}
	}
}

func TestPrinted(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"foo":"bar"}`, "{foo=bar}"}, {`{"bigger":"dict","to":"test","with":null}`, "{bigger=dict, to=test, with=null}"},
		{`[{"foo":"bar"},1,"a/b"]`, `[{"foo":"bar"},1,"a\/b"]`}, {`{"foo":[{"nested":"bar"}],"o":{"p":"q"}}`, `{foo=[{"nested":"bar"}], o={p=q}}`},
		{"null", ""}, {"[]", "[]"}, {"10.00", "10.0"}, {"true", "true"}, {`"a"`, "a"},
	} {
		if got := string(parse(t, c.text).AppendPrinted(nil)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.text, got, c.want)
		}
	}
}

// TestInsideItself: a template can put a value inside of itself. Nothing may run without end because of that.
func TestInsideItself(t *testing.T) {
	v := parse(t, `{"a":[1]}`)
	v.Get("a").Append(v)
	w := parse(t, `{"a":[1]}`)
	w.Get("a").Append(w)
	if n := len(v.String()); n == 0 || len(v.AppendPrinted(nil)) == 0 || v.Equal(w) {
		t.Error(n)
	}
	twice := ArrayValue()
	twice.Append(twice, twice)
	if n := len(twice.AppendPrinted(nil)); n < maxText || n > 2*maxText {
		t.Error(n)
	}
	o := ObjectValue()
	o.Set("o", o)
	if n := len(o.AppendPrinted(nil)); n == 0 || n > 10*maxPrinted {
		t.Error(n)
	}
	for _, path := range []string{"$..b", "$..*", "$..[?(@ == $)]", "$.a[1].a[1].a[0]"} {
		p, err := Compile(path)
		if err != nil {
			t.Fatal(err)
		}
		if found, err := p.Eval(v); err != nil && err.(*Error).Code != TooComplex || err == nil && found.Len() > 10*maxPrinted {
			t.Error(path, err)
		}
	}
}

// TestBadInput: numbers and texts that nobody sends by accident are read, compared and printed in bounded time.
func TestBadInput(t *testing.T) {
	digits := strings.Repeat("9", 200_000)
	document := parse(t, `[1e999999999,1e-999999999,-1e999999999,`+digits+`,0.`+digits+`,1E+0000000000000000000000001,1]`)
	for path, want := range map[string]int{"$[?(@ == 1)]": 1, "$[?(@ > 1)]": -1, "$[?(@ < 0)]": -1, "$[?(@ in [1, 1e999999998])]": 1, "$[?(@ =~ /9+/)]": -1} {
		p, err := Compile(path)
		if err != nil {
			t.Fatal(err)
		}
		v, err := p.Eval(document)
		if err != nil || want >= 0 && v.Len() != want {
			t.Errorf("%s: %d, %v", path, v.Len(), err)
		}
		_ = v.String()
		_ = v.AppendPrinted(nil)
	}
	for _, path := range []string{"$..[?(@.length() > 1e999999999)]", "$[99999999999999999999]", "$[-99999999999999999999:99999999999999999999]", "$.sum()", "$.max()", "$.stddev()"} {
		if p, err := Compile(path); err == nil {
			_, _ = p.Eval(document)
		}
	}
}

func TestCompact(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a":[1,-2.5,true,null,"x/é"],"b":{}}`: true, " [] \n": true, `12345678901234567890`: true, `0.001`: true, `-0.0`: true, `1234567.5`: true,
		`[1, 2]`: false, `{"a": 1}`: false, `["\n"]`: false, `[-0]`: false, `[1.50]`: false, `[1e3]`: false, `[0.0001]`: false, `[12345678.5]`: false,
		`[0.1234567890123456]`: false, "[\"\u007f\"]": false, "[\"\u2028\"]": false, `{"a":1,"a":2}`: false, `{`: false, ``: false, `[1]x`: false, `"é`: false,
	} {
		got, ok := Compact(text)
		if ok != want {
			t.Errorf("%s is compact: %v", text, ok)
		}
		if v, err := ParseJSON(text); ok && (err != nil || v.String() != got) {
			t.Errorf("%s: %s, but it prints as %s %v", text, got, v, err)
		}
	}
	var many []string
	for i := range 200 {
		many = append(many, fmt.Sprintf(`"k%d":0`, i))
	}
	text := "{" + strings.Join(many, ",") + "}"
	if got, ok := Compact(text); ok && got != text {
		t.Error(got)
	}
	if v, err := ParseJSON(text); err != nil || v.Len() != 200 || v.String() != text {
		t.Error(v, err)
	}
}

func TestNumberOf(t *testing.T) {
	v := NumberOf(Double, "1.23456789012345E113")
	if v.NumberClass() != Double || v.String() != "1.23456789012345E113" || NumberOf(BigDecimal, "1E-19").String() != "1E-19" {
		t.Error(v.NumberClass(), v)
	}
	if NumberValue("1").Equal(NumberOf(Long, "1")) {
		t.Error("an Integer equals a Long")
	}
}
