package vtl

import (
	"math"
	"math/big"
	"strconv"
)

// decimal is Java's BigDecimal: unscaled × 10^-scale.
type decimal struct {
	unscaled *big.Int
	scale    int32
}

// maxScale bounds the places of a decimal: aligning two numbers costs as many digits as their scales differ.
const maxScale = 20_000

func pow10(n int32) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil) }

// toDecimal is exact, also for doubles, which keep every binary digit.
func toDecimal(v Value) decimal {
	switch v.kind {
	case BigDecimal:
		return v.dec()
	case BigInteger:
		return decimal{v.big(), 0}
	}
	return exactDecimal(toDouble(v))
}

// exactDecimal: m × 2^e; a negative e gives that many places, 5^-e × 10^e.
func exactDecimal(f float64) decimal {
	if math.IsNaN(f) || math.IsInf(f, 0) || f == 0 {
		return decimal{new(big.Int), 0}
	}
	fraction, exponent := math.Frexp(f)
	mantissa := int64(fraction * (1 << 53))
	exponent -= 53
	for mantissa&1 == 0 {
		mantissa >>= 1
		exponent++
	}
	n := big.NewInt(mantissa)
	if exponent >= 0 {
		return decimal{n.Lsh(n, uint(exponent)), 0}
	}
	five := new(big.Int).Exp(big.NewInt(5), big.NewInt(int64(-exponent)), nil)
	return decimal{n.Mul(n, five), int32(-exponent)}
}

// align brings two decimals to one scale.
func align(a, b decimal) (x, y *big.Int, scale int32) {
	x, y, scale = a.unscaled, b.unscaled, max(a.scale, b.scale)
	if a.scale < scale {
		x = new(big.Int).Mul(x, pow10(scale-a.scale))
	}
	if b.scale < scale {
		y = new(big.Int).Mul(y, pow10(scale-b.scale))
	}
	return x, y, scale
}

func (d decimal) compare(e decimal) int {
	x, y, _ := align(d, e)
	return x.Cmp(y)
}

func bigDecimals(op byte, a, b decimal, m *meter) (Value, error) {
	cost := a.unscaled.BitLen() + b.unscaled.BitLen() + 4*int(magnitude(int64(a.scale)-int64(b.scale)))
	if !bigEnough(m, cost) {
		return Value{}, m.err
	}
	if a.scale > maxScale || b.scale > maxScale || a.scale < -maxScale || b.scale < -maxScale {
		m.fail("a number of more than %d places", maxScale)
		return Value{}, m.err
	}
	switch op {
	case '+', '-':
		x, y, scale := align(a, b)
		if op == '-' {
			y = new(big.Int).Neg(y)
		}
		return BigDecimalValue(new(big.Int).Add(x, y), scale), nil
	case '*':
		return BigDecimalValue(new(big.Int).Mul(a.unscaled, b.unscaled), a.scale+b.scale), nil
	case '/':
		return BigDecimalValue(divideHalfDown(a, b), a.scale), nil
	}
	return Value{}, errModulo
}

// divideHalfDown divides at the dividend's scale; a half is rounded towards zero.
func divideHalfDown(a, b decimal) *big.Int {
	x, y := new(big.Int).Set(a.unscaled), new(big.Int).Set(b.unscaled)
	if b.scale > 0 {
		x.Mul(x, pow10(b.scale))
	} else if b.scale < 0 {
		y.Mul(y, pow10(-b.scale))
	}
	q, r := new(big.Int).QuoRem(x, y, new(big.Int))
	if r.Lsh(r.Abs(r), 1).CmpAbs(y) > 0 {
		step := int64(1)
		if (x.Sign() < 0) != (y.Sign() < 0) {
			step = -1
		}
		q.Add(q, big.NewInt(step))
	}
	return q
}

func (d decimal) double() float64 {
	f, _ := strconv.ParseFloat(d.unscaled.String()+"E"+strconv.Itoa(-int(d.scale)), 64)
	return f
}

// integer is the part before the point.
func (d decimal) integer() *big.Int {
	if d.scale <= 0 {
		return new(big.Int).Mul(d.unscaled, pow10(min(-d.scale, maxScale)))
	}
	return new(big.Int).Quo(d.unscaled, pow10(min(d.scale, maxScale)))
}

// append is BigDecimal.toString: plain while the exponent is at least -6 and the scale not negative, else scientific.
func (d decimal) append(dst []byte) []byte {
	digits := d.unscaled.String()
	if digits[0] == '-' {
		dst = append(dst, '-')
		digits = digits[1:]
	}
	exponent := len(digits) - 1 - int(d.scale)
	switch {
	case d.scale == 0:
		return append(dst, digits...)
	case d.scale > 0 && exponent >= -6:
		if point := len(digits) - int(d.scale); point > 0 {
			dst = append(append(dst, digits[:point]...), '.')
			return append(dst, digits[point:]...)
		}
		dst = append(dst, "0."...)
		for range int(d.scale) - len(digits) {
			dst = append(dst, '0')
		}
		return append(dst, digits...)
	}
	dst = append(dst, digits[0])
	if len(digits) > 1 {
		dst = append(append(dst, '.'), digits[1:]...)
	}
	if exponent == 0 {
		return dst
	}
	dst = append(dst, 'E')
	if exponent > 0 {
		dst = append(dst, '+')
	}
	return strconv.AppendInt(dst, int64(exponent), 10)
}
