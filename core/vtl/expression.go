package vtl

import (
	"errors"
	"math/big"
	"strconv"
)

// constant is a literal. Literals are false in conditions (spec/vtl.md 4).
type constant struct{ v Value }

func (e *constant) value(*renderer) (Value, error) { return e.v, nil }

func (e *constant) truth(*renderer) (bool, error) { return false, nil }

// boolean is true or false.
type boolean bool

func (e boolean) value(*renderer) (Value, error) { return BoolValue(bool(e)), nil }

func (e boolean) truth(*renderer) (bool, error) { return bool(e), nil }

// parseNumber reads the literal of an integer or a floating-point number (spec/vtl.md 3).
func parseNumber(text string, float bool) Value {
	if float {
		f, _ := strconv.ParseFloat(text, 64) // too large is Infinity
		return DoubleValue(f)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return IntValue(n)
	}
	n, _ := new(big.Int).SetString(text, 10)
	return BigIntegerValue(n)
}

// listExpr makes a new list at every evaluation.
type listExpr struct{ items []expression }

func (e *listExpr) value(r *renderer) (Value, error) {
	l := NewList()
	if len(e.items) > 0 {
		l.items = make([]Value, len(e.items))
	}
	for i, x := range e.items {
		var err error
		if l.items[i], err = x.value(r); err != nil {
			return Value{}, err
		}
	}
	r.spend(len(e.items))
	return ListValue(l), r.err
}

func (e *listExpr) truth(*renderer) (bool, error) { return false, nil }

// mapExpr makes a new map at every evaluation.
type mapExpr struct{ entries []expression }

func (e *mapExpr) value(r *renderer) (Value, error) {
	m := NewMap(len(e.entries) / 2)
	for i := 0; i < len(e.entries); i += 2 {
		k, err := e.entries[i].value(r)
		if err != nil {
			return Value{}, err
		}
		v, err := e.entries[i+1].value(r)
		if err != nil {
			return Value{}, err
		}
		if k.kind == ListKind || k.kind == MapKind {
			hashCode(k, &r.meter) // which Java needs, and which has no end for what contains itself
		}
		m.put(k, v)
	}
	r.spend(len(e.entries))
	return MapValue(m), r.err
}

func (e *mapExpr) truth(*renderer) (bool, error) { return false, nil }

// rangeExpr is [from..to], up or down.
type rangeExpr struct {
	place    place
	from, to expression
}

// ends are the two ends; false when one of them is no number.
func (e *rangeExpr) ends(r *renderer) (from, to int64, ok bool, err error) {
	a, err := e.from.value(r)
	if err != nil {
		return 0, 0, false, err
	}
	b, err := e.to.value(r)
	if err != nil || !a.isNumber() || !b.isNumber() {
		return 0, 0, false, err
	}
	return toInt(a), toInt(b), true, nil
}

func (e *rangeExpr) value(r *renderer) (Value, error) {
	from, to, ok, err := e.ends(r)
	if !ok || err != nil {
		return Value{}, err
	}
	n, step := to-from, int64(1)
	if from >= to {
		n, step = from-to, -1
	}
	if n *= 16; !r.size(int(n)) {
		return Value{}, r.failAt(e.place, r.err)
	}
	items := make([]Value, n/16+1)
	for i := range items {
		items[i] = IntValue(from + int64(i)*step)
	}
	return ListValue(NewList(items...)), nil
}

func (e *rangeExpr) truth(*renderer) (bool, error) { return false, nil }

// stringExpr is a string that is a template.
type stringExpr struct {
	source source // its content; it lies within the string literal
	body   block
	only   *refExpr // the body, if it is a single reference
	padded bool     // the last character is to be taken off
}

func (e *stringExpr) value(r *renderer) (Value, error) {
	if e.only != nil && r.trace == nil {
		return e.single(r)
	}
	s, err := e.capture(r, e.body.render)
	if err == nil && e.padded && s != "" {
		_, n := decodeLast(s)
		s = s[:len(s)-n]
	}
	return StringValue(s), err
}

// single is the value of "$x", which is a string as a rule and then needs no rendering.
func (e *stringExpr) single(r *renderer) (Value, error) {
	v, err := e.only.value(r)
	switch {
	case err != nil || v.kind == String:
		return v, err
	case v.kind == Null:
		return StringValue(e.only.nullText(r)), nil
	}
	b, ok := v.any().(*blockValue)
	if !ok {
		s := r.printed(v, "")
		return StringValue(s), r.err
	}
	s, err := e.capture(r, func(r *renderer) error {
		done, err := b.render(r)
		if !done && err == nil {
			r.out = append(r.out, e.only.nullText(r)...)
		}
		return err
	})
	return StringValue(s), err
}

func (e *stringExpr) capture(r *renderer, render func(*renderer) error) (string, error) {
	if !r.enter() {
		r.leave()
		return "", r.failAt(e.source.within, r.err)
	}
	s, err := r.capture(func() error { return render(r) })
	r.leave()
	return s, err
}

func (e *stringExpr) truth(*renderer) (bool, error) { return false, nil }

type notExpr struct{ operand expression }

func (e *notExpr) truth(r *renderer) (bool, error) {
	b, err := e.operand.truth(r)
	return !b, err
}

func (e *notExpr) value(r *renderer) (Value, error) { return truthValue(e, r) }

func truthValue(e expression, r *renderer) (Value, error) {
	b, err := e.truth(r)
	return BoolValue(b), err
}

// logicExpr is && and ||, which do not look at the right operand when the left one decides.
type logicExpr struct {
	or          bool
	left, right expression
}

func (e *logicExpr) truth(r *renderer) (bool, error) {
	b, err := e.left.truth(r)
	if err != nil || b == e.or {
		return b, err
	}
	return e.right.truth(r)
}

func (e *logicExpr) value(r *renderer) (Value, error) { return truthValue(e, r) }

// equalExpr is == and !=.
type equalExpr struct {
	negate      bool
	left, right expression
}

func (e *equalExpr) truth(r *renderer) (bool, error) {
	a, err := e.left.value(r)
	if err != nil {
		return false, err
	}
	b, err := e.right.value(r)
	if err != nil {
		return false, err
	}
	return looseEqual(a, b, &r.meter) != e.negate, r.err
}

func (e *equalExpr) value(r *renderer) (Value, error) { return truthValue(e, r) }

// compareExpr is < <= > >=: numbers only, everything else is false.
type compareExpr struct {
	less, equal bool
	left, right expression
}

func (e *compareExpr) truth(r *renderer) (bool, error) {
	a, err := e.left.value(r)
	if err != nil {
		return false, err
	}
	b, err := e.right.value(r)
	if err != nil || !a.isNumber() || !b.isNumber() {
		return false, err
	}
	c := compareNumbers(a, b)
	return c < 0 && e.less || c > 0 && !e.less || c == 0 && e.equal, nil
}

func (e *compareExpr) value(r *renderer) (Value, error) { return truthValue(e, r) }

// mathExpr is + - * / %.
type mathExpr struct {
	place               place
	op                  byte
	left, right         expression
	leftSpan, rightSpan span // their source text
}

func (e *mathExpr) value(r *renderer) (Value, error) {
	a, err := e.left.value(r)
	if err != nil {
		return Value{}, err
	}
	b, err := e.right.value(r)
	if err != nil {
		return Value{}, err
	}
	switch {
	case a.isNumber() && b.isNumber():
		v, err := arithmetic(e.op, a, b, &r.meter)
		if err != nil {
			err = r.failAt(e.place, err)
		}
		return v, err
	case e.op == '+' && (a.kind == String || b.kind == String):
		return e.concat(r, a, b)
	}
	return Value{}, nil
}

func (e *mathExpr) truth(*renderer) (bool, error) { return false, nil }

// concat joins printed forms; null contributes its source text.
func (e *mathExpr) concat(r *renderer, a, b Value) (Value, error) {
	x, y := r.printed(a, e.place.text(e.leftSpan)), r.printed(b, e.place.text(e.rightSpan))
	if r.err != nil || !r.size(len(x)+len(y)) {
		return Value{}, r.failAt(e.place, r.err)
	}
	return StringValue(joined(x, y)), nil
}

func (r *renderer) printed(v Value, literal string) string {
	switch v.kind {
	case String:
		return v.text()
	case Null:
		return literal
	}
	return string(appendValue(nil, v, &r.meter))
}

// The failures of methods and indices, in Java's words.
var (
	errNoSuchElement = errors.New("NoSuchElementException")
	errNoSize        = errors.New("a negative index needs something with a size")
	errArguments     = errors.New("wrong number of arguments")
)

func noArguments(args []Value) error {
	if len(args) > 0 {
		return errArguments
	}
	return nil
}
