package jsonpath

import (
	"errors"
	"strings"
	"unicode/utf16"
)

// operator compares the two sides of a relation. An Absent side is a path that found nothing.
// It takes its cost from the budget; when that is used up the answer does not matter.
type operator func(left, right side, budget *budget) (bool, error)

// side is a value or a pattern.
type side struct {
	Value
	pattern *pattern
}

// errReject is what the library's InvalidPathException inside a filter comes to: the element does not match.
var errReject = errors.New("operand is of the wrong kind")

// operators are those of the library that can be written in a path. ALL and EMPTY accept here what there throws.
var operators = map[string]operator{
	"==":       equal,
	"!=":       not(equal),
	"===":      identical,
	"!==":      not(identical),
	"<":        ordered(func(n int) bool { return n < 0 }),
	"<=":       ordered(func(n int) bool { return n <= 0 }),
	">":        ordered(func(n int) bool { return n > 0 }),
	">=":       ordered(func(n int) bool { return n >= 0 }),
	"=~":       matches,
	"IN":       in,
	"NIN":      not(in),
	"CONTAINS": contains,
	"ALL":      all,
	"SIZE":     size,
	"EMPTY":    empty,
	"EXISTS":   exists,
	"SUBSETOF": subsetOf,
	"ANYOF":    anyCommon,
	"NONEOF":   noneCommon,
	"TYPE":     reject,
	"MATCHES":  reject,
}

func not(o operator) operator {
	return func(l, r side, b *budget) (bool, error) {
		ok, err := o(l, r, b)
		return !ok, err
	}
}

// reject: these operators need a right side that has no notation in a path.
func reject(_, _ side, _ *budget) (bool, error) { return false, errReject }

func equal(l, r side, b *budget) (bool, error) {
	return l.pattern == nil && r.pattern == nil && sameValue(l.Value, r.Value, b), nil
}

func identical(l, r side, b *budget) (bool, error) {
	same := l.kind == r.kind || isContainer(l.Value) && isContainer(r.Value)
	ok, err := equal(l, r, b)
	return same && ok, err
}

func isContainer(v Value) bool { return v.kind == Array || v.kind == Object }

// sameValue is loose about numbers and strings, and not symmetric: a number equals a string that reads as the same number, a
// string equals a number that prints as the same string. What was not found equals nothing, itself included.
func sameValue(l, r Value, b *budget) bool {
	b.spend(1 + (len(l.text)+len(r.text))/bytesPerStep)
	switch {
	case l.kind == Absent:
		return false
	case l.kind == Number && r.kind == Number:
		return compareNumbers(l.text, r.text) == 0
	case l.kind == Number && r.kind == String:
		return isDecimal(r.text) && compareDecimals(parseDecimal(rounded(l.text)), parseDecimal(r.text)) == 0
	case l.kind == String && r.kind == Number:
		return l.text == decimalText(r)
	}
	return equalValues(l, r, b, 0)
}

// decimalText is how the library turns a number into a string to compare it.
func decimalText(v Value) string {
	java := string(AppendNumber(nil, v.text))
	if !isDecimal(java) {
		return java
	}
	return string(appendDecimal(nil, parseDecimal(java)))
}

func ordered(accept func(int) bool) operator {
	return func(l, r side, b *budget) (bool, error) {
		b.spend((len(l.text) + len(r.text)) / bytesPerStep)
		switch {
		case l.kind == Number && r.kind == Number:
			return accept(compareNumbers(l.text, r.text)), nil
		case (l.kind == String || l.kind == Number) && (r.kind == String || r.kind == Number):
			return accept(compareUTF16(asText(l.Value), asText(r.Value))), nil
		}
		return false, nil
	}
}

func asText(v Value) string {
	if v.kind == Number {
		return decimalText(v)
	}
	return v.text
}

// compareUTF16 orders strings as Java does, by UTF-16 units: a character beyond U+FFFF comes before U+E000.
func compareUTF16(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	if i == len(a) || i == len(b) {
		return len(a) - len(b)
	}
	if x, y := a[i] >= 0xf0, b[i] >= 0xf0; x != y && a[i] >= 0xee && b[i] >= 0xee {
		if x {
			return -1
		}
		return 1
	}
	return int(a[i]) - int(b[i])
}

// matches wants exactly one pattern. Of a list one element must match; what is not a string, number or boolean counts as "".
func matches(l, r side, b *budget) (bool, error) {
	if (l.pattern == nil) == (r.pattern == nil) {
		return false, nil
	}
	p, v := l.pattern, r.Value
	if p == nil {
		p, v = r.pattern, l.Value
	}
	if v.kind != Array {
		return p.matches(patternInput(v), b), nil
	}
	for _, item := range v.items() {
		if p.matches(patternInput(item), b) {
			return true, nil
		}
	}
	return false, nil
}

func patternInput(v Value) string {
	switch v.kind {
	case String, Number:
		return asText(v)
	case Bool:
		return v.String()
	}
	return ""
}

// list is the elements of an array. Another array-like thing of the library, an object, has none; the rest is an error.
func list(s side) (items []Value, isArray bool, err error) {
	switch {
	case s.kind == Array && s.pattern == nil:
		return s.items(), true, nil
	case s.kind == Object:
		return nil, false, nil
	}
	return nil, false, errReject
}

// has reports whether v equals an element, v standing left.
func has(items []Value, v Value, b *budget) bool {
	for _, item := range items {
		if sameValue(v, item, b) {
			return true
		}
	}
	return false
}

func in(l, r side, b *budget) (bool, error) {
	items, _, err := list(r)
	return err == nil && l.pattern == nil && has(items, l.Value, b), err
}

func contains(l, r side, b *budget) (bool, error) {
	if l.kind == String && r.kind == String {
		return strings.Contains(l.text, r.text), nil
	}
	return l.kind == Array && r.pattern == nil && has(l.items(), r.Value, b), nil
}

func all(l, r side, b *budget) (bool, error) {
	wanted, _, err := list(r)
	if err != nil || !isContainer(l.Value) {
		return false, err
	}
	if l.kind == Object {
		return true, nil
	}
	for _, w := range wanted {
		if !has(l.items(), w, b) {
			return false, nil
		}
	}
	return true, nil
}

func size(l, r side, _ *budget) (bool, error) {
	if r.kind != Number {
		return false, nil
	}
	switch l.kind {
	case String:
		return compareNumbers(itoa(len(utf16.Encode([]rune(l.text)))), r.text) == 0, nil
	case Array:
		return compareNumbers(itoa(l.Len()), r.text) == 0, nil
	}
	return false, nil
}

func empty(l, r side, _ *budget) (bool, error) {
	if l.kind != String && !isContainer(l.Value) {
		return false, nil
	}
	if r.kind != Bool {
		return false, errReject
	}
	return (l.Len() == 0 && l.Text() == "") == r.Bool(), nil
}

func exists(l, r side, _ *budget) (bool, error) {
	if l.kind != Bool || r.kind != Bool {
		return false, errReject
	}
	return l.Bool() == r.Bool(), nil
}

// common counts the elements of the left list that the right one has.
func common(l, r side, b *budget) (found, of int, ok bool, err error) {
	right, ok1, err1 := list(r)
	left, ok2, err2 := list(l)
	if err := errors.Join(err1, err2); err != nil {
		return 0, 0, false, errReject
	}
	for _, v := range left {
		if has(right, v, b) {
			found++
		}
	}
	return found, len(left), ok1 && ok2, nil
}

func subsetOf(l, r side, b *budget) (bool, error) {
	found, of, ok, err := common(l, r, b)
	return ok && found == of, err
}

func anyCommon(l, r side, b *budget) (bool, error) {
	found, _, ok, err := common(l, r, b)
	return ok && found > 0, err
}

func noneCommon(l, r side, b *budget) (bool, error) {
	found, _, ok, err := common(l, r, b)
	return ok && found == 0, err
}

func (a anyOf) holds(r *run, item Value) (bool, error) {
	for _, e := range a {
		if ok, err := e.holds(r, item); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (a allOf) holds(r *run, item Value) (bool, error) {
	for _, e := range a {
		if ok, err := e.holds(r, item); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (n negation) holds(r *run, item Value) (bool, error) {
	ok, err := n.of.holds(r, item)
	return !ok, err
}

func (x existence) holds(r *run, item Value) (bool, error) {
	_, err := r.nested(x.path, item)
	if isNotFound(err) {
		return !x.want, nil
	}
	return x.want, asRejection(err)
}

func (c relation) holds(r *run, item Value) (bool, error) {
	left, err := r.side(&c.left, item)
	if err != nil {
		return false, asRejection(err)
	}
	right, err := r.side(&c.right, item)
	if err != nil {
		return false, asRejection(err)
	}
	ok, err := c.operator(left, right, &r.budget)
	if err == nil && r.budget < 0 {
		err = errBudget
	}
	return ok, err
}

func (r *run) side(o *operand, item Value) (side, error) {
	if o.path == nil {
		return side{o.literal, o.pattern}, nil
	}
	v, err := r.nested(o.path, item)
	if isNotFound(err) {
		return side{}, nil
	}
	return side{Value: v}, err
}

func isNotFound(err error) bool {
	e, ok := err.(*Error)
	return ok && e.Code == PathNotFound
}

// asRejection: a path that cannot be applied to the element drops the element; every other failure ends the evaluation.
func asRejection(err error) error {
	if e, ok := err.(*Error); ok && e.Code == InvalidPath {
		return errReject
	}
	return err
}
