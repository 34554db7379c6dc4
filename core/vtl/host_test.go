package vtl

import (
	"slices"
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
	m := r.Map(1)
	for i := range 40 {
		m.Add(string(rune('a'+i)), IntValue(int64(i)))
	}
	other := r.Map(2)
	other.Add("x", StringValue("y"))
	list, items := r.JSONArray(2)
	items[0], items[1] = MapValue(other), IntValue(7)
	list.Append(BoolValue(true))
	if v, ok := m.Get("c"); !ok || v.Int() != 2 || m.Len() != 40 {
		t.Error(v, ok, m.Len())
	}
	if got := string(AppendJSON(nil, ListValue(list))); got != `[{"x":"y"},7,true]` || !list.IsJSON() {
		t.Error(got)
	}
	if empty, _ := r.JSONArray(0); empty.Len() != 0 || r.Map(0).Len() != 0 {
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
