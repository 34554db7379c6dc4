package vtl

import "errors"

// collectionMethods are those of java.util.Collection (spec/vtl.md 6.2).
var collectionMethods = []method{
	{"size", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return IntValue(int64(sizeOf(s))), nil }},
	{"isEmpty", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return BoolValue(sizeOf(s) == 0), nil }},
	{"contains", "O", func(r *renderer, s Value, a []Value) (Value, error) {
		return BoolValue(indexOf(s.any().(sequence), a[0], &r.meter) >= 0), r.err
	}},
	{"containsAll", "L", func(r *renderer, s Value, a []Value) (Value, error) {
		if a[0].kind == Null {
			return Value{}, errNull
		}
		return BoolValue(containsAll(s.any().(sequence), a[0].any().(sequence), &r.meter)), r.err
	}},
	{"iterator", "", func(_ *renderer, s Value, _ []Value) (Value, error) {
		return ObjectValue(s.any().(sequence).iterator()), nil
	}},
	{"toArray", "", func(r *renderer, s Value, _ []Value) (Value, error) {
		l := &List{class: fixed, items: elements(s.any().(sequence))}
		r.spend(l.Len())
		return ListValue(l), r.err
	}},
}

// elements is a new slice of what a sequence holds.
func elements(s sequence) []Value {
	if l, ok := s.(*List); ok {
		return append([]Value(nil), l.items...)
	}
	var all []Value
	it := s.iterator()
	for v, ok := it.take(); ok; v, ok = it.take() {
		all = append(all, v)
	}
	return all
}

func sizeOf(v Value) int {
	switch x := v.any().(type) {
	case *List:
		return x.Len()
	case *Map:
		return x.Len()
	case *view:
		return x.m.Len()
	}
	return 0
}

// listMethods are java.util.List's.
var listMethods = []method{
	{"get", "I", getItem},
	{"set", "IO", setItem},
	{"add", "O", func(r *renderer, s Value, a []Value) (Value, error) {
		l := s.List()
		l.items = append(l.items, a[0])
		r.size(len(l.items) * 16)
		return BoolValue(true), r.err
	}},
	{"add", "IO", insertItem},
	{"addAll", "L", func(r *renderer, s Value, a []Value) (Value, error) { return addAll(r, s.List(), s.List().Len(), a[0]) }},
	{"addAll", "IL", func(r *renderer, s Value, a []Value) (Value, error) {
		return addAll(r, s.List(), int(a[0].Int()), a[1])
	}},
	{"remove", "I", func(r *renderer, s Value, a []Value) (Value, error) {
		l, i := s.List(), a[0].Int()
		old, err := l.item(i)
		if err == nil {
			l.items = append(l.items[:i], l.items[i+1:]...)
		}
		r.spend(l.Len() >> 4)
		return old, err
	}},
	{"remove", "O", func(r *renderer, s Value, a []Value) (Value, error) {
		l := s.List()
		i := indexOf(l, a[0], &r.meter)
		if i >= 0 {
			l.items = append(l.items[:i], l.items[i+1:]...)
		}
		return BoolValue(i >= 0), r.err
	}},
	{"removeAll", "L", func(r *renderer, s Value, a []Value) (Value, error) { return filter(r, s.List(), a[0], false) }},
	{"retainAll", "L", func(r *renderer, s Value, a []Value) (Value, error) { return filter(r, s.List(), a[0], true) }},
	{"indexOf", "O", func(r *renderer, s Value, a []Value) (Value, error) {
		return IntValue(int64(indexOf(s.List(), a[0], &r.meter))), r.err
	}},
	{"lastIndexOf", "O", lastIndexOfItem},
	{"subList", "II", sublist},
	{"clear", "", func(_ *renderer, s Value, _ []Value) (Value, error) {
		s.List().items = nil
		return done()
	}},
	{"listIterator", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return ObjectValue(s.List().iterator()), nil }},
	{"ensureCapacity", "I", func(*renderer, Value, []Value) (Value, error) { return done() }},
	{"trimToSize", "", func(*renderer, Value, []Value) (Value, error) { return done() }},
	{"clone", "", func(r *renderer, s Value, _ []Value) (Value, error) {
		r.spend(s.List().Len())
		return ListValue(&List{class: s.List().class, items: elements(s.List())}), r.err
	}},
	{"toJSONString", "", func(r *renderer, s Value, _ []Value) (Value, error) {
		if !s.List().IsJSON() {
			return none()
		}
		return StringValue(string(appendJSON(nil, s, true, &r.meter))), r.err
	}},
}

// sublist is a copy: writing through it into the list is left out, it needs lists that share their items.
func sublist(r *renderer, s Value, a []Value) (Value, error) {
	l, from, to := s.List(), a[0].Int(), a[1].Int()
	if from < 0 || to > int64(l.Len()) || from > to {
		return outOfRange()
	}
	r.spend(int(to - from))
	return ListValue(&List{class: subList, items: append([]Value(nil), l.items[from:to]...)}), r.err
}

// item is an element; out of range is an error.
func (l *List) item(i int64) (Value, error) {
	if i < 0 || i >= int64(len(l.items)) {
		return outOfRange()
	}
	return l.items[i], nil
}

// set replaces an element and returns the former one.
func (l *List) set(i int64, v Value) (Value, error) {
	old, err := l.item(i)
	if err == nil && !l.takes(v) {
		err = errStore
	}
	if err == nil {
		l.items[i] = v
	}
	return old, err
}

var errStore = errors.New("ArrayStoreException")

// takes: an array has elements of one type.
func (l *List) takes(v Value) bool {
	switch l.class {
	case array:
		return v.kind == String || v.kind == Null
	case charArray:
		return v.kind == Character
	case byteArray:
		return false
	}
	return true
}

func getItem(_ *renderer, s Value, a []Value) (Value, error) { return s.List().item(a[0].Int()) }

func setItem(_ *renderer, s Value, a []Value) (Value, error) { return s.List().set(a[0].Int(), a[1]) }

func insertItem(r *renderer, s Value, a []Value) (Value, error) {
	l, i := s.List(), a[0].Int()
	if i < 0 || i > int64(l.Len()) {
		return outOfRange()
	}
	if !r.size(len(l.items) * 16) {
		return Value{}, r.err
	}
	l.items = append(l.items, Value{})
	copy(l.items[i+1:], l.items[i:])
	l.items[i] = a[1]
	return done()
}

func addAll(r *renderer, l *List, at int, from Value) (Value, error) {
	if from.kind == Null {
		return Value{}, errNull
	}
	if at < 0 || at > l.Len() {
		return outOfRange()
	}
	if !r.size((l.Len() + sizeOf(from)) * 16) {
		return Value{}, r.err
	}
	more := elements(from.any().(sequence))
	tail := append([]Value(nil), l.items[at:]...)
	l.items = append(append(l.items[:at], more...), tail...)
	return BoolValue(len(more) > 0), nil
}

// filter keeps the elements that are, or are not, in a collection.
func filter(r *renderer, l *List, in Value, keep bool) (Value, error) {
	if in.kind == Null {
		return Value{}, errNull
	}
	kept := l.items[:0:0]
	for _, v := range l.items {
		if (indexOf(in.any().(sequence), v, &r.meter) >= 0) == keep {
			kept = append(kept, v)
		}
	}
	changed := len(kept) != len(l.items)
	l.items = kept
	return BoolValue(changed), r.err
}

func lastIndexOfItem(r *renderer, s Value, a []Value) (Value, error) {
	l := s.List()
	for i := l.Len() - 1; i >= 0; i-- {
		if equalValues(l.items[i], a[0], &r.meter) {
			return IntValue(int64(i)), nil
		}
	}
	r.spend(l.Len())
	return IntValue(-1), r.err
}

// arrayMethods are what Velocity lends a Java array, besides the methods of collections: a list of fixed size.
var arrayMethods = []method{
	{"get", "I", getItem},
	{"set", "IO", setItem},
	{"indexOf", "O", func(r *renderer, s Value, a []Value) (Value, error) {
		return IntValue(int64(indexOf(s.List(), a[0], &r.meter))), r.err
	}},
	{"lastIndexOf", "O", lastIndexOfItem},
	{"subList", "II", sublist},
	{"listIterator", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return ObjectValue(s.List().iterator()), nil }},
	{"add", "O", unsupported},
	{"add", "IO", unsupported},
	{"remove", "I", unsupported},
	{"remove", "O", func(r *renderer, s Value, a []Value) (Value, error) {
		if indexOf(s.List(), a[0], &r.meter) >= 0 {
			return Value{}, errUnsupported
		}
		return BoolValue(false), r.err
	}},
	{"clear", "", unsupported},
}

var errUnsupported = errors.New("UnsupportedOperationException")

func unsupported(*renderer, Value, []Value) (Value, error) { return Value{}, errUnsupported }

// viewMethods are those of keySet(), values() and entrySet() that change the map.
var viewMethods = []method{
	{"add", "O", unsupported},
	{"remove", "O", func(r *renderer, s Value, a []Value) (Value, error) {
		w := s.any().(*view)
		i := indexOf(w, a[0], &r.meter)
		if i >= 0 {
			w.m.remove(w.m.entries[i].key)
		}
		return BoolValue(i >= 0), r.err
	}},
	{"clear", "", func(_ *renderer, s Value, _ []Value) (Value, error) {
		s.any().(*view).m.clear()
		return done()
	}},
}
