package jsonpath

import "testing"

// shelf is an array or object kept outside of the document.
type shelf struct {
	keys  []string
	items []Value
}

func (s *shelf) Len() int { return len(s.items) }

func (s *shelf) Index(i int) Value {
	if i >= len(s.items) {
		return Value{}
	}
	return s.items[i]
}

func (s *shelf) Key(i int) string {
	if i >= len(s.keys) {
		return ""
	}
	return s.keys[i]
}

func (s *shelf) Get(key string) Value {
	for i, k := range s.keys {
		if k == key {
			return s.items[i]
		}
	}
	return Value{}
}

// What was lent is found as it is now, by every kind of step, and is part of what is printed and compared.
func TestLend(t *testing.T) {
	doc, err := ParseJSON(`{"a":{"x":1},"b":[1,2]}`)
	if err != nil {
		t.Fatal(err)
	}
	object := &shelf{keys: []string{"x", "y"}, items: []Value{StringValue("new"), NumberValue("7")}}
	array := &shelf{items: []Value{StringValue("p"), StringValue("q"), StringValue("r")}}
	doc.Set("a", LentObject(object))
	doc.Set("b", LentArray(array))
	if doc.Get("a").Lent() != object || doc.Get("b").Lent() != array || doc.Lent() != nil || NumberValue("1").Lent() != nil {
		t.Error("what was lent is not told")
	}
	for path, want := range map[string]string{
		"$": `{"a":{"x":"new","y":7},"b":["p","q","r"]}`, "$.a.x": `"new"`, "$.b[-1]": `"r"`, "$.b[*]": `["p","q","r"]`,
		"$.b[1:]": `["q","r"]`, "$..y": `[7]`, "$.b.length()": `3`, "$.a[?(@.y == 7)].x": `["new"]`, "$.a['x','y']": `{"x":"new","y":7}`,
		"$.b[?(@ in $.b)]": `["p","q","r"]`, "$.a.keys()": `["x","y"]`,
	} {
		p, err := Compile(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Eval(doc)
		if err != nil || got.String() != want {
			t.Errorf("%s: %s %v, want %s", path, got, err, want)
		}
	}
	a, b := doc.Get("a"), doc.Get("b")
	a.Set("z", NullValue())
	a.Delete("x")
	b.Append(NullValue())
	b.RemoveIndex(0)
	if b.SetIndex(0, NullValue()) || a.Len() != 2 || b.Len() != 3 {
		t.Error("what is lent was changed from here")
	}
	if a.Key(0) != "x" || a.Key(2) != "" || a.Key(-1) != "" || b.Index(3).Kind() != Absent || a.Get("z").Kind() != Absent {
		t.Error("reading what is lent")
	}
	same, err := ParseJSON(`{"b":["p","q","r"],"a":{"y":7,"x":"new"}}`)
	if err != nil || !doc.Equal(same) || !same.Equal(doc) {
		t.Error("what is lent is compared by its content", err)
	}
	object.items[0] = StringValue("newer")
	if got := doc.Get("a").Get("x").Text(); got != "newer" {
		t.Error(got)
	}
}
