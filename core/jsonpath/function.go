package jsonpath

import (
	"math"
	"strconv"
)

// function is applied to the value before it and to the values of its arguments.
type function func(v Value, args []Value) (Value, string)

var functions = map[string]function{
	"min":    aggregate(func(n []float64) float64 { return fold(n, math.MaxFloat64, math.Min) }),
	"max":    aggregate(func(n []float64) float64 { return fold(n, -math.MaxFloat64, math.Max) }),
	"sum":    aggregate(sum),
	"avg":    aggregate(func(n []float64) float64 { return sum(n) / float64(len(n)) }),
	"stddev": aggregate(deviation),
	"length": length,
	"size":   length,
	"concat": concat,
	"append": appended,
	"keys":   keySet,
	"first":  func(v Value, _ []Value) (Value, string) { return nth(v, 0) },
	"last":   func(v Value, _ []Value) (Value, string) { return nth(v, -1) },
	"index":  index,
}

// call runs a function step. The result is added even when more steps follow, as in the library.
func (e *evaluation) call(i int, v Value) error {
	s := &e.program.steps[i]
	f := functions[s.function]
	if f == nil {
		return invalid(s.position, "there is no function "+s.function+"()")
	}
	var args []Value
	for _, b := range s.args {
		value := b.value
		if b.path != nil {
			var err error
			if value, err = e.nested(b.path, e.document); err != nil {
				return err
			}
		}
		args = append(args, value)
	}
	out, message := f(v, args)
	if message != "" {
		return &Error{Code: Failed, Position: s.position, Message: s.function + "(): " + message}
	}
	e.add(out)
	if s.last {
		return nil
	}
	return e.step(i+1, out)
}

// numbers are those of the array and of the arguments.
func numbers(v Value, args []Value) []float64 {
	var out []float64
	add := func(v Value) {
		if v.kind == Number {
			f, _ := strconv.ParseFloat(v.text, 64)
			out = append(out, f)
		}
	}
	each := func(v Value) {
		for _, item := range v.items() {
			add(item)
		}
	}
	if v.kind == Array {
		each(v)
	}
	for _, a := range args {
		if a.kind == Array {
			each(a)
		}
		add(a)
	}
	return out
}

func aggregate(f func([]float64) float64) function {
	return func(v Value, args []Value) (Value, string) {
		n := numbers(v, args)
		if len(n) == 0 {
			return Value{}, "there are no numbers"
		}
		return doubleValue(f(n)), ""
	}
}

// doubleValue keeps what JSON cannot say as a number beyond all bounds, which prints as Java prints it.
func doubleValue(f float64) Value {
	switch {
	case math.IsInf(f, 1), math.IsNaN(f):
		return NumberValue("1E999")
	case math.IsInf(f, -1):
		return NumberValue("-1E999")
	}
	text := strconv.FormatFloat(f, 'E', -1, 64)
	if len(text) > longText {
		text = shorter(f, text)
	}
	return NumberValue(text)
}

// shorter finds a text that still counts as a Double; only when there is none does the number become exact.
func shorter(f float64, text string) string {
	if plain := strconv.FormatFloat(f, 'f', -1, 64); len(plain) <= longText {
		if f == math.Trunc(f) {
			plain += ".0"
		}
		return plain
	}
	return text
}

func fold(n []float64, start float64, f func(a, b float64) float64) float64 {
	for _, x := range n {
		start = f(start, x)
	}
	return start
}

func sum(n []float64) float64 { return fold(n, 0, func(a, b float64) float64 { return a + b }) }

func deviation(n []float64) float64 {
	count, squares := float64(len(n)), fold(n, 0, func(a, x float64) float64 { return a + x*x })
	mean := sum(n) / count
	return math.Sqrt(squares/count - mean*mean)
}

// length counts the children of an array or object; of anything else, a string too, the length is null.
func length(v Value, args []Value) (Value, string) {
	if len(args) > 0 && args[0].kind == Array {
		return NumberValue(itoa(args[0].Len())), ""
	}
	if isContainer(v) {
		return NumberValue(itoa(v.Len())), ""
	}
	return NullValue(), ""
}

// concat joins the strings of an array and whatever the arguments are.
func concat(v Value, args []Value) (Value, string) {
	var b []byte
	if v.kind == Array {
		for _, item := range v.items() {
			b = append(b, stringOf(item)...)
		}
	}
	for _, a := range args {
		if a.kind == Array {
			for _, item := range a.items() {
				b = item.AppendPrinted(b)
			}
			continue
		}
		b = a.AppendPrinted(b)
	}
	return StringValue(string(b)), ""
}

func stringOf(v Value) string {
	if v.kind == String {
		return v.text
	}
	return ""
}

// appended does not change the document, unlike the library's function.
func appended(v Value, args []Value) (Value, string) {
	if v.kind != Array {
		return v, ""
	}
	return ArrayValue(append(append(make([]Value, 0, v.Len()+len(args)), v.items()...), args...)...), ""
}

func keySet(v Value, _ []Value) (Value, string) {
	if v.kind != Object {
		return NullValue(), ""
	}
	names := make([]Value, v.Len())
	for i := range names {
		names[i] = StringValue(v.Key(i))
	}
	return ArrayValue(names...), ""
}

// nth counts from the end when n is negative; the library never reaches the first element so, and neither do we.
func nth(v Value, n int) (Value, string) {
	if v.kind != Array {
		return Value{}, "this is not an array"
	}
	if n < 0 {
		if n += v.Len(); n <= 0 {
			return Value{}, "there are not so many elements"
		}
	}
	if n >= v.Len() {
		return Value{}, "there are not so many elements"
	}
	return v.Index(n), ""
}

func index(v Value, args []Value) (Value, string) {
	n := numbers(Value{}, args)
	if len(n) == 0 {
		return Value{}, "the index is missing"
	}
	return nth(v, int(min(max(n[0], math.MinInt32), math.MaxInt32)))
}
