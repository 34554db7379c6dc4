package vtl

// Room makes many lists and maps, those of a document, in few allocations. The zero value is ready. All of them live as long
// as any of them. It is not safe for concurrent use.
type Room struct {
	maps    chunk[Map]
	entries chunk[mapEntry]
	lists   chunk[List]
	items   chunk[Value]
}

// Recycle takes the memory of all of them back, for others: nobody may look at one any more.
func (r *Room) Recycle() {
	r.maps.recycle()
	r.entries.recycle()
	r.lists.recycle()
	r.items.recycle()
}

// JSONArray makes an array of the payload with n items, and gives them to be filled in.
func (r *Room) JSONArray(n int) (*List, []Value) {
	l := r.lists.one()
	l.class, l.items = jsonArray, r.items.many(n)
	return l, l.items
}

// Map makes a map of keys, which must be distinct, and as many values.
func (r *Room) Map(keys []string, values []Value) *Map {
	m := r.maps.one()
	m.entries = r.entries.many(len(keys))
	for i := range m.entries {
		m.entries[i] = mapEntry{StringValue(keys[i]), values[i]}
	}
	return m
}

// Add is Put for a key that the map does not have: it does not look.
func (m *Map) Add(key string, v Value) {
	m.entries = append(m.entries, mapEntry{StringValue(key), v})
	m.index = nil
}
