package vtl

import (
	"errors"
	"math"
	"math/big"
	"math/bits"
)

// Arithmetic of spec/vtl.md 4: integral operands are computed in 64 bits and keep the wider operand's type, an overflow
// gives a BigInteger; a Double makes the result a Double; a BigDecimal, or a BigInteger with a Double, a BigDecimal.

var errModulo = errors.New("the remainder of decimal numbers cannot be calculated")

// arithmetic applies one of + - * / %. The operands are numbers. Null is the result of a division by zero.
func arithmetic(op byte, a, b Value, m *meter) (Value, error) {
	if (op == '/' || op == '%') && isZero(b) {
		return Value{}, nil
	}
	switch {
	case a.kind <= Long && b.kind <= Long:
		return integral(op, a, b), nil
	case a.kind == BigDecimal || b.kind == BigDecimal || (a.kind == Double) != (b.kind == Double) && (a.kind == BigInteger || b.kind == BigInteger):
		return bigDecimals(op, toDecimal(a), toDecimal(b), m)
	case a.kind == BigInteger || b.kind == BigInteger:
		return bigIntegers(op, toBig(a), toBig(b), m)
	}
	x, y := toDouble(a), toDouble(b)
	switch op {
	case '+':
		x += y
	case '-':
		x -= y
	case '*':
		x *= y
	case '/':
		x /= y
	default:
		x = math.Mod(x, y)
	}
	return DoubleValue(x), nil
}

// integral computes with Integers and Longs.
func integral(op byte, a, b Value) Value {
	x, y := int64(a.num), int64(b.num)
	var r int64
	overflow := false
	switch op {
	case '+':
		r = x + y
		overflow = (r^x)&(r^y) < 0
	case '-':
		r = x - y
		overflow = (r^x)&(r^^y) < 0
	case '*':
		r, overflow = multiply(x, y)
	case '/':
		r = divide(x, y)
	default:
		if y != -1 {
			r = x % y
		}
	}
	if overflow {
		v, _ := bigIntegers(op, big.NewInt(x), big.NewInt(y), nil)
		return v
	}
	if a.kind == Integer && b.kind == Integer {
		return IntValue(r)
	}
	return LongValue(r)
}

// multiply reports an overflow as Velocity does, which overlooks the smallest number times -1.
func multiply(x, y int64) (int64, bool) {
	r := x * y
	if x == math.MinInt64 && y == -1 {
		return r, false
	}
	hi, lo := bits.Mul64(magnitude(x), magnitude(y))
	limit := uint64(math.MaxInt64)
	if (x < 0) != (y < 0) {
		limit++
	}
	return r, hi != 0 || lo > limit
}

func magnitude(x int64) uint64 {
	if x < 0 {
		return -uint64(x)
	}
	return uint64(x)
}

// divide wraps like Java, where Go would too: the smallest number by -1 is itself.
func divide(x, y int64) int64 {
	if y == -1 {
		return -x
	}
	return x / y
}

func bigIntegers(op byte, x, y *big.Int, m *meter) (Value, error) {
	if !bigEnough(m, x.BitLen()+y.BitLen()) {
		return Value{}, m.err
	}
	r := new(big.Int)
	switch op {
	case '+':
		r.Add(x, y)
	case '-':
		r.Sub(x, y)
	case '*':
		r.Mul(x, y)
	case '/':
		r.Quo(x, y)
	default:
		if y.Sign() < 0 {
			return Value{}, errors.New("BigInteger: modulus not positive")
		}
		r.Mod(x, y)
	}
	return BigIntegerValue(r), nil
}

// bigEnough pays for computing with numbers of that many bits; without a meter they are known to be small.
func bigEnough(m *meter, n int) bool {
	if m == nil {
		return true
	}
	if n > maxBits {
		m.fail("a number of more than %d bits", maxBits)
		return false
	}
	return m.spend(1 + n*n>>16)
}

func isZero(v Value) bool {
	switch v.kind {
	case Integer, Long:
		return v.num == 0
	case Double:
		return v.double() == 0
	case BigInteger:
		return v.big().Sign() == 0
	}
	return v.dec().unscaled.Sign() == 0
}

func toDouble(v Value) float64 {
	switch v.kind {
	case Integer, Long:
		return float64(int64(v.num))
	case Double:
		return v.double()
	case BigInteger:
		f, _ := new(big.Float).SetInt(v.big()).Float64()
		return f
	case BigDecimal:
		return v.dec().double()
	}
	return 0
}

func toBig(v Value) *big.Int {
	if v.kind == BigInteger {
		return v.big()
	}
	return big.NewInt(int64(v.num))
}

// toLong is Java's longValue, with whatever that loses.
func toLong(v Value) int64 {
	switch v.kind {
	case Integer, Long:
		return int64(v.num)
	case Double:
		return javaLong(v.double())
	case BigInteger:
		return lowBits(v.big())
	case BigDecimal:
		return lowBits(v.dec().integer())
	}
	return 0
}

// toInt is Java's intValue.
func toInt(v Value) int64 {
	if v.kind == Double {
		f := v.double()
		switch {
		case math.IsNaN(f):
			return 0
		case f >= math.MaxInt32:
			return math.MaxInt32
		case f <= math.MinInt32:
			return math.MinInt32
		}
		return int64(f)
	}
	return int64(int32(toLong(v)))
}

func lowBits(n *big.Int) int64 {
	low := new(big.Int).And(n, new(big.Int).SetUint64(math.MaxUint64))
	return int64(low.Uint64())
}

// javaLong is Java's cast of a double to long.
func javaLong(f float64) int64 {
	switch {
	case math.IsNaN(f):
		return 0
	case f >= math.MaxInt64:
		return math.MaxInt64
	case f <= math.MinInt64:
		return math.MinInt64
	}
	return int64(f)
}

// compareNumbers compares across types. A NaN is larger than everything, itself included.
func compareNumbers(a, b Value) int {
	switch {
	case a.kind <= Long && b.kind <= Long:
		return compareInts(int64(a.num), int64(b.num))
	case a.kind == BigDecimal || b.kind == BigDecimal || (a.kind == Double) != (b.kind == Double) && (a.kind == BigInteger || b.kind == BigInteger):
		if !finite(a) || !finite(b) {
			break
		}
		return toDecimal(a).compare(toDecimal(b))
	case a.kind == BigInteger || b.kind == BigInteger:
		return toBig(a).Cmp(toBig(b))
	}
	x, y := toDouble(a), toDouble(b)
	switch {
	case x < y:
		return -1
	case x == y:
		return 0
	}
	return 1
}

func compareInts(x, y int64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

func finite(v Value) bool {
	return v.kind != Double || !math.IsNaN(v.double()) && !math.IsInf(v.double(), 0)
}
