package jsonpath

// Kind is the kind of a Value.
type Kind uint8

// The kinds of JSON, and Absent for the zero Value: what a path did not find.
const (
	Absent Kind = iota
	Null
	Bool
	Number
	String
	Array
	Object
)

// Value is one JSON value: objects keep the order of their keys, numbers the text they were written with.
// A Value is small and passed by value; arrays and objects are shared by all copies, so that a change made through one is
// seen through all (spec/vtl.md 9.1). Reading is safe for concurrent use, changing is not.
type Value struct {
	kind  Kind
	class NumberClass // of a Number; 0 where its text alone tells
	text  string      // the characters of a String, the digits of a Number, "true" of a Bool
	node  *node
}

// node is what an Array or Object points at: keys is nil for an Array, and of both when the content is lent.
type node struct {
	items []Value
	keys  *keys
	lent  Container
}

type keys struct {
	names []string
	index map[string]int // nil while the object is small
}

// smallObject is how many keys are found faster by looking at each than by hashing.
const smallObject = 12

// NullValue is JSON's null.
func NullValue() Value { return Value{kind: Null} }

// BoolValue is true or false.
func BoolValue(b bool) Value {
	if b {
		return Value{kind: Bool, text: "true"}
	}
	return Value{kind: Bool}
}

// StringValue is a string.
func StringValue(s string) Value { return Value{kind: String, text: s} }

// NumberValue is a number with the text of a JSON number; it does not check the text.
func NumberValue(text string) Value { return Value{kind: Number, text: text} }

// NumberOf is a number of a class that its text need not tell: the text is what Java prints.
func NumberOf(class NumberClass, text string) Value {
	return Value{kind: Number, class: class, text: text}
}

// ArrayValue is an array that owns items.
func ArrayValue(items ...Value) Value { return Value{kind: Array, node: &node{items: items}} }

// ObjectValue is an object without members; add them with Set.
func ObjectValue() Value { return Value{kind: Object, node: &node{keys: &keys{}}} }

// Kind is the kind of v.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether v is null or absent.
func (v Value) IsNull() bool { return v.kind <= Null }

// Bool is the truth of a Bool, false for every other kind.
func (v Value) Bool() bool { return v.kind == Bool && v.text != "" }

// Text is the characters of a String, or the text a Number was written with; empty for every other kind.
func (v Value) Text() string {
	if v.kind == String || v.kind == Number {
		return v.text
	}
	return ""
}

// Len is the number of elements or members; zero for every other kind.
func (v Value) Len() int {
	if v.node == nil {
		return 0
	}
	if v.node.lent != nil {
		return v.node.lent.Len()
	}
	return len(v.node.items)
}

// items are the elements of an Array or the values of an Object, which the caller must not change.
func (v Value) items() []Value {
	switch {
	case v.node == nil:
		return nil
	case v.node.lent != nil:
		return borrowed(v.node.lent)
	}
	return v.node.items
}

// Index is the i-th element of an array or the value of the i-th member of an object; Absent out of bounds.
func (v Value) Index(i int) Value {
	switch {
	case v.node == nil || i < 0:
		return Value{}
	case v.node.lent != nil:
		return v.node.lent.Index(i)
	case i >= len(v.node.items):
		return Value{}
	}
	return v.node.items[i]
}

// Key is the name of the i-th member of an object, in document order; empty out of bounds.
func (v Value) Key(i int) string {
	switch {
	case v.kind != Object || i < 0:
		return ""
	case v.node.lent != nil:
		return v.node.lent.Key(i)
	case i >= len(v.node.keys.names):
		return ""
	}
	return v.node.keys.names[i]
}

// Get is the member of an object; Absent when there is none.
func (v Value) Get(key string) Value {
	if v.kind != Object {
		return Value{}
	}
	if v.node.lent != nil {
		return v.node.lent.Get(key)
	}
	if i := v.node.keys.find(key); i >= 0 {
		return v.node.items[i]
	}
	return Value{}
}

func (k *keys) find(key string) int {
	if k.index != nil {
		if i, ok := k.index[key]; ok {
			return i
		}
		return -1
	}
	for i, n := range k.names {
		if n == key {
			return i
		}
	}
	return -1
}

// Set gives an object's member a value, at its old place or as the last one. It does nothing on another kind, and
// neither do the methods below on what is lent: its content is changed where it is.
func (v Value) Set(key string, value Value) {
	if v.kind != Object || v.node.lent != nil {
		return
	}
	k := v.node.keys
	if i := k.find(key); i >= 0 {
		v.node.items[i] = value
		return
	}
	k.names = append(k.names, key)
	v.node.items = append(v.node.items, value)
	k.hash()
}

// hash builds or extends the index of an object that is no longer small.
func (k *keys) hash() {
	switch {
	case k.index != nil:
		k.index[k.names[len(k.names)-1]] = len(k.names) - 1
	case len(k.names) > smallObject:
		k.index = make(map[string]int, len(k.names))
		for i, n := range k.names {
			k.index[n] = i
		}
	}
}

// Delete removes a member of an object and returns what it was.
func (v Value) Delete(key string) Value {
	if v.kind != Object || v.node.lent != nil {
		return Value{}
	}
	k := v.node.keys
	i := k.find(key)
	if i < 0 {
		return Value{}
	}
	old := v.node.items[i]
	v.node.items = append(v.node.items[:i], v.node.items[i+1:]...)
	k.names = append(k.names[:i], k.names[i+1:]...)
	k.index = nil
	k.hash()
	return old
}

// SetIndex replaces an element of an array and reports whether there is one at i.
func (v Value) SetIndex(i int, value Value) bool {
	if v.kind != Array || v.node.lent != nil || i < 0 || i >= len(v.node.items) {
		return false
	}
	v.node.items[i] = value
	return true
}

// Append adds elements to an array. It does nothing on another kind.
func (v Value) Append(values ...Value) {
	if v.kind == Array && v.node.lent == nil {
		v.node.items = append(v.node.items, values...)
	}
}

// RemoveIndex removes an element of an array and returns what it was.
func (v Value) RemoveIndex(i int) Value {
	if v.kind != Array || v.node.lent != nil || i < 0 || i >= len(v.node.items) {
		return Value{}
	}
	old := v.node.items[i]
	v.node.items = append(v.node.items[:i], v.node.items[i+1:]...)
	return old
}

// Equal compares as Java's equals does: the order of keys does not matter, the class of a number does (1 is not 1.0).
// Values that take more than MaxSteps to compare are not equal.
func (v Value) Equal(w Value) bool {
	steps := budget(MaxSteps)
	return equalValues(v, w, &steps, 0)
}

func equalValues(v, w Value, b *budget, depth int) bool {
	if b.spend(1); *b < 0 || depth > maxPrinted {
		return false
	}
	if v.kind != w.kind || v.Len() != w.Len() {
		return false
	}
	switch v.kind {
	case Number:
		return v.NumberClass() == w.NumberClass() && compareNumbers(v.text, w.text) == 0
	case Array:
		for i, item := range v.items() {
			if !equalValues(item, w.Index(i), b, depth+1) {
				return false
			}
		}
		return true
	case Object:
		for i, item := range v.items() {
			if other := w.Get(v.Key(i)); !equalValues(item, other, b, depth+1) {
				return false
			}
		}
		return true
	}
	return v.text == w.text
}

// String is the JSON text of v, for people and logs.
func (v Value) String() string { return string(v.AppendJSON(nil, Plain)) }
