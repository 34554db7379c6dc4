package vtl

import (
	"errors"
	"unsafe"
)

// foreachStep is #foreach (spec/vtl.md 5.3).
type foreachStep struct {
	place place
	key   int32
	list  expression
	body  block
}

var errModified = errors.New("the list was changed while #foreach walked over it")

// loop is $foreach, of one loop under way.
type loop struct {
	index   int
	hasNext bool
	parent  Value
	stored  *Map   // what the template stores in it
	self    Object // the loop: what its value points at
}

func newLoop(parent Value) (*loop, Value) {
	l := &loop{index: -1, parent: parent}
	l.self = l
	return l, Value{kind: ObjectKind, pointer: unsafe.Pointer(&l.self)}
}

// loopNames are the slots of the names a loop assigns, -1 for one that nobody reads.
type loopNames struct{ scope, count, hasNext int32 }

func (s *symbols) loopNames() loopNames {
	of := func(name string) int32 {
		if i, ok := s.find(name); ok {
			return i
		}
		return -1
	}
	return loopNames{of(loopScope), of(loopCount), of(loopHasNext)}
}

// walk is a walk under way: over a range, a list, a map, or with an iterator.
type walk struct {
	list     *List
	view     view
	it       *iterator
	at, size int
	from     int64 // of a range
	down     bool
}

// over begins a walk; false for what cannot be walked over.
func over(v Value) (walk, bool) {
	switch x := v.any().(type) {
	case *List:
		return walk{list: x, size: x.Len()}, true
	case *Map:
		return walk{view: view{x, viewValues}, size: x.Len()}, true
	case *view:
		return walk{view: *x, size: x.m.Len()}, true
	case sequence:
		return walk{it: x.iterator()}, true
	case *loop:
		return walk{view: view{x.store(), viewValues}, size: x.store().Len()}, true
	}
	return walk{}, false
}

func (w *walk) hasNext() bool {
	switch {
	case w.list != nil:
		return w.at != w.list.Len()
	case w.it != nil:
		return w.it.hasNext()
	} // a map's size is what it was: what is added later is not seen
	return w.at < w.size
}

func (w *walk) next() (Value, error) {
	switch {
	case w.list != nil:
		if w.list.Len() != w.size && !w.list.class.isArray() {
			return Value{}, errModified
		}
		w.at++
		return w.list.items[w.at-1], nil
	case w.it != nil:
		if w.it.over != nil && w.it.over.Len() != w.it.size {
			return Value{}, errModified
		}
		v, _ := w.it.take()
		return v, nil
	case w.view.m != nil:
		if w.view.m.Len() != w.size {
			return Value{}, errModified
		}
		w.at++
		v, _ := w.view.at(w.at - 1)
		return v, nil
	}
	n := w.from + int64(w.at)
	if w.down {
		n = w.from - int64(w.at)
	}
	w.at++
	return IntValue(n), nil
}

// begin evaluates what to walk over. A range that stands here is never made a list.
func (s *foreachStep) begin(r *renderer) (walk, Value, bool, error) {
	if e, ok := s.list.(*rangeExpr); ok {
		from, to, ok, err := e.ends(r)
		if !ok || err != nil {
			return walk{}, Value{}, false, err
		}
		w := walk{from: from, size: int(to-from) + 1}
		if from >= to {
			w.down, w.size = true, int(from-to)+1
		}
		return w, Value{}, true, nil
	}
	v, err := s.list.value(r)
	if err != nil {
		return walk{}, v, false, err
	}
	w, ok := over(v)
	return w, v, ok, nil
}

func (s *foreachStep) render(r *renderer) error {
	start := len(r.out)
	w, v, ok, err := s.begin(r)
	if err != nil {
		return r.failAt(s.place, err)
	}
	iterations := 0
	if ok {
		iterations, err = s.iterate(r, &w)
	}
	if r.trace != nil {
		cut := iterations >= r.limits.Iterations && w.hasNext()
		r.emit(s.place, start, Event{Directive: "foreach", Name: "$" + r.symbols.all[s.key].name, Value: v, Iterations: iterations, Cut: cut})
	}
	return err
}

// iterate walks, and gives the names it has assigned their former values back.
func (s *foreachStep) iterate(r *renderer, w *walk) (int, error) {
	names := r.names
	key, err := r.get(s.key)
	if err != nil {
		return 0, err
	}
	var count, hasNext, scope Value
	var l *loop
	if names.count >= 0 {
		if count, err = r.get(names.count); err != nil {
			return 0, err
		}
	}
	if names.hasNext >= 0 {
		if hasNext, err = r.get(names.hasNext); err != nil {
			return 0, err
		}
	}
	if names.scope >= 0 {
		if scope, err = r.get(names.scope); err != nil {
			return 0, err
		}
		var object Value
		l, object = newLoop(scope)
		r.put(names.scope, object)
	}
	n, err := s.turns(r, w, names, l)
	if names.count >= 0 {
		r.restore(names.count, count)
	}
	if names.hasNext >= 0 {
		r.restore(names.hasNext, hasNext)
	}
	r.restore(s.key, key)
	if names.scope >= 0 {
		r.restore(names.scope, scope)
	}
	if err == errBreak || err == errBreakTo && l != nil && r.target == l {
		err = nil
	}
	return n, err
}

func (s *foreachStep) turns(r *renderer, w *walk, names loopNames, l *loop) (int, error) {
	n := 0
	for w.hasNext() {
		if n >= r.limits.Iterations {
			if r.limits.Cut != nil {
				line, _ := s.place.position()
				r.limits.Cut(line)
			}
			return n, nil // spec/vtl.md 5.3: silently
		}
		n++
		if names.count >= 0 {
			r.put(names.count, IntValue(int64(n)))
		}
		v, err := w.next()
		if err != nil {
			return n, r.failAt(s.place, err)
		}
		if names.hasNext >= 0 {
			r.put(names.hasNext, BoolValue(w.hasNext()))
		}
		r.put(s.key, v)
		if l != nil {
			l.index++
			l.hasNext = w.hasNext()
		}
		nulls := len(r.nulls)
		if v.kind == Null {
			r.nulls = append(r.nulls, s.key)
		}
		err = s.body.render(r)
		if r.nulls = r.nulls[:nulls]; err != nil {
			return n, err
		}
		if r.steps--; r.steps < 0 {
			return n, r.exhausted()
		}
	}
	return n, nil
}

func (l *loop) store() *Map {
	if l.stored == nil {
		l.stored = NewMap(0)
	}
	return l.stored
}

func (l *loop) topmost() Value {
	top := l
	for {
		outer, ok := top.parent.any().(*loop)
		if !ok {
			return ObjectValue(top)
		}
		top = outer
	}
}

// Property: the loop's own, then what has been stored.
func (l *loop) Property(name string) (Value, bool) {
	switch name {
	case "index", "Index":
		return IntValue(int64(l.index)), true
	case "count", "Count":
		return IntValue(int64(l.index) + 1), true
	case "hasNext":
		return BoolValue(l.hasNext), true
	case "first", "First":
		return BoolValue(l.index < 1), true
	case "last", "Last":
		return BoolValue(!l.hasNext), true
	case "parent", "Parent":
		if _, ok := l.parent.any().(*loop); !ok {
			return Value{}, false
		}
		return l.parent, true
	case "topmost", "Topmost":
		return l.topmost(), true
	}
	for outer := l; outer != nil; outer, _ = outer.parent.any().(*loop) {
		if v, ok := outer.store().Get(name); ok {
			return v, true
		}
	}
	return Value{}, false
}

// SetProperty stores in the loop's own scope.
func (l *loop) SetProperty(name string, v Value) bool {
	l.store().Put(name, v)
	return true
}

// Call is the getters. Every other method is that of the map of what is stored.
func (l *loop) Call(name string, args []Value) (Value, bool, error) {
	if getter, ok := loopGetters[name]; ok {
		v, found := l.Property(getter)
		return v, found, noArguments(args)
	}
	if name == "getClass" {
		return classOf(ObjectValue(l)), true, noArguments(args)
	}
	return Value{}, false, nil
}

var loopGetters = map[string]string{
	"getIndex": "index", "getCount": "count", "hasNext": "hasNext", "getHasNext": "hasNext", "isFirst": "first", "isLast": "last",
	"getParent": "parent", "getTopmost": "topmost",
}

func (l *loop) AppendText(dst []byte) []byte {
	return appendMap(dst, l.store(), newMeter(Limits{}.withDefaults()))
}

func (l *loop) ClassName() string { return "org.apache.velocity.runtime.directive.ForeachScope" }
