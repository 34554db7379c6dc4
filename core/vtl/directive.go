package vtl

import "errors"

type textStep struct{ text string }

func (s *textStep) render(r *renderer) error {
	r.out = append(r.out, s.text...)
	if len(r.out) > r.limits.Output {
		r.size(len(r.out))
		return r.err
	}
	r.steps -= int64(len(s.text) >> 6)
	return nil
}

// blockStep is a block that stands as a statement.
type blockStep struct{ body block }

func (s blockStep) render(r *renderer) error { return s.body.render(r) }

// silentStep prints nothing.
type silentStep struct{}

func (silentStep) render(*renderer) error { return nil }

// setStep is #set: of a variable, or through the last part of a reference.
type setStep struct {
	place  place
	slot   int32
	target *refExpr // nil for a variable
	right  expression
}

func (s *setStep) render(r *renderer) error {
	v, err := s.right.value(r)
	if err != nil {
		return r.failAt(s.place, err)
	}
	if v.kind != Null {
		if s.target == nil {
			r.put(s.slot, v)
		} else if err = s.assign(r, v); err != nil {
			return err
		}
	}
	if r.trace != nil {
		name := "$" + r.symbols.all[s.slot].name
		if s.target != nil {
			name = s.target.literal
		}
		r.emit(s.place, len(r.out), Event{Directive: "set", Name: name, Value: v})
	}
	return nil
}

// assign follows the reference up to its last part. Where something on the way is null, nothing happens.
func (s *setStep) assign(r *renderer, to Value) error {
	v, err := r.get(s.target.slot)
	last := len(s.target.chain) - 1
	for i := range last {
		if err != nil || v.kind == Null {
			return err
		}
		v, err = r.follow(v, &s.target.chain[i])
	}
	if err != nil || v.kind == Null {
		return err
	}
	return r.assign(v, &s.target.chain[last], to)
}

type branch struct {
	place     place
	condition expression
	body      block
}

// ifStep is #if with its #elseif and #else.
type ifStep struct {
	place     place
	branches  []branch
	otherwise block
}

func (s *ifStep) render(r *renderer) error {
	start := len(r.out)
	chosen, body := -1, s.otherwise
	for i := range s.branches {
		holds, err := s.branches[i].condition.truth(r)
		if err != nil {
			return r.failAt(s.branches[i].place, err)
		}
		if holds {
			chosen, body = i, s.branches[i].body
			break
		}
	}
	err := body.render(r)
	if r.trace != nil {
		r.emit(s.place, start, Event{Directive: "if", Value: BoolValue(chosen >= 0), Branch: chosen})
	}
	return err
}

// defineStep is #define.
type defineStep struct {
	place   place
	slot    int32
	literal string
	body    block
}

func (s *defineStep) render(r *renderer) error {
	r.escaped = true
	r.put(s.slot, ObjectValue(&blockValue{r: r, body: s.body, frame: r.frame, limit: maxSelfReference}))
	if r.trace != nil {
		r.emit(s.place, len(r.out), Event{Directive: "define", Name: s.literal})
	}
	return nil
}

// blockValue is the value of a #define or of $bodyContent: it is rendered anew wherever it is printed (spec/vtl.md 5.6).
type blockValue struct {
	r     *renderer
	body  block
	frame *frame
	depth int
	limit int // of depth
}

// maxSelfReference is how often the block of a #define may be inside itself.
const maxSelfReference = 2

// render prints the block in the scope of the moment; false when it is too deep in itself.
func (b *blockValue) render(r *renderer) (bool, error) {
	if b.depth >= b.limit {
		return false, nil
	}
	if !r.enter() {
		r.leave()
		return true, r.err
	}
	b.depth++
	err := b.body.render(r)
	b.depth--
	r.leave()
	if err == errBreak {
		err = nil
	}
	return true, err
}

// text is the block as a string, rendered in the scope of its definition. It has a buffer of its own: whoever asks may be
// in the middle of printing into the renderer's.
func (b *blockValue) text() (string, error) {
	r := b.r
	frame, out := r.frame, r.out
	r.frame, r.out = b.frame, nil
	r.captures++
	_, err := b.render(r)
	r.captures--
	s := string(r.out)
	r.frame, r.out = frame, out
	if err == nil && !r.size(len(s)) {
		err = r.err
	}
	return s, err
}

// AppendText is text for whatever prints values; its error ends the render at the next occasion.
func (b *blockValue) AppendText(dst []byte) []byte {
	s, err := b.text()
	if err != nil && b.r.err == nil {
		b.r.err = err
	}
	return append(dst, s...)
}

func (b *blockValue) Property(string) (Value, bool) { return Value{}, false }

func (b *blockValue) Call(name string, args []Value) (Value, bool, error) {
	if name != "toString" {
		return Value{}, false, nil
	}
	s, err := b.text()
	return StringValue(s), true, errors.Join(err, noArguments(args))
}

func (b *blockValue) ClassName() string {
	return "org.apache.velocity.runtime.directive.Block$Reference"
}

// capture renders something into a string. The text stands in the buffer for the time being.
func (r *renderer) capture(render func() error) (string, error) {
	start := len(r.out)
	r.captures++
	err := render()
	r.captures--
	s := string(r.out[start:])
	r.out = r.out[:start]
	if err == nil && !r.size(len(s)) {
		err = r.err
	}
	return s, err
}

// endStep is #break and #stop (spec/vtl.md 5.4).
type endStep struct {
	place place
	stop  bool
	arg   expression
}

var errNotAScope = errors.New("the argument of #break is no loop")

func (s *endStep) render(r *renderer) error {
	var v Value
	if s.arg != nil {
		var err error
		if v, err = s.arg.value(r); err != nil {
			return err
		}
	}
	name := "break"
	if s.stop {
		name = "stop"
	}
	if r.trace != nil {
		r.emit(s.place, len(r.out), Event{Directive: name, Value: v})
	}
	switch {
	case s.stop:
		return errStop
	case s.arg == nil:
		return errBreak
	}
	loop, ok := v.any().(*loop)
	if !ok {
		return r.failAt(s.place, errNotAScope)
	}
	r.target = loop
	return errBreakTo
}

// resourceStep is #parse and #include, which have nothing to read. An #include of nothing is nothing.
type resourceStep struct {
	place place
	name  string
	args  []expression
}

func (s *resourceStep) render(r *renderer) error {
	if s.name == "include" && len(s.args) == 0 {
		return nil
	}
	line, column := s.place.position()
	return &Error{ErrResource, line, column, "#" + s.name + " is not available: there are no other files"}
}
