package vtl

import (
	"errors"
	"slices"
	"sync"

	"github.com/limen-gateway/limen/core/regex"
)

// Variable is one of the variables a template starts with.
type Variable struct {
	Name  string
	Value Value
}

// Render runs the program with these variables and returns the output. The zero Limits are the defaults; a nil trace costs
// nothing. An error is an *Error, and there is no output then.
func (p *Program) Render(variables []Variable, l Limits, t Trace) ([]byte, error) {
	r := renderers.Get().(*renderer)
	defer r.release()
	r.start(p, l.withDefaults(), t)
	for _, v := range variables {
		if slot, ok := r.symbols.find(v.Name); ok {
			r.vars[slot] = v.Value
		} else if p.dynamic {
			r.declare(v.Name, v.Value)
		}
	}
	err := p.body.render(r)
	if err == nil {
		err = r.meter.err
	}
	if err != nil && !errors.Is(err, errStop) && !isBreak(err) {
		return nil, r.failure(err)
	}
	out := mend(r.out)
	return append([]byte{}, out...), nil
}

// renderers keeps the buffers of renders that are done.
var renderers = sync.Pool{New: func() any { return &renderer{} }}

// maxKept bounds the buffer that a renderer keeps for the next render.
const maxKept = 1 << 20

// renderer is one render under way.
type renderer struct {
	meter
	program  *Program
	symbols  *symbols // the program's, or a copy that #evaluate has grown
	vars     []Value
	frame    *frame // the macro call under way; nil outside
	frames   []*frame
	escaped  bool // a block holds on to frames and to the renderer itself
	macros   map[string]*macro
	texts    map[string]*fragment // what #evaluate has compiled
	out      []byte
	args     []Value
	captures int   // strings under way, whose text stands in out for the time being
	target   *loop // of a #break of an outer loop
	names    loopNames
	nulls    []int32 // the variables of loops whose element is null
	trace    Trace
	matcher  regex.Matcher
	granted  int64 // steps of the match under way, and those that are left of them
	left     int64
	recent   [recentPatterns]recentPattern
	// nextRecent is the one to be forgotten next.
	nextRecent int
	scratch    []byte // for texts on their way to a string
	at         place  // of the node that is at work, for errors of limits
}

func (r *renderer) start(p *Program, l Limits, t Trace) {
	r.meter = meter{limits: l, steps: l.Steps}
	r.program, r.symbols, r.names, r.trace = p, &p.symbols, p.loops, t
	n := len(p.symbols.all)
	if cap(r.vars) < n {
		r.vars = make([]Value, n)
	}
	r.vars = r.vars[:n]
	r.at = place{&p.source, 0}
}

// release empties the renderer, so that nothing leaks into another render, and gives it back.
func (r *renderer) release() {
	if r.escaped {
		return // a block that the template has given to the host may still be printed
	}
	clear(r.vars[:cap(r.vars)])
	clear(r.args[:cap(r.args)])
	kept := renderer{vars: r.vars[:0], args: r.args[:0], out: r.out[:0], frames: r.frames, matcher: r.matcher, scratch: r.scratch[:0]}
	kept.matcher.Forget()
	if cap(kept.out)+cap(kept.scratch) > maxKept {
		kept.out, kept.scratch = nil, nil
	}
	*r = kept
	renderers.Put(r)
}

// The ways in which a block ends early. They are errors only on the way to what they end.
var (
	errStop    = errors.New("#stop")
	errBreak   = errors.New("#break")
	errBreakTo = errors.New("#break of an outer loop")
)

func isBreak(err error) bool { return err == errBreak || err == errBreakTo }

// failure is the error of a render with its place.
func (r *renderer) failure(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	kind := ErrRender
	var limit *limitError
	if errors.As(err, &limit) {
		kind = ErrLimit
	}
	e = &Error{Kind: kind, Message: err.Error()}
	e.Line, e.Column = r.at.position()
	return e
}

// failAt makes a failure with the place of its cause; control errors pass.
func (r *renderer) failAt(at place, err error) error {
	if err == errStop || isBreak(err) {
		return err
	}
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	r.at = at
	return r.failure(err)
}

func (r *renderer) exhausted() error {
	r.spend(0)
	return r.err
}

// declare makes a variable that the program itself does not name.
func (r *renderer) declare(name string, v Value) {
	r.growable()
	r.symbols.slot(name)
	r.vars = append(r.vars, v)
}

// growable gives this render a table of names of its own.
func (r *renderer) growable() {
	if r.symbols == &r.program.symbols {
		c := r.symbols.clone()
		r.symbols = &c
	}
}

// frame is one call of a macro. Its parameters are looked at before the variables (spec/vtl.md 5.5).
type frame struct {
	parent *frame
	params []binding
	depth  int
}

// binding is a parameter: an argument that is evaluated at every use, or a value once it has been assigned.
type binding struct {
	slot    int32
	bound   bool
	arg     expression // nil once the parameter has a value
	value   Value
	literal string
}

func (f *frame) forget() {
	clear(f.params[:cap(f.params)])
	f.params, f.parent = f.params[:0], nil
}

func (f *frame) find(slot int32) *binding {
	for i := len(f.params) - 1; i >= 0; i-- {
		if f.params[i].slot == slot && f.params[i].bound {
			return &f.params[i]
		}
	}
	return nil
}

// get is the value of a variable, null when it has none.
func (r *renderer) get(slot int32) (Value, error) {
	if r.frame == nil || !r.symbols.all[slot].param {
		return r.vars[slot], nil
	}
	for f := r.frame; f != nil; f = f.parent {
		b := f.find(slot)
		if b == nil {
			continue
		}
		if b.arg == nil {
			return b.value, nil
		}
		return r.byName(f, b)
	}
	return r.vars[slot], nil
}

// byName evaluates an argument where the call stands.
func (r *renderer) byName(f *frame, b *binding) (Value, error) {
	arg, current := b.arg, r.frame
	r.frame = f.parent
	v, err := arg.value(r)
	r.frame = current
	return v, err
}

// put assigns a variable, and every parameter of its name in the calls under way.
func (r *renderer) put(slot int32, v Value) {
	if len(r.nulls) == 0 || !r.staysNull(slot, v) {
		r.vars[slot] = v
	}
	if r.frame == nil || !r.symbols.all[slot].param {
		return
	}
	for f := r.frame; f != nil; f = f.parent {
		if b := f.find(slot); b != nil {
			b.arg, b.value = nil, v
		}
	}
}

// staysNull: the variable of a loop is null as long as the element is, whatever is assigned (spec/vtl.md 5.3). An inner
// loop with a null element of its own ends that.
func (r *renderer) staysNull(slot int32, v Value) bool {
	i := slices.Index(r.nulls, slot)
	if i >= 0 && v.kind == Null {
		r.nulls[i] = -1
	}
	return i >= 0 && v.kind != Null
}

// restore gives a variable the value it had, or removes it.
func (r *renderer) restore(slot int32, v Value) {
	if v.kind != Null || r.frame == nil || !r.symbols.all[slot].param {
		r.put(slot, v)
		return
	}
	r.vars[slot] = v
	for f := r.frame; f != nil; f = f.parent {
		if b := f.find(slot); b != nil {
			b.bound = false
		}
	}
}

// call makes the frame of a macro call current.
func (r *renderer) call(params []int32, args []expression, literals []string) *frame {
	var f *frame
	if n := len(r.frames); n > 0 && !r.escaped {
		f = r.frames[n-1]
		r.frames = r.frames[:n-1]
	} else {
		f = &frame{}
	}
	f.parent, f.depth = r.frame, 1
	if r.frame != nil {
		f.depth = r.frame.depth + 1
	}
	for i, slot := range params {
		if i >= len(args) {
			break
		}
		b := binding{slot: slot, bound: true, arg: args[i], literal: literals[i]}
		if c, ok := args[i].(*constant); ok && c.v.kind != String {
			b.arg, b.value, b.bound = nil, c.v, c.v.kind != Null
		}
		f.params = append(f.params, b)
	}
	return f
}

// done gives a frame back.
func (r *renderer) done(f *frame) {
	r.frame = f.parent
	if !r.escaped {
		f.forget()
		r.frames = append(r.frames, f)
	}
}
