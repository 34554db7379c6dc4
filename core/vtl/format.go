package vtl

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

// formatSpec is one specifier of Java's Formatter: %[index$][flags][width][.precision]conversion.
type formatSpec struct {
	index      int // from 1; 0 for the next argument, -1 for the last one again
	flags      string
	width      int
	precision  int // -1 when there is none
	conversion byte
	text       string
}

func (s *formatSpec) has(flag byte) bool { return strings.IndexByte(s.flags, flag) >= 0 }

func (s *formatSpec) fail(exception string) error {
	return fmt.Errorf("%s: format specifier '%s'", exception, s.text)
}

// format is String.format (spec/vtl.md 6.2).
func (r *renderer) format(pattern Value, args []Value) (Value, error) {
	if pattern.kind == Null {
		return Value{}, errNull
	}
	var out []byte
	next, last := 0, -1
	for s := pattern.text(); s != ""; {
		percent := strings.IndexByte(s, '%')
		if percent < 0 {
			out = append(out, s...)
			break
		}
		out = append(out, s[:percent]...)
		spec, n, err := parseFormat(s[percent:])
		if err != nil {
			return Value{}, err
		}
		s = s[percent+n:]
		if spec.conversion == '%' || spec.conversion == 'n' {
			text := map[byte]string{'%': "%", 'n': "\n"}[spec.conversion]
			out = append(out, spec.pad(text, r)...)
			continue
		}
		switch {
		case spec.index > 0:
			last = spec.index - 1
		case spec.index == 0:
			last = next
			next++
		}
		if last < 0 || last >= len(args) {
			return Value{}, spec.fail("MissingFormatArgumentException")
		}
		text, err := spec.format(args[last], r)
		if err != nil {
			return Value{}, err
		}
		out = append(out, spec.pad(text, r)...)
		if !r.size(len(out)) {
			return Value{}, r.err
		}
	}
	return StringValue(string(out)), r.err
}

var errUnknownFormat = errors.New("UnknownFormatConversionException")

// parseFormat reads one specifier and how long it is.
func parseFormat(s string) (*formatSpec, int, error) {
	spec := &formatSpec{precision: -1}
	i := 1
	digits := func() (int, int) {
		start := i
		for i < len(s) && isDigit(s[i]) {
			i++
		}
		n, _ := strconv.Atoi(s[start:min(i, start+9)])
		return n, i - start
	}
	if n, k := digits(); k > 0 && i < len(s) && s[i] == '$' {
		spec.index = n
		i++
	} else {
		i = 1
	}
	start := i
	for i < len(s) && strings.IndexByte("-#+ 0,(<", s[i]) >= 0 {
		i++
	}
	spec.flags = s[start:i]
	if spec.has('<') {
		spec.index = -1
	}
	spec.width, _ = digits()
	if i < len(s) && s[i] == '.' {
		i++
		n, k := digits()
		if k == 0 {
			return nil, 0, errUnknownFormat
		}
		spec.precision = n
	}
	if i == len(s) {
		return nil, 0, errUnknownFormat
	}
	spec.conversion = s[i]
	spec.text = s[:i+1]
	if strings.IndexByte("bBhHsScCdoxXeEfgGaA%n", s[i]) < 0 {
		return nil, 0, errUnknownFormat
	}
	if strings.IndexByte("bBhHsScC", s[i]) >= 0 && strings.ContainsAny(spec.flags, "#+ 0,(") {
		return nil, 0, spec.fail("FormatFlagsConversionMismatchException")
	}
	if (spec.has('-') || spec.has('0')) && spec.width == 0 {
		return nil, 0, spec.fail("MissingFormatWidthException")
	}
	return spec, i + 1, nil
}

// pad fills up to the width.
func (s *formatSpec) pad(text string, r *renderer) string {
	n := s.width - length16(text)
	if n <= 0 || !r.size(s.width) {
		return text
	}
	if s.has('-') {
		return text + strings.Repeat(" ", n)
	}
	return strings.Repeat(" ", n) + text
}

func (s *formatSpec) format(v Value, r *renderer) (string, error) {
	upper := s.conversion >= 'A' && s.conversion <= 'Z'
	text, err := "", error(nil)
	switch s.conversion | 0x20 {
	case 's':
		text = s.cut(r.printed(v, "null"))
	case 'b':
		text = s.cut(strconv.FormatBool(v.kind != Null && (v.kind != Boolean || v.Bool())))
	case 'h':
		if text = "null"; v.kind != Null {
			text = strconv.FormatUint(uint64(uint32(hashCode(v, &r.meter))), 16)
		}
		text = s.cut(text)
	case 'c':
		text, err = s.character(v)
	case 'd', 'o', 'x':
		text, err = s.integer(v, r)
	default:
		text, err = s.float(v, r)
	}
	if upper {
		text = toUpper(text)
	}
	return text, err
}

// cut is what a precision does to text.
func (s *formatSpec) cut(text string) string {
	if s.precision >= 0 {
		if short, ok := substring16(text, 0, s.precision); ok {
			return short
		}
	}
	return text
}

func (s *formatSpec) character(v Value) (string, error) {
	switch v.kind {
	case Null:
		return "null", nil
	case Character:
		return string(appendUnit(nil, uint16(v.num))), nil
	case Integer:
		if v.num > 0x10FFFF {
			return "", s.fail("IllegalFormatCodePointException")
		}
		return runeOf(v), nil
	}
	return "", s.fail("IllegalFormatConversionException")
}

func (s *formatSpec) integer(v Value, r *renderer) (string, error) {
	var n *big.Int
	switch v.kind {
	case Null:
		return "null", nil
	case Integer, Long, BigInteger:
		n = toBig(v)
	default:
		return "", s.fail("IllegalFormatConversionException")
	}
	if s.precision >= 0 {
		return "", s.fail("IllegalFormatPrecisionException")
	}
	if s.conversion == 'd' {
		return s.signed(n.Sign() < 0, new(big.Int).Abs(n).String(), r), nil
	}
	radix := 16
	prefix := "0x"
	if s.conversion == 'o' {
		radix, prefix = 8, "0"
	}
	switch {
	case v.kind == Integer:
		n = new(big.Int).SetUint64(uint64(uint32(v.num)))
	case v.kind == Long:
		n = new(big.Int).SetUint64(v.num)
	}
	text := n.Text(radix)
	if s.has('#') {
		text = prefix + text
	}
	if s.has('0') {
		text = s.zeros(len(text), r) + text
	}
	return text, nil
}

// zeros fill the width of which some is already taken.
func (s *formatSpec) zeros(taken int, r *renderer) string {
	if n := s.width - taken; n > 0 && r.size(s.width) {
		return strings.Repeat("0", n)
	}
	return ""
}

// signed puts the sign, the grouping and the zeros to a number.
func (s *formatSpec) signed(negative bool, digits string, r *renderer) string {
	if s.has(',') {
		digits = grouped(digits)
	}
	before, after := "", ""
	switch {
	case negative && s.has('('):
		before, after = "(", ")"
	case negative:
		before = "-"
	case s.has('+'):
		before = "+"
	case s.has(' '):
		before = " "
	}
	if s.has('0') {
		before += s.zeros(len(before)+len(digits)+len(after), r)
	}
	return before + digits + after
}

func grouped(digits string) string {
	whole, fraction, _ := strings.Cut(digits, ".")
	var b strings.Builder
	for i := range len(whole) {
		if i > 0 && (len(whole)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteByte(whole[i])
	}
	if len(fraction) > 0 {
		b.WriteString("." + fraction)
	}
	return b.String()
}

func (s *formatSpec) float(v Value, r *renderer) (string, error) {
	switch v.kind {
	case Null:
		return s.cut("null"), nil
	case Double, BigDecimal:
	default:
		return "", s.fail("IllegalFormatConversionException")
	}
	precision := s.precision
	if precision < 0 {
		precision = 6
	}
	if !r.size(precision) {
		return "", r.err
	}
	if v.kind == Double && !finite(v) {
		return s.notFinite(v.double()), nil
	}
	if s.conversion|0x20 == 'a' {
		return hexDouble(toDouble(v)), nil
	}
	digits, exponent, negative := decimalDigits(v)
	switch s.conversion | 0x20 {
	case 'e':
		return s.signed(negative, scientific(digits, exponent, precision), r), nil
	case 'g':
		return s.general(digits, exponent, precision, negative, r), nil
	}
	return s.signed(negative, fixedPoint(digits, exponent, precision), r), nil
}

// general is %g: plain from 10^-4 up to 10^precision, else scientific.
func (s *formatSpec) general(digits string, exponent, precision int, negative bool, r *renderer) string {
	precision = max(precision, 1)
	rounded, at := roundDigits(digits, exponent, precision)
	if rounded == "0" || at > -4 && at <= precision {
		return s.signed(negative, fixedPoint(rounded, at, max(precision-at, 0)), r)
	}
	return s.signed(negative, scientific(rounded, at, precision-1), r)
}

func (s *formatSpec) notFinite(f float64) string {
	switch {
	case math.IsNaN(f):
		return "NaN"
	case f < 0 && s.has('('):
		return "(Infinity)"
	case f < 0:
		return "-Infinity"
	case s.has('+'):
		return "+Infinity"
	}
	return "Infinity"
}

// decimalDigits is the number as 0.digits × 10^exponent; of a Double, the digits that it prints.
func decimalDigits(v Value) (digits string, exponent int, negative bool) {
	if v.kind == BigDecimal {
		d := v.dec()
		digits = new(big.Int).Abs(d.unscaled).String()
		return digits, len(digits) - int(d.scale), d.unscaled.Sign() < 0
	}
	f := v.double()
	mantissa, e, _ := strings.Cut(strconv.FormatFloat(math.Abs(f), 'e', -1, 64), "e")
	exponent, _ = strconv.Atoi(e)
	return strings.Replace(mantissa, ".", "", 1), exponent + 1, math.Signbit(f)
}

// roundDigits keeps n digits; a half is rounded up, as Java does (and not to the nearest even digit).
func roundDigits(digits string, exponent, n int) (string, int) {
	if n < 0 {
		return "0", 1
	}
	if n >= len(digits) {
		return digits, exponent
	}
	up := digits[n] >= '5'
	kept := []byte("0" + digits[:n])
	if up {
		i := n
		for kept[i] == '9' {
			kept[i] = '0'
			i--
		}
		kept[i]++
	}
	if kept[0] != '0' {
		return string(kept), exponent + 1
	}
	if n == 0 {
		return "0", 1
	}
	return string(kept[1:]), exponent
}

func fixedPoint(digits string, exponent, precision int) string {
	digits, exponent = roundDigits(digits, exponent, exponent+precision)
	whole, fraction := "0", ""
	switch {
	case exponent <= 0:
		fraction = strings.Repeat("0", min(-exponent, precision)) + digits
	case exponent >= len(digits):
		whole = digits + strings.Repeat("0", exponent-len(digits))
	default:
		whole, fraction = digits[:exponent], digits[exponent:]
	}
	if precision == 0 {
		return whole
	}
	return whole + "." + (fraction + strings.Repeat("0", max(precision-len(fraction), 0)))[:precision]
}

func scientific(digits string, exponent, precision int) string {
	digits, exponent = roundDigits(digits, exponent, precision+1)
	digits += strings.Repeat("0", max(precision+1-len(digits), 0))
	if strings.Trim(digits, "0") == "" {
		exponent = 1
	}
	text := digits[:1]
	if precision > 0 {
		text += "." + digits[1:precision+1]
	}
	sign := "+"
	if exponent--; exponent < 0 {
		sign, exponent = "-", -exponent
	}
	return fmt.Sprintf("%se%s%02d", text, sign, exponent)
}
