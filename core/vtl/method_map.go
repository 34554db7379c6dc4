package vtl

// mapMethods are java.util.LinkedHashMap's (spec/vtl.md 6.2). What they return of a key that was not there is null.
var mapMethods = []method{
	{"get", "O", func(_ *renderer, s Value, a []Value) (Value, error) { return s.Map().get(a[0]), nil }},
	{"put", "OO", func(r *renderer, s Value, a []Value) (Value, error) {
		old := s.Map().put(a[0], a[1])
		r.size(s.Map().Len() * 16)
		return old, r.err
	}},
	{"putAll", "M", func(r *renderer, s Value, a []Value) (Value, error) {
		if a[0].kind == Null {
			return Value{}, errNull
		}
		to := s.Map()
		for _, e := range append([]mapEntry(nil), a[0].Map().entries...) {
			to.put(e.key, e.value)
		}
		r.spend(a[0].Map().Len())
		return StringValue(""), r.err
	}},
	{"putIfAbsent", "OO", func(_ *renderer, s Value, a []Value) (Value, error) {
		m := s.Map()
		if old := m.get(a[0]); old.kind != Null {
			return old, nil
		}
		m.put(a[0], a[1])
		return none()
	}},
	{"getOrDefault", "OO", func(_ *renderer, s Value, a []Value) (Value, error) {
		if i := s.Map().find(a[0]); i >= 0 {
			return s.Map().entries[i].value, nil
		}
		return a[1], nil
	}},
	{"containsKey", "O", func(_ *renderer, s Value, a []Value) (Value, error) { return BoolValue(s.Map().find(a[0]) >= 0), nil }},
	{"containsValue", "O", func(r *renderer, s Value, a []Value) (Value, error) {
		return BoolValue(indexOf(&view{s.Map(), viewValues}, a[0], &r.meter) >= 0), r.err
	}},
	{"remove", "O", func(_ *renderer, s Value, a []Value) (Value, error) {
		old, _ := s.Map().remove(a[0])
		return old, nil
	}},
	{"remove", "OO", func(r *renderer, s Value, a []Value) (Value, error) {
		m := s.Map()
		i := m.find(a[0])
		if i < 0 || !equalValues(m.entries[i].value, a[1], &r.meter) {
			return BoolValue(false), r.err
		}
		m.remove(a[0])
		return BoolValue(true), nil
	}},
	{"replace", "OO", func(_ *renderer, s Value, a []Value) (Value, error) {
		if s.Map().find(a[0]) < 0 {
			return none()
		}
		return s.Map().put(a[0], a[1]), nil
	}},
	{"replace", "OOO", func(r *renderer, s Value, a []Value) (Value, error) {
		i := s.Map().find(a[0])
		if i < 0 || !equalValues(s.Map().entries[i].value, a[1], &r.meter) {
			return BoolValue(false), r.err
		}
		s.Map().put(a[0], a[2])
		return BoolValue(true), nil
	}},
	{"size", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return IntValue(int64(s.Map().Len())), nil }},
	{"isEmpty", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return BoolValue(s.Map().Len() == 0), nil }},
	{"keySet", "", func(_ *renderer, s Value, _ []Value) (Value, error) {
		return ObjectValue(&view{s.Map(), viewKeys}), nil
	}},
	{"values", "", func(_ *renderer, s Value, _ []Value) (Value, error) {
		return ObjectValue(&view{s.Map(), viewValues}), nil
	}},
	{"entrySet", "", func(_ *renderer, s Value, _ []Value) (Value, error) {
		return ObjectValue(&view{s.Map(), viewEntries}), nil
	}},
	{"clear", "", func(_ *renderer, s Value, _ []Value) (Value, error) {
		s.Map().clear()
		return done()
	}},
	{"clone", "", func(r *renderer, s Value, _ []Value) (Value, error) {
		m := s.Map()
		r.spend(m.Len())
		return MapValue(&Map{Silent: m.Silent, entries: append([]mapEntry(nil), m.entries...)}), r.err
	}},
}
