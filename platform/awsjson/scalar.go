package awsjson

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/limen-gateway/limen/core/fault"
)

// Java names that AWS's SerializationException shows. spec/control-plane.md 4.2.
const (
	javaNumber = "com.amazon.coral.value.json.numbers.TruncatingBigNumber"
	javaBool   = "java.lang.Boolean"
	javaString = "java.lang.String"
)

var javaKind = map[string]string{"string": "String", "bool": "Boolean", "int32": "Integer", "int64": "Long",
	"double": "Double", "blob": "Blob", "timestamp": "Timestamp"}

// unexpected is AWS's text for a JSON value of the wrong form.
func unexpected(v any, wanted string) *fault.Error {
	switch v.(type) {
	case map[string]any:
		return fault.Serialization("Start of structure or map found where not expected.")
	case []any:
		return fault.Serialization("Start of list found where not expected")
	}
	return fault.Serialization("class %s can not be converted to a %s", javaClass(v), wanted)
}

func javaClass(v any) string {
	switch v.(type) {
	case bool:
		return javaBool
	case json.Number:
		return javaNumber
	}
	return javaString
}

// scalarOfJSON converts a decoded JSON scalar; it never bends one kind into another.
func scalarOfJSON(t *valueType, v any) (protoreflect.Value, *fault.Error) {
	switch v.(type) {
	case map[string]any, []any:
		return protoreflect.Value{}, unexpected(v, t.kind)
	}
	wrong := func() (protoreflect.Value, *fault.Error) {
		return protoreflect.Value{}, fault.Serialization("class %s can not be converted to an %s", javaClass(v), javaKind[t.kind])
	}
	switch t.kind {
	case "string":
		if s, ok := v.(string); ok {
			return protoreflect.ValueOfString(s), nil
		}
	case "bool":
		if b, ok := v.(bool); ok {
			return protoreflect.ValueOfBool(b), nil
		}
	case "int32", "int64", "double", "timestamp":
		return number(t, v, wrong)
	case "blob":
		if s, ok := v.(string); ok {
			b, err := base64.StdEncoding.DecodeString(s)
			if err != nil {
				return protoreflect.Value{}, fault.Serialization("a blob is not valid base64: %v", err)
			}
			return protoreflect.ValueOfBytes(b), nil
		}
	}
	return wrong()
}

func number(t *valueType, v any, wrong func() (protoreflect.Value, *fault.Error)) (protoreflect.Value, *fault.Error) {
	if t.kind == "timestamp" {
		return timestamp(v, wrong)
	}
	n, ok := v.(json.Number)
	if !ok {
		return wrong()
	}
	if t.kind == "double" {
		f, err := n.Float64()
		if err != nil {
			return protoreflect.Value{}, fault.Serialization("the number %s is out of range", n)
		}
		return protoreflect.ValueOfFloat64(f), nil
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	i := int64(f)
	if exact, e := n.Int64(); e == nil {
		i = exact
	} else if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return protoreflect.Value{}, fault.Serialization("the number %s is not a whole number in range", n)
	}
	if t.kind == "int64" {
		return protoreflect.ValueOfInt64(i), nil
	}
	if i < math.MinInt32 || i > math.MaxInt32 {
		return protoreflect.Value{}, fault.Serialization("the number %s does not fit an Integer", n)
	}
	return protoreflect.ValueOfInt32(int32(i)), nil
}

func timestamp(v any, wrong func() (protoreflect.Value, *fault.Error)) (protoreflect.Value, *fault.Error) {
	var ts *timestamppb.Timestamp
	switch v := v.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil || math.Abs(f) > 1<<40 {
			return protoreflect.Value{}, fault.Serialization("the timestamp %s is out of range", v)
		}
		ts = timestamppb.New(time.UnixMilli(int64(math.Round(f * 1e3))))
	case string:
		parsed, err := time.Parse(time.RFC3339Nano, v)
		if err != nil {
			return protoreflect.Value{}, fault.Serialization("%q is not an ISO 8601 timestamp", v)
		}
		ts = timestamppb.New(parsed)
	default:
		return wrong()
	}
	if !ts.IsValid() {
		return protoreflect.Value{}, fault.Serialization("the timestamp %v is out of range", v)
	}
	return protoreflect.ValueOfMessage(ts.ProtoReflect()), nil
}

// javaList prints a JSON array as Java does: [a, b].
func javaList(array []any) string {
	text := "["
	for i, e := range array {
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprint(e)
	}
	return text + "]"
}
