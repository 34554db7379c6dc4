package vtl

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// numberMethods every number has.
var numberMethods = []method{
	{"intValue", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return IntValue(toInt(s)), nil }},
	{"longValue", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return LongValue(toLong(s)), nil }},
	{"doubleValue", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return DoubleValue(toDouble(s)), nil }},
	{"floatValue", "", func(_ *renderer, s Value, _ []Value) (Value, error) {
		f, _ := strconv.ParseFloat(strconv.FormatFloat(toDouble(s), 'g', -1, 32), 64)
		return DoubleValue(f), nil
	}},
	{"shortValue", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return IntValue(int64(int16(toInt(s)))), nil }},
	{"byteValue", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return IntValue(int64(int8(toInt(s)))), nil }},
}

// integerMethods are java.lang.Integer's, its static ones included: any instance can be used to call them.
var integerMethods = append(integral32Methods, []method{
	{"parseInt", "S", parseInt32},
	{"parseInt", "SI", parseInt32},
	{"valueOf", "I", first},
	{"valueOf", "S", parseInt32},
	{"valueOf", "SI", parseInt32},
	{"decode", "S", func(_ *renderer, _ Value, a []Value) (Value, error) { return decodeInteger(a[0], 32) }},
	{"toString", "I", asText},
	{"toString", "II", func(_ *renderer, _ Value, a []Value) (Value, error) { return inRadix(a[0].Int(), a[1].Int()) }},
	{"compareTo", "O", compareThis},
}...)

var integral32Methods = []method{
	{"toHexString", "I", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return unsignedText(uint64(uint32(a[0].num)), 16)
	}},
	{"toOctalString", "I", func(_ *renderer, _ Value, a []Value) (Value, error) { return unsignedText(uint64(uint32(a[0].num)), 8) }},
	{"toBinaryString", "I", func(_ *renderer, _ Value, a []Value) (Value, error) { return unsignedText(uint64(uint32(a[0].num)), 2) }},
	{"max", "II", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return IntValue(max(a[0].Int(), a[1].Int())), nil
	}},
	{"min", "II", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return IntValue(min(a[0].Int(), a[1].Int())), nil
	}},
	{"sum", "II", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return IntValue(int64(int32(a[0].Int() + a[1].Int()))), nil
	}},
	{"compare", "II", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return IntValue(int64(compareInts(a[0].Int(), a[1].Int()))), nil
	}},
	{"signum", "I", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return IntValue(int64(compareInts(a[0].Int(), 0))), nil
	}},
	{"bitCount", "I", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return IntValue(int64(bits.OnesCount32(uint32(a[0].num)))), nil
	}},
	{"hashCode", "I", first},
}

// longMethods are java.lang.Long's.
var longMethods = []method{
	{"parseLong", "S", parseInt64},
	{"parseLong", "SI", parseInt64},
	{"valueOf", "J", asLong},
	{"valueOf", "S", parseInt64},
	{"valueOf", "SI", parseInt64},
	{"decode", "S", func(_ *renderer, _ Value, a []Value) (Value, error) { return decodeInteger(a[0], 64) }},
	{"toString", "J", asText},
	{"toString", "JI", func(_ *renderer, _ Value, a []Value) (Value, error) { return inRadix(a[0].Int(), a[1].Int()) }},
	{"toHexString", "J", func(_ *renderer, _ Value, a []Value) (Value, error) { return unsignedText(a[0].num, 16) }},
	{"toOctalString", "J", func(_ *renderer, _ Value, a []Value) (Value, error) { return unsignedText(a[0].num, 8) }},
	{"toBinaryString", "J", func(_ *renderer, _ Value, a []Value) (Value, error) { return unsignedText(a[0].num, 2) }},
	{"max", "JJ", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return LongValue(max(a[0].Int(), a[1].Int())), nil
	}},
	{"min", "JJ", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return LongValue(min(a[0].Int(), a[1].Int())), nil
	}},
	{"sum", "JJ", func(_ *renderer, _ Value, a []Value) (Value, error) { return LongValue(a[0].Int() + a[1].Int()), nil }},
	{"compare", "JJ", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return IntValue(int64(compareInts(a[0].Int(), a[1].Int()))), nil
	}},
	{"signum", "J", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return IntValue(int64(compareInts(a[0].Int(), 0))), nil
	}},
	{"bitCount", "J", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return IntValue(int64(bits.OnesCount64(a[0].num))), nil
	}},
	{"hashCode", "J", func(r *renderer, _ Value, a []Value) (Value, error) {
		return IntValue(int64(hashCode(LongValue(a[0].Int()), &r.meter))), nil
	}},
	{"compareTo", "O", compareThis},
}

// doubleMethods are java.lang.Double's.
var doubleMethods = []method{
	{"parseDouble", "S", parseDouble},
	{"valueOf", "D", func(_ *renderer, _ Value, a []Value) (Value, error) { return DoubleValue(toDouble(a[0])), nil }},
	{"valueOf", "S", parseDouble},
	{"isNaN", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return BoolValue(math.IsNaN(s.double())), nil }},
	{"isNaN", "D", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return BoolValue(math.IsNaN(toDouble(a[0]))), nil
	}},
	{"isInfinite", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return BoolValue(math.IsInf(s.double(), 0)), nil }},
	{"isInfinite", "D", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return BoolValue(math.IsInf(toDouble(a[0]), 0)), nil
	}},
	{"isFinite", "D", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return BoolValue(finite(DoubleValue(toDouble(a[0])))), nil
	}},
	{"toString", "D", func(r *renderer, _ Value, a []Value) (Value, error) {
		return StringValue(r.printed(DoubleValue(toDouble(a[0])), "")), nil
	}},
	{"max", "DD", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return DoubleValue(math.Max(toDouble(a[0]), toDouble(a[1]))), nil
	}},
	{"min", "DD", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return DoubleValue(math.Min(toDouble(a[0]), toDouble(a[1]))), nil
	}},
	{"sum", "DD", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return DoubleValue(toDouble(a[0]) + toDouble(a[1])), nil
	}},
	{"toHexString", "D", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return StringValue(hexDouble(toDouble(a[0]))), nil
	}},
	{"hashCode", "D", func(r *renderer, _ Value, a []Value) (Value, error) {
		return IntValue(int64(hashCode(DoubleValue(toDouble(a[0])), &r.meter))), nil
	}},
	{"compare", "DD", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return IntValue(int64(compareDoubles(toDouble(a[0]), toDouble(a[1])))), nil
	}},
	{"compareTo", "O", func(_ *renderer, s Value, a []Value) (Value, error) {
		return IntValue(int64(compareDoubles(s.double(), a[0].double()))), comparableTo(Double, a[0])
	}},
}

// hexDouble is Double.toHexString.
func hexDouble(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return string(appendDouble(nil, f))
	}
	sign := ""
	if math.Signbit(f) {
		sign, f = "-", -f
	}
	if f < 0x1p-1022 { // zero and the subnormal numbers have a 0 before the point
		digits := strings.TrimRight(fmt.Sprintf("%013x", math.Float64bits(f)), "0")
		if digits == "" {
			return sign + "0x0.0p0"
		}
		return sign + "0x0." + digits + "p-1022"
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'x', -1, 64), "p")
	if !strings.Contains(mantissa, ".") {
		mantissa += ".0"
	}
	n, _ := strconv.Atoi(exponent)
	return sign + mantissa + "p" + strconv.Itoa(n)
}

// compareDoubles is Double.compare: -0.0 is less than 0.0, and NaN is the largest.
func compareDoubles(x, y float64) int {
	switch {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	order := func(f float64) int {
		switch {
		case math.IsNaN(f):
			return 1
		case f == 0 && math.Signbit(f):
			return -1
		}
		return 0
	}
	return compareInts(int64(order(x)), int64(order(y)))
}

var booleanMethods = []method{
	{"booleanValue", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return s, nil }},
	{"parseBoolean", "S", parseBoolean},
	{"valueOf", "Z", first},
	{"valueOf", "S", parseBoolean},
	{"toString", "Z", asText},
	{"hashCode", "Z", func(r *renderer, _ Value, a []Value) (Value, error) {
		return IntValue(int64(hashCode(a[0], &r.meter))), nil
	}},
	{"logicalAnd", "ZZ", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return BoolValue(a[0].Bool() && a[1].Bool()), nil
	}},
	{"logicalOr", "ZZ", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return BoolValue(a[0].Bool() || a[1].Bool()), nil
	}},
	{"logicalXor", "ZZ", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return BoolValue(a[0].Bool() != a[1].Bool()), nil
	}},
	{"compare", "ZZ", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return IntValue(int64(a[0].num) - int64(a[1].num)), nil
	}},
	{"compareTo", "O", func(_ *renderer, s Value, a []Value) (Value, error) {
		return IntValue(int64(s.num) - int64(a[0].num)), comparableTo(Boolean, a[0])
	}},
}

func first(_ *renderer, _ Value, a []Value) (Value, error) { return a[0], nil }

func asText(r *renderer, _ Value, a []Value) (Value, error) {
	return StringValue(r.printed(a[0], "")), r.err
}

func asLong(_ *renderer, _ Value, a []Value) (Value, error) { return LongValue(a[0].Int()), nil }

func compareThis(_ *renderer, s Value, a []Value) (Value, error) {
	return IntValue(int64(compareInts(s.Int(), a[0].Int()))), comparableTo(s.kind, a[0])
}

func parseBoolean(_ *renderer, _ Value, a []Value) (Value, error) {
	return BoolValue(strings.EqualFold(a[0].text(), "true")), nil
}

// notANumber is Java's NumberFormatException.
func notANumber(s string) error {
	return fmt.Errorf("NumberFormatException: for input string: %q", abbreviated(s))
}

func parseInteger(a []Value, size int) (int64, error) {
	radix := 10
	if len(a) == 2 {
		radix = int(a[1].Int())
	}
	if radix < 2 || radix > 36 || a[0].kind == Null {
		return 0, notANumber(a[0].text())
	}
	n, err := strconv.ParseInt(a[0].text(), radix, size)
	if err != nil {
		return 0, notANumber(a[0].text())
	}
	return n, nil
}

func parseInt32(_ *renderer, _ Value, a []Value) (Value, error) {
	n, err := parseInteger(a, 32)
	return IntValue(n), err
}

func parseInt64(_ *renderer, _ Value, a []Value) (Value, error) {
	n, err := parseInteger(a, 64)
	return LongValue(n), err
}

// decodeInteger is decode: decimal, 0x, # or a leading 0 for octal.
func decodeInteger(v Value, size int) (Value, error) {
	s, sign := v.text(), ""
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		sign, s = s[:1], s[1:]
	}
	radix := 10
	switch lower := strings.ToLower(s); {
	case strings.HasPrefix(lower, "0x"):
		s, radix = s[2:], 16
	case strings.HasPrefix(s, "#"):
		s, radix = s[1:], 16
	case strings.HasPrefix(s, "0") && len(s) > 1:
		s, radix = s[1:], 8
	}
	n, err := strconv.ParseInt(sign+s, radix, size)
	if err != nil || strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		return Value{}, notANumber(v.text())
	}
	if size == 64 {
		return LongValue(n), nil
	}
	return IntValue(n), nil
}

// parseDouble is Java's: white space around and a letter for the type behind are allowed.
func parseDouble(_ *renderer, _ Value, a []Value) (Value, error) {
	s := strings.TrimFunc(a[0].text(), func(c rune) bool { return c <= ' ' })
	unsigned := strings.TrimLeft(s, "+-")
	if unsigned == "NaN" || unsigned == "Infinity" {
		f, err := strconv.ParseFloat(s, 64)
		if unsigned == "NaN" {
			f, err = math.NaN(), nil
		}
		return DoubleValue(f), err
	}
	if hex := strings.ToLower(unsigned); strings.HasPrefix(hex, "0x") && strings.Contains(hex, "p") && !strings.Contains(hex, "_") {
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return DoubleValue(f), nil
		}
	}
	number := strings.TrimRight(s, "dDfF")
	if len(s)-len(number) > 1 || strings.Trim(number, "0123456789.eE+-") != "" {
		return Value{}, notANumber(a[0].text())
	}
	f, err := strconv.ParseFloat(number, 64)
	if errors.Is(err, strconv.ErrSyntax) {
		return Value{}, notANumber(a[0].text())
	}
	return DoubleValue(f), nil
}

func unsignedText(n uint64, radix int) (Value, error) {
	return StringValue(strconv.FormatUint(n, radix)), nil
}

// inRadix is toString with a radix; one that is none is 10.
func inRadix(n, radix int64) (Value, error) {
	if radix < 2 || radix > 36 {
		radix = 10
	}
	return StringValue(strconv.FormatInt(n, int(radix))), nil
}

// bigMethods are java.math.BigInteger's.
var bigMethods = []method{
	{"add", "B", bigMath('+')},
	{"subtract", "B", bigMath('-')},
	{"multiply", "B", bigMath('*')},
	{"divide", "B", bigMath('/')},
	{"mod", "B", bigMath('%')},
	{"negate", "", func(_ *renderer, s Value, _ []Value) (Value, error) {
		return BigIntegerValue(new(big.Int).Neg(toBig(s))), nil
	}},
	{"abs", "", func(_ *renderer, s Value, _ []Value) (Value, error) {
		return BigIntegerValue(new(big.Int).Abs(toBig(s))), nil
	}},
	{"signum", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return IntValue(int64(toBig(s).Sign())), nil }},
	{"bitCount", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return IntValue(int64(bitCount(toBig(s)))), nil }},
	{"bitLength", "", func(_ *renderer, s Value, _ []Value) (Value, error) { return IntValue(int64(bitLength(toBig(s)))), nil }},
	{"compareTo", "O", func(_ *renderer, s Value, a []Value) (Value, error) {
		if err := comparableTo(BigInteger, a[0]); err != nil {
			return Value{}, err
		}
		return IntValue(int64(toBig(s).Cmp(toBig(a[0])))), nil
	}},
	{"toString", "I", func(_ *renderer, s Value, a []Value) (Value, error) {
		radix := int(a[0].Int())
		if radix < 2 || radix > 36 {
			radix = 10
		}
		return StringValue(toBig(s).Text(radix)), nil
	}},
	{"valueOf", "J", func(_ *renderer, _ Value, a []Value) (Value, error) {
		return BigIntegerValue(big.NewInt(a[0].Int())), nil
	}},
}

// bitLength is Java's: of a negative number, the bits of its complement.
func bitLength(n *big.Int) int {
	if n.Sign() < 0 {
		return new(big.Int).Not(n).BitLen()
	}
	return n.BitLen()
}

// bitCount is Java's: of a negative number, the bits that differ from its sign.
func bitCount(n *big.Int) int {
	if n.Sign() < 0 {
		n = new(big.Int).Not(n)
	}
	count := 0
	for _, w := range n.Bits() {
		count += bits.OnesCount(uint(w))
	}
	return count
}

func bigMath(op byte) func(*renderer, Value, []Value) (Value, error) {
	return func(r *renderer, s Value, a []Value) (Value, error) {
		if a[0].kind == Null {
			return Value{}, errNull
		}
		if (op == '/' || op == '%') && isZero(a[0]) {
			return Value{}, errors.New("BigInteger divide by zero")
		}
		return bigIntegers(op, toBig(s), toBig(a[0]), &r.meter)
	}
}
