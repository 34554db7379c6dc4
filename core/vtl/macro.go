package vtl

import "fmt"

// callStep is #name(…), which is a macro call if a macro of the name exists when it is rendered, and text if not.
type callStep struct {
	place    place
	name     string
	literal  string
	args     []expression
	literals []string // of the arguments
	word     string   // an argument that is a bare word
	content  int32    // the slot of $bodyContent; -1 when the call has no body
	body     block
	macro    *macro // nil when the template defines none
	former   *callStep
}

func (s *callStep) render(r *renderer) error {
	m := s.macro
	if m == nil {
		m = r.macros[s.name]
	}
	if m == nil {
		r.out = append(r.out, s.literal...)
		return nil
	}
	if s.word != "" {
		return r.failAt(s.place, fmt.Errorf("%q cannot be an argument of the macro #%s", s.word, s.name))
	}
	f := r.call(m.params, s.args, s.literals)
	if f.depth > r.limits.MacroDepth {
		return r.failAt(s.place, &limitError{fmt.Sprintf("macro calls nested deeper than %d", r.limits.MacroDepth)})
	}
	if s.content >= 0 {
		r.escaped = true
		body := ObjectValue(&blockValue{r: r, body: s.body, frame: r.frame, limit: r.limits.MacroDepth})
		f.params = append(f.params, binding{slot: s.content, bound: true, value: body})
	}
	start := len(r.out)
	r.frame = f
	err := m.body.render(r)
	r.done(f)
	if err == errBreak {
		err = nil
	}
	if r.trace != nil {
		r.emit(s.place, start, Event{Directive: "#" + s.name, Name: s.literal})
	}
	return err
}

// fragment is a text that #evaluate has compiled.
type fragment struct {
	body   block
	failed *Error
}

// evaluateStep is #evaluate: it compiles and renders a text in the scope of the moment (spec/vtl.md 5.6).
type evaluateStep struct {
	place place
	arg   expression
}

func (s *evaluateStep) render(r *renderer) error {
	v, err := s.arg.value(r)
	if err != nil || v.kind == Null {
		return err
	}
	if b, ok := v.any().(*blockValue); ok && b.depth >= b.limit {
		return r.failAt(s.place, errNull) // its text is null where it is too deep in itself
	}
	text := v.text()
	if v.kind != String {
		if text = string(appendValue(nil, v, &r.meter)); r.err != nil {
			return r.failAt(s.place, r.err)
		}
	}
	start := len(r.out)
	f := r.fragment(text, s.place)
	if e := f.failed; e != nil {
		line, column := s.place.position()
		return &Error{e.Kind, line, column, fmt.Sprintf("in the evaluated text, line %d, column %d: %s", e.Line, e.Column, e.Message)}
	}
	if r.enter() {
		err = f.body.render(r)
	}
	r.leave()
	if r.err != nil {
		return r.failAt(s.place, r.err)
	}
	if err == errBreak || err == errStop {
		err = nil
	}
	if r.trace != nil {
		r.emit(s.place, start, Event{Directive: "evaluate", Value: v})
	}
	return err
}

// fragment compiles a text, once for a render. Names and macros in it are this render's.
func (r *renderer) fragment(text string, at place) *fragment {
	if f := r.texts[text]; f != nil {
		return f
	}
	if r.texts == nil {
		r.texts, r.macros = map[string]*fragment{}, map[string]*macro{}
	}
	f := &fragment{}
	r.texts[text] = f
	r.spend(len(text))
	tree, err := Parse(text)
	if err != nil {
		f.failed = err.(*Error)
		return f
	}
	r.growable()
	c := &compiler{options: r.program.options, symbols: r.symbols, macros: r.macros}
	c.source = &source{text: text, within: at}
	f.body, f.failed = c.block(tree.root), c.failed
	for call := c.last; call != nil; call = call.former {
		call.macro = r.program.macros[call.name]
	}
	for len(r.vars) < len(r.symbols.all) {
		r.vars = append(r.vars, Value{})
	}
	r.names = r.symbols.loopNames()
	return f
}
