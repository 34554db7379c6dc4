package jsonpath

import (
	"math"
	"strconv"
	"strings"
)

// NumberClass is the Java class that the service gives a number (spec/vtl.md 9.1).
type NumberClass uint8

// The classes of numbers: by size without fraction and exponent, else Double, kept exactly when the text is long and
// its exponent is not beyond all bounds.
const (
	Integer NumberClass = iota + 1
	Long
	BigInteger
	Double
	BigDecimal
)

// longText is the length above which a number with a fraction or exponent is kept exactly.
const longText = 18

// NumberClass is the Java class of a Number; zero for every other kind.
func (v Value) NumberClass() NumberClass {
	if v.kind != Number || v.class != 0 {
		return v.class
	}
	return numberClass(v.text)
}

func numberClass(text string) NumberClass {
	if strings.ContainsAny(text, ".eE") {
		if len(text) > longText && hasScale(text) {
			return BigDecimal
		}
		return Double
	}
	if len(text) < 10 {
		return Integer
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case err != nil:
		return BigInteger
	case n >= math.MinInt32 && n <= math.MaxInt32:
		return Integer
	}
	return Long
}

// hasScale reports whether the exponent is one that Java's BigDecimal can have.
func hasScale(text string) bool {
	mantissa, exponent, ok := strings.Cut(text, "e")
	if !ok {
		if mantissa, exponent, ok = strings.Cut(text, "E"); !ok {
			return true
		}
	}
	n, err := strconv.ParseInt(exponent, 10, 32)
	_, fraction, _ := strings.Cut(mantissa, ".")
	scale := int64(len(fraction)) - n
	return err == nil && scale == int64(int32(scale))
}

// AppendNumber appends a number as Java prints it: 10.00 as 10.0, 1e10 as 1.0E10 (spec/rest.md 6.5).
func AppendNumber(dst []byte, text string) []byte { return NumberValue(text).appendNumber(dst) }

func (v Value) appendNumber(dst []byte) []byte {
	switch class := v.NumberClass(); {
	case class == BigDecimal:
		return appendDecimal(dst, parseDecimal(v.text))
	case class == Double && !isShortDouble(v.text):
		f, _ := strconv.ParseFloat(v.text, 64) // out of range is an infinity, as in Java
		return AppendDouble(dst, f)
	case v.text == "-0":
		return append(dst, '0')
	}
	return append(dst, v.text...)
}

// printsAsItStands reports whether Java prints a number as it was written, as far as that shows without computing.
func printsAsItStands(v Value) bool {
	switch v.NumberClass() {
	case BigDecimal:
		return false
	case Double:
		return isShortDouble(v.text)
	}
	return v.text != "-0"
}

// isShortDouble reports whether a Double is written as Java prints it, for those of fifteen digits at most, which survive being
// a Double, and between 10^-3 and 10^7, where there is no exponent.
func isShortDouble(text string) bool {
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	switch {
	case whole == "" || fraction == "" || len(whole) > 7 || len(whole)+len(fraction) > 15 || !isDigits(whole):
		return false
	case whole[0] == '0' && (len(whole) > 1 || strings.HasPrefix(fraction, "000")):
		return false
	}
	return fraction == "0" || fraction[len(fraction)-1] != '0' && isDigits(fraction)
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// AppendDouble appends a Double as Java's Double.toString prints it (spec/vtl.md 6.3).
func AppendDouble(dst []byte, f float64) []byte {
	switch {
	case math.IsInf(f, 1):
		return append(dst, "Infinity"...)
	case math.IsInf(f, -1):
		return append(dst, "-Infinity"...)
	case math.IsNaN(f):
		return append(dst, "NaN"...)
	}
	if a := math.Abs(f); a == 0 || a >= 1e-3 && a < 1e7 {
		from := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
		if !strings.Contains(string(dst[from:]), ".") {
			dst = append(dst, ".0"...)
		}
		return dst
	}
	var buf [32]byte
	mantissa, exponent, _ := strings.Cut(string(strconv.AppendFloat(buf[:0], f, 'E', -1, 64)), "E")
	dst = append(dst, mantissa...)
	if !strings.Contains(mantissa, ".") {
		dst = append(dst, ".0"...)
	}
	n, _ := strconv.Atoi(exponent)
	dst = append(dst, 'E')
	return strconv.AppendInt(dst, int64(n), 10)
}

// decimal is a number as Java's BigDecimal holds it: digits without leading zeros, times ten to the power of exponent.
type decimal struct {
	negative bool
	digits   string
	exponent int
}

// maxExponent keeps arithmetic on exponents far from overflow; Java refuses beyond 32 bits.
const maxExponent = 1 << 31

func parseDecimal(text string) decimal {
	var d decimal
	if strings.HasPrefix(text, "-") {
		d.negative, text = true, text[1:]
	}
	text = strings.TrimPrefix(text, "+")
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		n, _ := strconv.ParseInt(text[i+1:], 10, 64)
		d.exponent = int(min(max(n, -maxExponent), maxExponent))
		text = text[:i]
	}
	if whole, fraction, ok := strings.Cut(text, "."); ok {
		d.exponent -= len(fraction)
		text = whole + fraction
	}
	d.digits = strings.TrimLeft(text, "0")
	return d
}

// isDecimal reports whether Java's BigDecimal accepts the text.
func isDecimal(text string) bool {
	text = strings.TrimLeft(text[:min(1, len(text))], "+-") + text[min(1, len(text)):]
	mantissa, exponent := text, ""
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		mantissa, exponent = text[:i], text[i+1:]
		n, err := strconv.ParseInt(exponent, 10, 32)
		if err != nil || n == math.MinInt32 {
			return false
		}
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	return whole+fraction != "" && strings.Trim(whole, "0123456789") == "" && strings.Trim(fraction, "0123456789") == ""
}

// appendDecimal appends d as Java's BigDecimal.toString does.
func appendDecimal(dst []byte, d decimal) []byte {
	digits := d.digits
	if digits == "" {
		digits = "0"
	} else if d.negative {
		dst = append(dst, '-')
	}
	adjusted := d.exponent + len(digits) - 1
	if d.exponent > 0 || adjusted < -6 {
		dst = append(dst, digits[0])
		if len(digits) > 1 {
			dst = append(append(dst, '.'), digits[1:]...)
		}
		if adjusted == 0 {
			return dst
		}
		dst = append(dst, 'E')
		if adjusted > 0 {
			dst = append(dst, '+')
		}
		return strconv.AppendInt(dst, int64(adjusted), 10)
	}
	point := len(digits) + d.exponent
	switch {
	case d.exponent == 0:
		return append(dst, digits...)
	case point > 0:
		return append(append(append(dst, digits[:point]...), '.'), digits[point:]...)
	}
	dst = append(dst, "0."...)
	dst = append(dst, strings.Repeat("0", -point)...)
	return append(dst, digits...)
}

// compareNumbers compares two numbers of a document by value, after the rounding that their Java class brings.
func compareNumbers(a, b string) int {
	return compareDecimals(parseDecimal(rounded(a)), parseDecimal(rounded(b)))
}

// rounded is the text that has the value Java works with. Fifteen digits survive a Double unchanged.
func rounded(text string) string {
	if len(text) <= 15 && !strings.ContainsAny(text, "eE") || numberClass(text) != Double {
		return text
	}
	if java := string(AppendNumber(nil, text)); isDecimal(java) {
		return java
	}
	return text // beyond a Double; Java throws, we compare what was written
}

func compareDecimals(a, b decimal) int {
	if a.digits == "" || b.digits == "" || a.negative != b.negative {
		return sign(a) - sign(b)
	}
	order := compareMagnitudes(a, b)
	if a.negative {
		return -order
	}
	return order
}

func sign(d decimal) int {
	switch {
	case d.digits == "":
		return 0
	case d.negative:
		return -1
	}
	return 1
}

func compareMagnitudes(a, b decimal) int {
	if x, y := len(a.digits)+a.exponent, len(b.digits)+b.exponent; x != y {
		if x < y {
			return -1
		}
		return 1
	}
	for i := range max(len(a.digits), len(b.digits)) {
		x, y := digitAt(a.digits, i), digitAt(b.digits, i)
		if x != y {
			return int(x) - int(y)
		}
	}
	return 0
}

func digitAt(digits string, i int) byte {
	if i < len(digits) {
		return digits[i]
	}
	return '0'
}
