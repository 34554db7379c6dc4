package vtl

// refExpr is a reference, as a statement and as an expression.
type refExpr struct {
	place   place
	chain   []link
	literal string // what it prints without a value; a runt's whole text
	slot    int32
	stock   bool
	runt    bool // no reference: a name that stands directly behind one
	bare    bool // the literal is the name: of a macro's parameter that of the argument is printed
	around  *surroundings
	former  *refExpr // to the same variable
}

// surroundings are what stands before a reference and is printed with it (spec/vtl.md 2.5).
type surroundings struct {
	before, escapes string
	escaped         bool
}

type linkKind uint8

const (
	linkProperty linkKind = iota
	linkIndex
	linkMethod
)

// link is one part of a reference behind its name.
type link struct {
	kind    linkKind
	name    string
	methods *methodSet // nil when no type of the language has such a method
	args    []expression
	place   place
}

// value applies the service's rule: what would be null is the empty string (spec/vtl.md 1.4).
func (e *refExpr) value(r *renderer) (Value, error) {
	if r.steps--; r.steps < 0 {
		return Value{}, r.exhausted()
	}
	if e.runt {
		return Value{}, nil
	}
	var v Value
	var err error
	if r.frame == nil {
		v = r.vars[e.slot]
	} else if v, err = r.get(e.slot); err != nil {
		return Value{}, err
	}
	for i := range e.chain {
		if v.kind == Null {
			break
		}
		l := &e.chain[i]
		if v.kind == MapKind && l.kind == linkProperty && l.name != "class" && l.name != "Class" {
			v, _ = v.Map().Get(l.name)
		} else if v, err = r.follow(v, l); err != nil {
			return Value{}, err
		}
	}
	if v.kind == Null && !e.stock {
		v.kind = String
	}
	return v, nil
}

func (e *refExpr) truth(r *renderer) (bool, error) {
	v, err := e.value(r)
	if v.kind == ObjectKind && err == nil {
		if b, ok := v.any().(*blockValue); ok {
			_, err = b.text() // Velocity asks for its text, and so renders it
		}
	}
	return v.kind != Null && (v.kind != Boolean || v.num == 1), err
}

// render prints the value (spec/vtl.md 2.5 for the backslashes).
func (e *refExpr) render(r *renderer) error {
	if e.runt {
		r.out = append(r.out, e.literal...)
		return nil
	}
	v, err := e.value(r)
	if err != nil {
		return err
	}
	start := len(r.out)
	switch {
	case v.kind == String && e.around == nil:
		r.out = append(r.out, v.text()...)
		return r.printedAt(e, start, v)
	case e.around != nil && e.around.escaped:
		r.out = append(r.out, e.around.escapes...)
		if v.kind == Null {
			r.out = append(r.out, '\\')
		}
		r.out = append(r.out, e.nullText(r)...)
		return nil
	case v.kind == ObjectKind:
		if b, ok := v.any().(*blockValue); ok {
			if done, err := b.render(r); err != nil {
				return err
			} else if done {
				return r.printedAt(e, start, v)
			}
			v = Value{}
		}
	}
	e.surround(r, v)
	if v.kind == Null {
		r.out = append(r.out, e.nullText(r)...)
	} else {
		r.out = appendValue(r.out, v, &r.meter)
	}
	return r.printedAt(e, start, v)
}

// surround prints what stands before the value; before none the backslashes stand double.
func (e *refExpr) surround(r *renderer, v Value) {
	if e.around == nil {
		return
	}
	r.out = append(r.out, e.around.escapes...)
	if v.kind == Null {
		r.out = append(r.out, e.around.escapes...)
	}
	r.out = append(r.out, e.around.before...)
}

// printedAt checks the output after a reference has printed, and tells the trace.
func (r *renderer) printedAt(e *refExpr, start int, v Value) error {
	if len(r.out) > r.limits.Output || r.err != nil {
		r.size(len(r.out))
		return r.failAt(e.place, r.err)
	}
	if r.trace != nil {
		r.emit(e.place, start, Event{Directive: "reference", Name: e.literal, Value: v})
	}
	return nil
}

// nullText is what a reference without a value prints: its source, or, of a macro's parameter, that of the argument.
func (e *refExpr) nullText(r *renderer) string {
	if r.frame != nil && e.bare && r.symbols.all[e.slot].param {
		for f := r.frame; f != nil; f = f.parent {
			if b := f.find(e.slot); b != nil && b.literal != "" {
				return b.literal
			}
		}
	}
	return e.literal
}

// evaluate puts the values of arguments on the renderer's stack and returns where they begin. The caller takes them off.
func (r *renderer) evaluate(args []expression) (int, error) {
	from := len(r.args)
	for _, a := range args {
		v, err := a.value(r)
		if err != nil {
			r.args = r.args[:from]
			return from, err
		}
		r.args = append(r.args, v)
	}
	return from, nil
}

// follow is one step down a reference. Null means that it leads nowhere.
func (r *renderer) follow(v Value, l *link) (Value, error) {
	switch l.kind {
	case linkProperty:
		return property(v, l.name), nil
	case linkIndex:
		i, err := l.args[0].value(r)
		if err != nil {
			return Value{}, err
		}
		found, err := r.index(v, i)
		if err != nil {
			err = r.failAt(l.place, err)
		}
		return found, err
	}
	from, err := r.evaluate(l.args)
	if err != nil {
		return Value{}, err
	}
	n := len(r.args)
	found, err := r.invoke(v, l.name, l.methods, r.args[from:n:n])
	r.args = r.args[:from]
	if err == nil {
		err = r.err
	}
	if err != nil {
		err = r.failAt(l.place, err)
	}
	return found, err
}

// property is .name (spec/vtl.md 6.1).
func property(v Value, name string) Value {
	if name == "class" || name == "Class" {
		if _, ok := v.any().(class); ok {
			return Value{}
		}
		return classOf(v)
	}
	switch v.kind {
	case MapKind:
		found, _ := v.Map().Get(name)
		return found
	case String:
		switch name {
		case "empty", "Empty":
			return BoolValue(v.text() == "")
		case "blank", "Blank":
			return BoolValue(isBlankText(v.text()))
		case "bytes", "Bytes":
			return ListValue(bytesOf(v.text()))
		}
	case ListKind:
		if l := v.List(); (name == "empty" || name == "Empty") && !l.class.isArray() {
			return BoolValue(l.Len() == 0)
		}
	case Double:
		switch name {
		case "naN", "NaN":
			return BoolValue(v.double() != v.double())
		case "infinite", "Infinite":
			return BoolValue(!finite(v) && v.double() == v.double())
		}
	case ObjectKind:
		if found, ok := v.Object().Property(name); ok {
			return found
		}
	}
	return Value{}
}

// fromEnd turns the index -1 into the last one on anything with a size (spec/vtl.md 6.1).
func (r *renderer) fromEnd(v, i Value) (Value, error) {
	if i.kind != Integer || int64(i.num) >= 0 {
		return i, nil
	}
	n := 0
	switch x := v.any().(type) {
	case *List:
		n = x.Len()
	case *Map:
		n = x.Len()
	case *view:
		n = x.m.Len()
	case *loop:
		n = x.store().Len()
	default:
		return i, errNoSize
	}
	return IntValue(int64(n) + int64(i.num)), nil
}

// index is v[i].
func (r *renderer) index(v, i Value) (Value, error) {
	i, err := r.fromEnd(v, i)
	if err != nil {
		return Value{}, err
	}
	switch x := v.any().(type) {
	case *Map:
		return x.get(i), nil
	case *List:
		if i.kind != Integer {
			return Value{}, nil
		}
		return x.item(int64(i.num))
	case class:
		return r.static(x, methodTable["get"], []Value{i})
	case Object:
		found, _, err := x.Call("get", []Value{i})
		return found, err
	}
	return Value{}, nil
}

// assign is #set on the last part of a reference, v being what stands before it (spec/vtl.md 5.1).
func (r *renderer) assign(v Value, l *link, to Value) error {
	if l.kind == linkIndex {
		i, err := l.args[0].value(r)
		if err != nil {
			return err
		}
		if i, err = r.fromEnd(v, i); err != nil {
			return r.failAt(l.place, err)
		}
		switch x := v.any().(type) {
		case *Map:
			x.put(i, to)
		case *List:
			if i.kind == Integer {
				if _, err = x.set(int64(i.num), to); err != nil {
					return r.failAt(l.place, err)
				}
			}
		case Object:
			_, _, err = x.Call("put", []Value{i, to})
			return err
		}
		return nil
	}
	switch x := v.any().(type) {
	case *Map:
		x.Put(l.name, to)
	case PropertySetter:
		x.SetProperty(l.name, to)
	}
	return nil
}
