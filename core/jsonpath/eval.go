package jsonpath

// MaxSteps is how many values one evaluation may visit.
const MaxSteps = 10_000_000

// budget is how many steps are left; below zero the evaluation ends.
type budget int

func (b *budget) spend(n int) { *b -= budget(n) }

// bytesPerStep: comparing that much text costs about as much as visiting a value.
const bytesPerStep = 64

var errBudget = &Error{Code: TooComplex, Message: "evaluation visits too many values"}

// run is one evaluation: what all paths of it, also those inside filters, share.
type run struct {
	document Value
	budget   budget
	cache    []cached // results of the paths from the document that filters ask for again and again
}

type cached struct {
	program *Program
	value   Value
	err     error
}

// Eval runs the path on a document. A definite path finds one value or fails with PathNotFound; another finds an array, empty
// when nothing fits, and fails with PathNotFound only when its definite beginning leads nowhere. Errors are *Error.
func (p *Program) Eval(document Value) (Value, error) { return p.within(MaxSteps, document) }

func (p *Program) within(steps budget, document Value) (Value, error) {
	if p.simple {
		return p.walk(document)
	}
	r := run{document: document, budget: steps}
	return r.eval(p, document)
}

// walk is Eval for a path of single names and indexes.
func (p *Program) walk(v Value) (Value, error) {
	for i := 1; i < len(p.steps); i++ {
		s := &p.steps[i]
		if s.kind == propertyStep {
			v = v.Get(s.names[0])
		} else {
			v = element(v, s.indexes[0])
		}
		if v.kind == Absent {
			return Value{}, s.missing
		}
	}
	if v.kind == Absent {
		return Value{}, p.steps[0].missing
	}
	return v, nil
}

// element counts from the end when i is negative.
func element(v Value, i int) Value {
	if v.kind != Array {
		return Value{}
	}
	if i < 0 {
		i += v.Len()
	}
	return v.Index(i)
}

// nested evaluates a path of a filter or of a function's argument.
func (r *run) nested(p *Program, item Value) (Value, error) {
	if !p.root {
		return r.eval(p, item)
	}
	for i := range r.cache {
		if c := &r.cache[i]; c.program == p {
			return c.value, c.err
		}
	}
	v, err := r.eval(p, r.document)
	r.cache = append(r.cache, cached{p, v, err})
	return v, err
}

func (r *run) eval(p *Program, from Value) (Value, error) {
	if p.simple {
		r.budget--
		return p.walk(from)
	}
	e := evaluation{run: r, program: p}
	if err := e.step(0, from); err != nil {
		return Value{}, err
	}
	if !p.definite {
		return ArrayValue(e.found...), nil
	}
	if len(e.found) == 0 {
		return Value{}, p.steps[len(p.steps)-1].missing
	}
	return e.found[len(e.found)-1], nil
}

// evaluation is one run of one program.
type evaluation struct {
	*run
	program *Program
	found   []Value
}

func (e *evaluation) add(v Value) { e.found = append(e.found, v) }

// step applies the i-th step to v and goes on with what it finds.
func (e *evaluation) step(i int, v Value) error {
	s := &e.program.steps[i]
	if e.budget--; e.budget < 0 {
		return errBudget
	}
	switch s.kind {
	case propertyStep:
		return e.property(i, v)
	case indexStep:
		return e.index(i, v)
	case sliceStep:
		return e.slice(i, v)
	case wildcardStep:
		return e.wildcard(i, v)
	case scanStep:
		if s.last { // the parser does not let a path end so
			return nil
		}
		return e.scan(i+1, v, 0)
	case filterStep:
		return e.filter(i, v)
	case functionStep:
		return e.call(i, v)
	}
	return e.next(i, v)
}

// next hands on what step i found.
func (e *evaluation) next(i int, v Value) error {
	if e.program.steps[i].last {
		e.add(v)
		return nil
	}
	return e.step(i+1, v)
}

func (e *evaluation) property(i int, v Value) error {
	s := &e.program.steps[i]
	if v.kind != Object {
		if s.upstream {
			return s.missing
		}
		return nil
	}
	if len(s.names) > 1 && s.last {
		return e.gather(s, v)
	}
	for _, name := range s.names {
		if err := e.named(i, name, v); err != nil {
			return err
		}
	}
	return nil
}

func (e *evaluation) named(i int, name string, v Value) error {
	s := &e.program.steps[i]
	if member := v.Get(name); member.kind != Absent {
		return e.next(i, member)
	}
	switch {
	case e.program.required, !s.last && s.upstream && len(s.names) == 1:
		return s.missing
	}
	return nil
}

// gather makes an object of several members.
func (e *evaluation) gather(s *link, v Value) error {
	out := ObjectValue()
	for _, name := range s.names {
		member := v.Get(name)
		if member.kind == Absent {
			if e.program.required {
				return s.missing
			}
			continue
		}
		out.Set(name, member)
	}
	e.add(out)
	return nil
}

// array reports whether a step for arrays may go on; not being one is an error only behind a definite beginning.
func (e *evaluation) array(s *link, v Value) (bool, error) {
	if v.kind == Array {
		return true, nil
	}
	if s.upstream {
		return false, s.missing
	}
	return false, nil
}

func (e *evaluation) index(i int, v Value) error {
	s := &e.program.steps[i]
	ok, err := e.array(s, v)
	if !ok {
		return err
	}
	for _, n := range s.indexes {
		if err := e.at(i, n, v); err != nil {
			return err
		}
	}
	return nil
}

// at goes on with element n, if there is one.
func (e *evaluation) at(i, n int, v Value) error {
	if item := element(v, n); item.kind != Absent {
		return e.next(i, item)
	}
	return nil
}

// slice: a negative bound counts from the end where it is the only one. Between two bounds the library counts up and lets
// negative numbers address from the end one by one, so [-2:1] is the last two elements and the first.
func (e *evaluation) slice(i int, v Value) error {
	s := &e.program.steps[i]
	ok, err := e.array(s, v)
	if !ok {
		return err
	}
	from, to := 0, v.Len()
	switch {
	case s.to == nil:
		if from = *s.from; from < 0 {
			from = max(0, from+to)
		}
	case s.from == nil:
		if to = min(to, *s.to); to < 0 {
			to += v.Len()
		}
	default:
		from, to = max(*s.from, -v.Len()), min(to, *s.to)
	}
	for n := from; n < to; n++ {
		if err := e.at(i, n, v); err != nil {
			return err
		}
	}
	return nil
}

func (e *evaluation) wildcard(i int, v Value) error {
	if v.node == nil {
		return nil
	}
	for _, item := range v.items() {
		err := e.next(i, item)
		if isNotFound(err) && v.kind == Array && !e.program.required {
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// filter keeps the elements of an array for which it holds, or the object itself.
func (e *evaluation) filter(i int, v Value) error {
	s := &e.program.steps[i]
	switch v.kind {
	case Object:
		ok, err := e.accepts(s, v)
		if err == nil && ok {
			return e.next(i, v)
		}
		return err
	case Array:
		for _, item := range v.items() {
			ok, err := e.accepts(s, item)
			if err == nil && ok {
				err = e.next(i, item)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	if s.upstream {
		return invalid(s.position, "a filter cannot be applied to this value")
	}
	return nil
}

func (e *evaluation) accepts(s *link, v Value) (bool, error) {
	if e.budget--; e.budget < 0 {
		return false, errBudget
	}
	ok, err := s.filter.holds(e.run, v)
	if err == errReject {
		return false, nil
	}
	return ok, err
}

// scan applies step i to v and to everything inside v.
func (e *evaluation) scan(i int, v Value, depth int) error {
	if v.node == nil {
		return nil
	}
	if e.budget--; e.budget < 0 || depth > maxPrinted {
		return errBudget
	}
	ok, err := e.scannable(&e.program.steps[i], v)
	if err == nil && ok {
		err = e.scanned(i, v)
	}
	if err != nil {
		return err
	}
	for _, item := range v.items() {
		if err := e.scan(i, item, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// scanned applies step i. On an array with steps to come the library skips the step itself and goes on with every element:
// $..[0].a is the a of all elements.
func (e *evaluation) scanned(i int, v Value) error {
	if v.kind == Object || e.program.steps[i].last {
		return e.step(i, v)
	}
	for _, item := range v.items() {
		if err := e.step(i+1, item); err != nil {
			return err
		}
	}
	return nil
}

// scannable reports whether a deep scan tries the step on v.
func (e *evaluation) scannable(s *link, v Value) (bool, error) {
	switch s.kind {
	case propertyStep:
		if v.kind != Object {
			return false, nil
		}
		if e.program.required || !s.definite {
			return true, nil
		}
		for _, name := range s.names {
			if v.Get(name).kind == Absent {
				return false, nil
			}
		}
		return true, nil
	case indexStep, sliceStep:
		return v.kind == Array, nil
	case wildcardStep:
		return true, nil
	case filterStep:
		return e.accepts(s, v)
	}
	return false, nil
}
