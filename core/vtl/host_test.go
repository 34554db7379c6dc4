package vtl

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestProgram_Uses(t *testing.T) {
	for text, want := range map[string]bool{"$a": true, "${a.b}": true, "$b": false, "plain": false, `"$x"`: false, "#set($z = \"$a\")": true, "#evaluate($x)": true} {
		p, err := CompileText(text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Uses("a"); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestProgram_Members(t *testing.T) {
	for text, want := range map[string]string{
		"$a.b${a.c.d}$!a.b#set($a.e = 1)": "b c b e true", "#macro(m $x)$x.y#end#m($a.b)\"$a.c\"": "b c true", "$b.a plain": "true", "#set($a = 1)": "true",
		"$a": "false", "$a.b#set($c = $a)": "false", "$a.get('b')": "false", "$a['b']": "false", "$a.b#evaluate('x')": "false", "#evaluate('x')": "false",
	} {
		p, err := CompileText(text, Options{})
		if err != nil {
			t.Fatal(err)
		}
		names, ok := p.Members("a")
		slices.Sort(names)
		wanted := strings.Fields(want)
		slices.Sort(wanted[:len(wanted)-1])
		if got := append(names, fmt.Sprint(ok)); !slices.Equal(got, wanted) {
			t.Errorf("%s: %v, want %v", text, got, wanted)
		}
	}
}

func TestLimits_Cut(t *testing.T) {
	p, err := CompileText("#foreach($i in [1..2])$i#end\n#foreach($i in [1..3])$i#end", Options{})
	if err != nil {
		t.Fatal(err)
	}
	var lines []int
	out, err := p.Render(nil, Limits{Iterations: 2, Cut: func(line int) { lines = append(lines, line) }}, nil)
	if err != nil || string(out) != "1212" || !slices.Equal(lines, []int{2}) {
		t.Errorf("%q %v, cut at %v", out, err, lines)
	}
}

func TestRoom(t *testing.T) {
	var r Room
	m := r.Map([]string{"a", "b"}, []Value{IntValue(0), IntValue(1)})
	other := r.Map([]string{"x"}, []Value{StringValue("y")})
	for i := 2; i < 40; i++ {
		m.Add(string(rune('a'+i)), IntValue(int64(i)))
	}
	list, items := r.JSONArray(2)
	items[0], items[1] = MapValue(other), IntValue(7)
	list.Append(BoolValue(true))
	if v, ok := m.Get("c"); !ok || v.Int() != 2 || m.Len() != 40 {
		t.Error(v, ok, m.Len())
	}
	if got := string(AppendJSON(nil, ListValue(list))); got != `[{"x":"y"},7,true]` || !list.IsJSON() {
		t.Error(got)
	}
	for range 2 { // the second time in the memory of the first
		r.Recycle()
		m = r.Map([]string{"a"}, []Value{{}})
		if _, items = r.JSONArray(600); items[599].Kind() != Null || m.Len() != 1 {
			t.Error("what was recycled is not empty", items[599], m.Len())
		}
		items[599] = IntValue(1)
	}
	r.JSONArray(2 * keptLength)
	if r.Recycle(); cap(r.items.items) != 0 {
		t.Error("much memory is kept")
	}
	if empty, _ := r.JSONArray(0); empty.Len() != 0 || r.Map(nil, nil).Len() != 0 {
		t.Error("an empty one is not")
	}
}

func TestMap_Written(t *testing.T) {
	m := NewMap(0)
	var keys []string
	m.Written = func(k string) { keys = append(keys, k) }
	p, err := CompileText("#set($m.a = 1)#set($m['b'] = 1)$m.put('c', 1)$m.putAll({'d': 1})#set($m.a = 2)$m.put(5, 1)", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = p.Render([]Variable{{"m", MapValue(m)}}, Limits{}, nil); err != nil {
		t.Fatal(err)
	}
	if want := []string{"a", "b", "c", "d", "a"}; !slices.Equal(keys, want) {
		t.Errorf("%v, want %v", keys, want)
	}
	if k, v := m.At(1); k.String() != "b" || v.Int() != 1 {
		t.Errorf("entry 1 is %s, %s", k, v)
	}
}
