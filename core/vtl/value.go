package vtl

import (
	"math"
	"math/big"
	"unsafe"
)

// Kind is the Java type of a value as far as the language tells types apart (spec/vtl.md 1.2).
type Kind uint8

// The kinds of values.
const (
	Null Kind = iota
	Boolean
	Integer // 32 bits
	Long    // 64 bits
	BigInteger
	Double
	BigDecimal
	Character
	String
	ListKind
	MapKind
	ObjectKind // an Object of the host, or one of the language's own
)

// Value is one value of the template's world. The zero Value is null. Lists, maps and objects are shared by reference, as
// in Java; everything else is immutable.
//
// Strings are UTF-8. Where a template has split a surrogate pair the halves stand as three bytes each (as in WTF-8) until
// they meet again or are written out.
//
// A Value is three words, because templates mostly move values around: pointer is the bytes of a string, a list, a map, a
// big number or the interface of an object, as kind says.
type Value struct {
	kind    Kind
	num     uint64 // the number, or the length of a string
	pointer unsafe.Pointer
}

// text is the string; of any other kind the empty one.
func (v Value) text() string {
	if v.kind != String {
		return ""
	}
	return unsafe.String((*byte)(v.pointer), int(v.num))
}

func (v Value) big() *big.Int { return (*big.Int)(v.pointer) }

func (v Value) dec() decimal { return *(*decimal)(v.pointer) }

// any is the list, the map or the object; nil for any other kind.
func (v Value) any() any {
	switch v.kind {
	case ListKind:
		return (*List)(v.pointer)
	case MapKind:
		return (*Map)(v.pointer)
	case ObjectKind:
		return *(*Object)(v.pointer)
	}
	return nil
}

// Kind is the value's kind.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether the value is null.
func (v Value) IsNull() bool { return v.kind == Null }

// StringValue makes a string.
func StringValue(s string) Value {
	return Value{kind: String, num: uint64(len(s)), pointer: unsafe.Pointer(unsafe.StringData(s))}
}

// BoolValue makes a boolean.
func BoolValue(b bool) Value {
	if b {
		return Value{kind: Boolean, num: 1}
	}
	return Value{kind: Boolean}
}

// IntValue makes an Integer, or a Long if it does not fit 32 bits.
func IntValue(n int64) Value {
	if int64(int32(n)) == n {
		return Value{kind: Integer, num: uint64(n)}
	}
	return Value{kind: Long, num: uint64(n)}
}

// LongValue makes a Long of any size.
func LongValue(n int64) Value { return Value{kind: Long, num: uint64(n)} }

// DoubleValue makes a Double.
func DoubleValue(f float64) Value { return Value{kind: Double, num: math.Float64bits(f)} }

// BigIntegerValue makes a BigInteger; it keeps n.
func BigIntegerValue(n *big.Int) Value { return Value{kind: BigInteger, pointer: unsafe.Pointer(n)} }

// BigDecimalValue makes a BigDecimal of unscaled × 10^-scale; it keeps unscaled.
func BigDecimalValue(unscaled *big.Int, scale int32) Value {
	return Value{kind: BigDecimal, pointer: unsafe.Pointer(&decimal{unscaled, scale})}
}

// ListValue makes the value of a list; a nil list is null.
func ListValue(l *List) Value {
	if l == nil {
		return Value{}
	}
	return Value{kind: ListKind, pointer: unsafe.Pointer(l)}
}

// MapValue makes the value of a map; a nil map is null.
func MapValue(m *Map) Value {
	if m == nil {
		return Value{}
	}
	return Value{kind: MapKind, pointer: unsafe.Pointer(m)}
}

// ObjectValue makes the value of an object; a nil object is null.
func ObjectValue(o Object) Value {
	if o == nil {
		return Value{}
	}
	return Value{kind: ObjectKind, pointer: unsafe.Pointer(&o)}
}

func charValue(unit uint16) Value { return Value{kind: Character, num: uint64(unit)} }

// Bool is the boolean; false for any other kind.
func (v Value) Bool() bool { return v.kind == Boolean && v.num == 1 }

// Int is the number of an Integer or Long; 0 for any other kind.
func (v Value) Int() int64 {
	if v.kind == Integer || v.kind == Long {
		return int64(v.num)
	}
	return 0
}

// Text is the string and whether the value is one.
func (v Value) Text() (string, bool) { return v.text(), v.kind == String }

// List is the list, or nil.
func (v Value) List() *List {
	if v.kind != ListKind {
		return nil
	}
	return (*List)(v.pointer)
}

// Map is the map, or nil.
func (v Value) Map() *Map {
	if v.kind != MapKind {
		return nil
	}
	return (*Map)(v.pointer)
}

// Object is the object, or nil.
func (v Value) Object() Object {
	if v.kind != ObjectKind {
		return nil
	}
	return *(*Object)(v.pointer)
}

func (v Value) double() float64 { return math.Float64frombits(v.num) }

func (v Value) isNumber() bool { return v.kind >= Integer && v.kind <= BigDecimal }

// String is the printed form (spec/vtl.md 6.3), cut off at a generous length.
func (v Value) String() string {
	m := newMeter(Limits{}.withDefaults())
	return string(appendValue(nil, v, m))
}

// Double is the number of a Double, 0 for any other kind.
func (v Value) Double() float64 {
	if v.kind == Double {
		return v.double()
	}
	return 0
}

// className is what .class.name gives (spec/vtl.md 6.2).
func (v Value) className() string {
	switch v.kind {
	case Boolean:
		return "java.lang.Boolean"
	case Integer:
		return "java.lang.Integer"
	case Long:
		return "java.lang.Long"
	case BigInteger:
		return "java.math.BigInteger"
	case Double:
		return "java.lang.Double"
	case BigDecimal:
		return "java.math.BigDecimal"
	case Character:
		return "java.lang.Character"
	case String:
		return "java.lang.String"
	case ListKind:
		return v.List().class.name()
	case MapKind:
		return "java.util.LinkedHashMap"
	}
	if c, ok := v.any().(interface{ ClassName() string }); ok {
		return c.ClassName()
	}
	return "java.lang.Object"
}
