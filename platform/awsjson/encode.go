package awsjson

import (
	"encoding/base64"
	"fmt"
	"math"
	"net/http"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/limen-gateway/limen/proto/aws"
)

// Response is an answer ready for the wire.
type Response struct {
	Status int
	Header http.Header
	Body   []byte
}

// Encode makes the answer of success. Members that are absent in the message are absent on the wire.
func (o *Operation) Encode(m protoreflect.ProtoMessage) Response {
	r := Response{Status: o.Status, Header: http.Header{}}
	r.Header.Set("Content-Type", "application/json")
	if o.out == nil {
		return r
	}
	msg := m.ProtoReflect()
	for _, m := range o.out.members {
		if m.Place == aws.Header && msg.Has(m.field) {
			r.Header.Set(m.Wire, msg.Get(m.field).String())
		}
	}
	if p := o.out.payload; p != nil {
		r.Body = msg.Get(p.field).Bytes()
		return r
	}
	r.Body = appendStructure(nil, msg, o.out)
	return r
}

func appendStructure(b []byte, msg protoreflect.Message, s *structure) []byte {
	b = append(b, '{')
	first := true
	for _, m := range s.members {
		if s.byWire[m.Wire] != m || !msg.Has(m.field) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = appendString(b, m.Wire)
		b = append(b, ':')
		b = appendValue(b, msg.Get(m.field), m.value, m.nullEmpty)
	}
	return append(b, '}')
}

func appendValue(b []byte, v protoreflect.Value, t *valueType, nullEmpty bool) []byte {
	switch t.kind {
	case "list":
		return appendList(b, v.Message(), t)
	case "map":
		return appendMap(b, v.Message(), t, nullEmpty)
	case "struct":
		return appendStructure(b, v.Message(), t.structure)
	case "string":
		return appendString(b, v.String())
	case "bool":
		return strconv.AppendBool(b, v.Bool())
	case "int32", "int64":
		return strconv.AppendInt(b, v.Int(), 10)
	case "double":
		return appendDouble(b, v.Float())
	case "blob":
		return appendString(b, base64.StdEncoding.EncodeToString(v.Bytes()))
	}
	return appendTimestamp(b, v.Message().Interface().(*timestamppb.Timestamp).AsTime(), t.format)
}

func appendList(b []byte, w protoreflect.Message, t *valueType) []byte {
	list := w.Get(onlyField(w, "items")).List()
	b = append(b, '[')
	for i := range list.Len() {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, list.Get(i), t.elem, false)
	}
	return append(b, ']')
}

func appendMap(b []byte, w protoreflect.Message, t *valueType, nullEmpty bool) []byte {
	entries := w.Get(onlyField(w, "entries")).Map()
	b = append(b, '{')
	for i, k := range entryKeys(entries) {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, k)
		b = append(b, ':')
		v := entries.Get(protoreflect.ValueOfString(k).MapKey())
		if nullEmpty && v.String() == "" {
			b = append(b, "null"...)
			continue
		}
		b = appendValue(b, v, t.elem, false)
	}
	return append(b, '}')
}

// entryKeys are the keys of a map in order.
func entryKeys(entries protoreflect.Map) []string {
	keys := make([]string, 0, entries.Len())
	for k := range entries.Range {
		keys = append(keys, k.String())
	}
	sort.Strings(keys)
	return keys
}

// appendDouble prints as Java's Double.toString does: 10000.0, 0.5, 1.0E7, 1.0E-4.
func appendDouble(b []byte, f float64) []byte {
	switch abs := math.Abs(f); {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	case f == 0, abs >= 1e-3 && abs < 1e7:
		return appendFraction(b, strconv.FormatFloat(f, 'f', -1, 64))
	}
	digits, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	n, _ := strconv.Atoi(exponent)
	return strconv.AppendInt(append(appendFraction(b, digits), 'E'), int64(n), 10)
}

// appendFraction gives a number the fraction that Java never leaves out.
func appendFraction(b []byte, number string) []byte {
	b = append(b, number...)
	if !strings.Contains(number, ".") {
		b = append(b, ".0"...)
	}
	return b
}

// appendTimestamp: v1 takes seconds since 1970 as a number, v2 an ISO 8601 text; swapping them breaks SDKs hard
// (spec/control-plane.md 3). Both have milliseconds at most.
func appendTimestamp(b []byte, t time.Time, format string) []byte {
	if format == "iso8601" {
		return appendString(b, t.UTC().Format("2006-01-02T15:04:05.999Z07:00"))
	}
	millis := t.UnixMilli()
	if millis < 0 {
		b, millis = append(b, '-'), -millis
	}
	b = strconv.AppendInt(b, millis/1000, 10)
	if frac := millis % 1000; frac > 0 {
		b = append(b, strings.TrimRight(fmt.Sprintf(".%03d", frac), "0")...)
	}
	return b
}

// appendString writes a JSON string without the HTML escapes of encoding/json.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				b = append(append(b, s[start:i]...), "\ufffd"...)
				start = i + size
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		b = appendEscape(b, c)
		i++
		start = i
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, fmt.Sprintf(`\u%04x`, c)...)
}

// ErrorBody is the JSON of a fault: {"message":"..."}.
func ErrorBody(message string) []byte {
	b := append([]byte(`{"message":`), appendString(nil, message)...)
	return append(b, '}')
}
