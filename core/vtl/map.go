package vtl

import "iter"

// indexFrom is the size from which a map keeps an index besides its entries; below, looking at each is faster.
const indexFrom = 33

// Map is Java's LinkedHashMap: it keeps the order of insertion, and keys keep their type. It is not safe for concurrent
// use.
type Map struct {
	// Silent makes the map's own printed form empty: so print $context and the nodes in it (spec/vtl.md 9.3).
	Silent bool
	// Written, when set, is told each string key that is put, before it is.
	Written func(key string)
	entries []mapEntry
	index   map[mapKey]int // nil while small, and after a removal
}

type mapEntry struct{ key, value Value }

// mapKey is a key that can be hashed: every kind but lists, maps, objects and the big numbers, which are searched for.
type mapKey struct {
	kind Kind
	num  uint64
	str  string
}

func keyOf(v Value) (mapKey, bool) {
	switch v.kind {
	case Null, Boolean, Integer, Long, Double, Character:
		return mapKey{v.kind, v.num, ""}, true
	case String:
		return mapKey{String, 0, v.text()}, true
	}
	return mapKey{}, false
}

// NewMap makes an empty map with room for n entries.
func NewMap(n int) *Map { return &Map{entries: make([]mapEntry, 0, n)} }

// Len is the number of entries.
func (m *Map) Len() int { return len(m.entries) }

// Get is the value of a string key.
func (m *Map) Get(key string) (Value, bool) {
	if m.index == nil && len(m.entries) < indexFrom {
		for i := range m.entries {
			if e := &m.entries[i]; e.key.kind == String && e.key.num == uint64(len(key)) && e.key.text() == key {
				return e.value, true
			}
		}
		return Value{}, false
	}
	if i := m.find(StringValue(key)); i >= 0 {
		return m.entries[i].value, true
	}
	return Value{}, false
}

// At is the i-th entry in order, which must be there.
func (m *Map) At(i int) (key, value Value) { return m.entries[i].key, m.entries[i].value }

// Put sets the value of a string key.
func (m *Map) Put(key string, v Value) { m.put(StringValue(key), v) }

// All walks the entries in order.
func (m *Map) All() iter.Seq2[Value, Value] {
	return func(yield func(Value, Value) bool) {
		for _, e := range m.entries {
			if !yield(e.key, e.value) {
				return
			}
		}
	}
}

// find is the position of a key, or -1.
func (m *Map) find(key Value) int {
	if len(m.entries) >= indexFrom {
		if hash, ok := keyOf(key); ok {
			return m.findHash(hash)
		}
	}
	for i := range m.entries {
		if e := &m.entries[i].key; e.kind == key.kind && sameKey(e, &key) {
			return i
		}
	}
	return -1
}

// sameKey compares keys of one kind.
func sameKey(a, b *Value) bool {
	switch a.kind {
	case String:
		return a.num == b.num && a.text() == b.text()
	case Null, Boolean, Integer, Long, Double, Character:
		return a.num == b.num
	}
	return equalValues(*a, *b, newMeter(Limits{}.withDefaults()))
}

func (m *Map) findHash(hash mapKey) int {
	if m.index == nil {
		m.buildIndex()
	}
	if i, found := m.index[hash]; found {
		return i
	}
	return -1
}

func (m *Map) buildIndex() {
	m.index = make(map[mapKey]int, 2*len(m.entries))
	for i := range m.entries {
		if hash, ok := keyOf(m.entries[i].key); ok {
			m.index[hash] = i
		}
	}
}

// get is the value of any key; null when there is none.
func (m *Map) get(key Value) Value {
	if i := m.find(key); i >= 0 {
		return m.entries[i].value
	}
	return Value{}
}

// put returns the previous value. A key that is there keeps its place.
func (m *Map) put(key, v Value) Value {
	if m.Written != nil && key.kind == String {
		m.Written(key.text())
	}
	if i := m.find(key); i >= 0 {
		old := m.entries[i].value
		m.entries[i].value = v
		return old
	}
	m.entries = append(m.entries, mapEntry{key, v})
	if m.index != nil {
		if hash, ok := keyOf(key); ok {
			m.index[hash] = len(m.entries) - 1
		}
	}
	return Value{}
}

// remove returns the value that was there.
func (m *Map) remove(key Value) (Value, bool) {
	i := m.find(key)
	if i < 0 {
		return Value{}, false
	}
	old := m.entries[i].value
	m.entries = append(m.entries[:i], m.entries[i+1:]...)
	m.index = nil
	return old, true
}

func (m *Map) clear() { m.entries, m.index = nil, nil }

// viewOf says what a view shows of its map.
type viewOf uint8

const (
	viewKeys viewOf = iota
	viewValues
	viewEntries
)

// view is keySet(), values() or entrySet(): it follows its map.
type view struct {
	m  *Map
	of viewOf
}

func (v *view) at(i int) (Value, bool) {
	if i >= len(v.m.entries) {
		return Value{}, false
	}
	e := v.m.entries[i]
	switch v.of {
	case viewKeys:
		return e.key, true
	case viewValues:
		return e.value, true
	}
	return ObjectValue(&entry{v.m, e.key, e.value}), true
}

func (v *view) iterator() *iterator { return &iterator{next: v.at, over: v.m, size: v.m.Len()} }

func (v *view) Property(name string) (Value, bool) {
	if name == "empty" || name == "Empty" {
		return BoolValue(v.m.Len() == 0), true
	}
	return Value{}, false
}

// Call: a view's methods are in the table of methods, with those of lists.
func (v *view) Call(string, []Value) (Value, bool, error) { return Value{}, false, nil }

func (v *view) ClassName() string {
	return "java.util.LinkedHashMap$" + [...]string{"LinkedKeySet", "LinkedValues", "LinkedEntrySet"}[v.of]
}

// entry is one key and value of a map.
type entry struct {
	m          *Map
	key, value Value
}

func (e *entry) Property(name string) (Value, bool) {
	switch name {
	case "key", "Key":
		return e.key, true
	case "value", "Value":
		return e.value, true
	}
	return Value{}, false
}

func (e *entry) Call(name string, args []Value) (Value, bool, error) {
	switch {
	case name == "getKey":
		return e.key, true, noArguments(args)
	case name == "getValue":
		return e.value, true, noArguments(args)
	case name == "setValue" && len(args) == 1:
		old := e.m.put(e.key, args[0])
		e.value = args[0]
		return old, true, nil
	}
	return Value{}, false, nil
}

func (e *entry) ClassName() string { return "java.util.LinkedHashMap$Entry" }
