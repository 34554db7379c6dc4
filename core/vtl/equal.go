package vtl

import (
	"encoding/binary"
	"math"
	"math/big"
	"reflect"
)

// equalValues is Java's equals: the type counts ([3].contains(3.0) is false), lists compare element by element, maps key
// by key. A meter that runs out makes everything unequal.
func equalValues(a, b Value, m *meter) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case String:
		return a.text() == b.text()
	case Null:
		return true
	case Boolean, Integer, Long, Character:
		return a.num == b.num
	case Double:
		return a.num == b.num || math.IsNaN(a.double()) && math.IsNaN(b.double())
	case BigInteger:
		return a.big().Cmp(b.big()) == 0
	case BigDecimal:
		x, y := a.dec(), b.dec()
		return x.scale == y.scale && x.unscaled.Cmp(y.unscaled) == 0
	}
	if !m.enter() || !m.spend(1) {
		m.leave()
		return false
	}
	defer m.leave()
	switch a.kind {
	case ListKind:
		return equalLists(a.List(), b.List(), m)
	case MapKind:
		return equalMaps(a.Map(), b.Map(), m)
	}
	return equalObjects(a.any(), b.any(), m)
}

func equalLists(a, b *List, m *meter) bool {
	if a == b {
		return true
	}
	if len(a.items) != len(b.items) || a.class.isArray() || b.class.isArray() {
		return false
	}
	for i := range a.items {
		if !equalValues(a.items[i], b.items[i], m) {
			return false
		}
	}
	return m.spend(len(a.items))
}

func equalMaps(a, b *Map, m *meter) bool {
	if a == b {
		return true
	}
	if len(a.entries) != len(b.entries) {
		return false
	}
	for _, e := range a.entries {
		i := b.find(e.key)
		if i < 0 || !m.spend(1) || !equalValues(e.value, b.entries[i].value, m) {
			return false
		}
	}
	return true
}

func equalObjects(a, b any, m *meter) bool {
	switch x := a.(type) {
	case *view:
		y, ok := b.(*view)
		if !ok || x.of != y.of {
			return false
		}
		return x == y || x.of != viewValues && len(x.m.entries) == len(y.m.entries) && containsAll(x, y, m)
	case *entry:
		y, ok := b.(*entry)
		return ok && equalValues(x.key, y.key, m) && equalValues(x.value, y.value, m)
	}
	return reflect.ValueOf(a).Comparable() && reflect.ValueOf(b).Comparable() && a == b
}

// containsAll reports whether every element of b is one of a.
func containsAll(a, b sequence, m *meter) bool {
	it := b.iterator()
	for v, ok := it.take(); ok; v, ok = it.take() {
		if indexOf(a, v, m) < 0 {
			return false
		}
	}
	return true
}

// indexOf is the position of the first element that equals v, or -1.
func indexOf(s sequence, v Value, m *meter) int {
	it := s.iterator()
	for x, ok := it.take(); ok; x, ok = it.take() {
		if !m.spend(1) {
			return -1
		}
		if equalValues(x, v, m) {
			return it.at - 1
		}
	}
	return -1
}

// looseEqual is the operator == (spec/vtl.md 4): numbers by value, values of one class by equals, others by their printed
// forms, and null equals only null.
func looseEqual(a, b Value, m *meter) bool {
	switch {
	case a.kind == String && b.kind == String:
		return a.text() == b.text()
	case a.isNumber() && b.isNumber():
		return compareNumbers(a, b) == 0
	case a.kind == Null || b.kind == Null:
		return a.kind == b.kind
	case sameClass(a, b):
		return equalValues(a, b, m)
	}
	x, y := a.text(), b.text()
	if a.kind != String {
		x = string(appendValue(nil, a, m))
	}
	if b.kind != String {
		y = string(appendValue(nil, b, m))
	}
	return x == y && m.size(len(x))
}

// sameClass: one's class is the other's or an ancestor of it. A JSON array is an ArrayList.
func sameClass(a, b Value) bool {
	if a.kind != b.kind {
		return false
	}
	switch a.kind {
	case ListKind:
		x, y := a.List().class, b.List().class
		return x == y || x <= jsonArray && y <= jsonArray
	case ObjectKind:
		return reflect.TypeOf(a.any()) == reflect.TypeOf(b.any()) && a.className() == b.className()
	}
	return true
}

// hashCode is Java's.
func hashCode(v Value, m *meter) int32 {
	if !m.enter() || !m.spend(1) {
		m.leave()
		return 0
	}
	defer m.leave()
	switch v.kind {
	case Boolean:
		if v.num == 1 {
			return 1231
		}
		return 1237
	case Integer, Character:
		return int32(v.num)
	case Long, Double:
		return int32(v.num ^ v.num>>32)
	case String:
		h := int32(0)
		for _, u := range units(v.text()) {
			h = 31*h + int32(u)
		}
		return h
	case ListKind:
		h := int32(1)
		for _, x := range v.List().items {
			h = 31*h + hashCode(x, m)
		}
		return h
	case MapKind:
		h := int32(0)
		for _, e := range v.Map().entries {
			h += hashCode(e.key, m) ^ hashCode(e.value, m)
		}
		return h
	case BigInteger:
		return hashBig(v.big())
	case BigDecimal:
		return 31*hashBig(v.dec().unscaled) + v.dec().scale
	case ObjectKind:
		return hashObject(v.any(), m)
	}
	return 0
}

// hashBig is BigInteger's: over the magnitude in words of 32 bits, with the sign.
func hashBig(n *big.Int) int32 {
	h := int32(0)
	bytes := n.Bytes()
	for len(bytes)%4 != 0 {
		bytes = append([]byte{0}, bytes...)
	}
	for ; len(bytes) > 0; bytes = bytes[4:] {
		h = 31*h + int32(binary.BigEndian.Uint32(bytes))
	}
	return h * int32(n.Sign())
}

// hashObject: of a set, the sum of its elements'.
func hashObject(o any, m *meter) int32 {
	switch x := o.(type) {
	case *view:
		h := int32(0)
		for i := 0; x.of != viewValues && i < x.m.Len(); i++ {
			v, _ := x.at(i)
			h += hashCode(v, m)
		}
		return h
	case *entry:
		return hashCode(x.key, m) ^ hashCode(x.value, m)
	}
	return 0
}
