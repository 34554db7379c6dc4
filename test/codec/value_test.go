package codec

import (
	"encoding/base64"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

var timeType = reflect.TypeFor[time.Time]()

// filler makes values that all differ, legal for the models' constraints.
type filler struct{ n int }

// full fills a value to its whole depth. name is the member that it is for.
func (f *filler) full(t reflect.Type, name string) reflect.Value {
	v := reflect.New(t).Elem()
	switch {
	case t == timeType:
		f.n++
		v.Set(reflect.ValueOf(time.Unix(1_700_000_000+int64(f.n), int64(f.n%1000)*1e6).UTC()))
	case t.Kind() == reflect.Pointer:
		v.Set(reflect.New(t.Elem()))
		v.Elem().Set(f.full(t.Elem(), name))
	case t.Kind() == reflect.Struct:
		for _, i := range members(t) {
			v.Field(i).Set(f.full(t.Field(i).Type, t.Field(i).Name))
		}
	case isBlob(t):
		f.n++
		v.SetBytes([]byte(fmt.Sprintf("{\"blob\": %d, \"é\": \"\x00\xff\"}", f.n)))
	case t.Kind() == reflect.Slice:
		v.Set(reflect.Append(v, f.full(t.Elem(), name), f.full(t.Elem(), name)))
	case t.Kind() == reflect.Map:
		v.Set(reflect.MakeMap(t))
		for range 2 {
			f.n++
			key := reflect.ValueOf(fmt.Sprintf("k/%d é~1", f.n)).Convert(t.Key())
			v.SetMapIndex(key, f.full(t.Elem(), name))
		}
	default:
		f.scalar(v, name)
	}
	return v
}

func (f *filler) scalar(v reflect.Value, name string) {
	f.n++
	switch v.Kind() {
	case reflect.String:
		if legal := enumValues(v.Type()); len(legal) > 0 {
			v.SetString(legal[f.n%len(legal)])
			return
		}
		v.SetString(text(name, f.n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(50 + int64(f.n)) // 50 is the least that some member takes
	case reflect.Float64:
		v.SetFloat(float64(f.n) + 0.1)
	default:
		panic("a kind that the proof does not know: " + v.Type().String())
	}
}

// text is within the constraints of the models: a status code, at least 20 letters, or at most 16.
func text(name string, n int) string {
	if name == "StatusCode" {
		return strconv.Itoa(200 + n%400)
	}
	t := fmt.Sprintf("t%d/é\"<\\&%%+ $\n", n)
	if name == "ContentType" || name == "ContentDisposition" {
		return strings.TrimSpace(t) // a header line
	}
	if strings.HasSuffix(name, "Arn") || strings.HasSuffix(name, "Arns") || name == "UserPoolDomain" {
		return "arn:aws:limen::" + t
	}
	return t
}

// enumValues lists the legal values of an enum of the SDK; none for another type.
func enumValues(t reflect.Type) []string {
	m, ok := t.MethodByName("Values")
	if !ok || t.Kind() != reflect.String {
		return nil
	}
	values := m.Func.Call([]reflect.Value{reflect.Zero(t)})[0]
	out := make([]string, values.Len())
	for i := range out {
		out[i] = values.Index(i).String()
	}
	return out
}

// empty is the value that is present and holds nothing: "", 0, false, [], {}.
func empty(t reflect.Type) reflect.Value {
	switch {
	case t.Kind() == reflect.Pointer:
		v := reflect.New(t.Elem())
		v.Elem().Set(empty(t.Elem()))
		return v
	case t == timeType:
		return reflect.ValueOf(time.Unix(0, 0).UTC())
	case t.Kind() == reflect.Slice:
		return reflect.MakeSlice(t, 0, 0)
	case t.Kind() == reflect.Map:
		return reflect.MakeMap(t)
	}
	return reflect.Zero(t)
}

// hollow is a list or map with one element that is empty; ok is false for other types.
func hollow(t reflect.Type) (v reflect.Value, ok bool) {
	switch {
	case isBlob(t):
		return v, false
	case t.Kind() == reflect.Slice:
		v = reflect.MakeSlice(t, 1, 1)
		v.Index(0).Set(empty(t.Elem()))
		return v, true
	case t.Kind() == reflect.Map:
		v = reflect.MakeMap(t)
		v.SetMapIndex(reflect.ValueOf("key").Convert(t.Key()), empty(t.Elem()))
		return v, true
	}
	return v, false
}

// members are the indexes of the fields that the service knows.
func members(t reflect.Type) []int {
	var out []int
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() && f.Name != "ResultMetadata" {
			out = append(out, i)
		}
	}
	return out
}

func isBlob(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Uint8
}

// tree is a value of the SDK in the form of our message's JSON. explicit tells whether plain false, 0 and "" are written,
// which the SDK itself leaves out of requests. present is false when there is nothing to write.
func tree(v reflect.Value, explicit bool) (out any, present bool) {
	t := v.Type()
	switch {
	case t == timeType:
		return protoTime(v.Interface().(time.Time)), true
	case t.Kind() == reflect.Pointer:
		if v.IsNil() {
			return nil, false
		}
		out, _ = tree(v.Elem(), explicit)
		return out, true
	case t.Kind() == reflect.Struct:
		return structTree(v, explicit), true
	case isBlob(t):
		return base64.StdEncoding.EncodeToString(v.Bytes()), !v.IsNil()
	case t.Kind() == reflect.Slice:
		return listTree(v, explicit), !v.IsNil()
	case t.Kind() == reflect.Map:
		return mapTree(v, explicit), !v.IsNil()
	}
	return scalarTree(v), explicit || !v.IsZero()
}

func structTree(v reflect.Value, explicit bool) any {
	out := map[string]any{}
	for _, i := range members(v.Type()) {
		if m, present := tree(v.Field(i), explicit); present {
			out[lowerFirst(v.Type().Field(i).Name)] = m
		}
	}
	return out
}

func listTree(v reflect.Value, explicit bool) any {
	if v.Len() == 0 {
		return map[string]any{}
	}
	items := make([]any, v.Len())
	for i := range items {
		items[i] = elementTree(v.Index(i), explicit)
	}
	return map[string]any{"items": items}
}

func mapTree(v reflect.Value, explicit bool) any {
	if v.Len() == 0 {
		return map[string]any{}
	}
	entries := map[string]any{}
	for it := v.MapRange(); it.Next(); {
		entries[it.Key().String()] = elementTree(it.Value(), explicit)
	}
	return map[string]any{"entries": entries}
}

// elementTree: an element of a list or map is always there; only members of structures may be left out.
func elementTree(v reflect.Value, explicit bool) any {
	out, _ := tree(v, explicit)
	return out
}

func scalarTree(v reflect.Value) any {
	switch v.Kind() {
	case reflect.String:
		return v.String()
	case reflect.Bool:
		return v.Bool()
	case reflect.Int32:
		return float64(v.Int())
	case reflect.Int64:
		return strconv.FormatInt(v.Int(), 10)
	case reflect.Float64:
		return v.Float()
	}
	panic("a kind that the proof does not know: " + v.Type().String())
}

// protoTime prints a time as the JSON of messages does, with three digits or none.
func protoTime(t time.Time) string {
	if t.Nanosecond() == 0 {
		return t.UTC().Format("2006-01-02T15:04:05Z")
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}
