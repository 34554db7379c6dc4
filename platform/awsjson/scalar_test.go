package awsjson

import (
	"encoding/json"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"
)

func TestScalarOfJSON(t *testing.T) {
	for _, c := range []struct {
		kind string
		in   any
		want any
	}{
		{"int32", json.Number("7"), int32(7)},
		{"int32", json.Number("7.0"), int32(7)},
		{"int32", json.Number("7e2"), int32(700)},
		{"int32", json.Number("-2147483648"), int32(-2147483648)},
		{"int64", json.Number("9223372036854775807"), int64(9223372036854775807)},
		{"int64", json.Number("1E3"), int64(1000)},
		{"double", json.Number("33.330000"), 33.33},
		{"double", json.Number("-1"), -1.0},
		{"string", "true", "true"},
		{"bool", true, true},
	} {
		v, err := scalarOfJSON(&valueType{kind: c.kind}, c.in)
		if err != nil || v.Interface() != c.want {
			t.Errorf("%v as %s is %v, %v", c.in, c.kind, v, err)
		}
	}
}

func TestScalarOfJSONRefuses(t *testing.T) {
	const number = "class com.amazon.coral.value.json.numbers.TruncatingBigNumber can not be converted to an "
	for _, c := range []struct {
		kind string
		in   any
		text string
	}{
		{"int32", json.Number("2147483648"), "the number 2147483648 does not fit an Integer"},
		{"int32", json.Number("0.5"), "the number 0.5 is not a whole number in range"},
		{"int64", json.Number("9223372036854775808"), "the number 9223372036854775808 is not a whole number in range"},
		{"int64", json.Number("1e400"), "the number 1e400 is not a whole number in range"},
		{"double", json.Number("-1e400"), "the number -1e400 is out of range"},
		{"double", "1", "class java.lang.String can not be converted to an Double"},
		{"bool", json.Number("1"), number + "Boolean"},
		{"blob", json.Number("1"), number + "Blob"},
		{"blob", "*", "a blob is not valid base64: illegal base64 data at input byte 0"},
		{"timestamp", true, "class java.lang.Boolean can not be converted to an Timestamp"},
		{"timestamp", "yesterday", `"yesterday" is not an ISO 8601 timestamp`},
		{"timestamp", json.Number("1e300"), "the timestamp 1e300 is out of range"},
		{"timestamp", json.Number("-99999999999"), "the timestamp -99999999999 is out of range"},
		{"string", []any{}, "Start of list found where not expected"},
	} {
		_, err := scalarOfJSON(&valueType{kind: c.kind}, c.in)
		if err == nil || err.Name != "SerializationException" || err.Message != c.text {
			t.Errorf("%v as %s: %v\nwant %s", c.in, c.kind, err, c.text)
		}
	}
}

// TestTimestamps: both wire forms say the same moment, and come back as they were.
func TestTimestamps(t *testing.T) {
	for _, c := range []struct {
		at         time.Time
		epoch, iso string
	}{
		{time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC), "1704164645", `"2024-01-02T03:04:05Z"`},
		{time.Date(2024, 1, 2, 3, 4, 5, 120e6, time.UTC), "1704164645.12", `"2024-01-02T03:04:05.12Z"`},
		{time.Date(2024, 1, 2, 3, 4, 5, 1e6, time.UTC), "1704164645.001", `"2024-01-02T03:04:05.001Z"`},
		{time.Unix(0, 0), "0", `"1970-01-01T00:00:00Z"`},
		{time.UnixMilli(-1500), "-1.5", `"1969-12-31T23:59:58.5Z"`},
	} {
		if got := string(appendTimestamp(nil, c.at, "")); got != c.epoch {
			t.Errorf("%v is %s, want %s", c.at, got, c.epoch)
		}
		if got := string(appendTimestamp(nil, c.at, "iso8601")); got != c.iso {
			t.Errorf("%v is %s, want %s", c.at, got, c.iso)
		}
		for _, in := range []any{json.Number(c.epoch), c.iso[1 : len(c.iso)-1]} {
			v, err := scalarOfJSON(&valueType{kind: "timestamp"}, in)
			if err != nil {
				t.Errorf("%v: %v", in, err)
				continue
			}
			if got := v.Message().Interface().(*timestamppb.Timestamp).AsTime(); !got.Equal(c.at) {
				t.Errorf("%v is read as %v", in, got)
			}
		}
	}
}
