package codec

import (
	"fmt"
	"reflect"
	"sort"
	"strconv"
	"strings"
)

// path leads from a structure to a member at any depth, by the indexes of the fields; lists and maps on the way are
// entered at one element.
type path []int

// pathsOf lists the paths to every member, those of nested structures too.
func pathsOf(t reflect.Type) []path {
	var out []path
	for _, i := range members(t) {
		out = append(out, path{i})
		inner := nested(t.Field(i).Type)
		if inner == nil {
			continue
		}
		for _, p := range pathsOf(inner) {
			out = append(out, append(path{i}, p...))
		}
	}
	return out
}

// nested is the structure inside a type, or nil.
func nested(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || t == timeType {
		return nil
	}
	return t
}

// name prints a path as "Location.Type".
func (p path) name(t reflect.Type) string {
	var words []string
	for _, i := range p {
		f := t.Field(i)
		words = append(words, f.Name)
		t = nested(f.Type)
	}
	return strings.Join(words, ".")
}

// leaf is the field at the end of a path.
func (p path) leaf(t reflect.Type) reflect.StructField {
	f := t.Field(p[0])
	if len(p) == 1 {
		return f
	}
	return p[1:].leaf(nested(f.Type))
}

// open makes every container on the way to the member, and sets the member when v is valid.
func (p path) open(structure, v reflect.Value) {
	f := structure.Field(p[0])
	if len(p) == 1 {
		if v.IsValid() {
			f.Set(v)
		}
		return
	}
	enter(f, func(inner reflect.Value) { p[1:].open(inner, v) })
}

// enter walks into the structure inside a value, through one element of each list and map, making what is missing.
func enter(v reflect.Value, visit func(structure reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		enter(v.Elem(), visit)
	case reflect.Slice:
		if v.Len() == 0 {
			v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		}
		enter(v.Index(0), visit)
	case reflect.Map:
		if v.IsNil() {
			v.Set(reflect.MakeMap(v.Type()))
		}
		key := firstKey(v)
		element := reflect.New(v.Type().Elem()).Elem()
		if old := v.MapIndex(key); old.IsValid() {
			element.Set(old)
		}
		enter(element, visit)
		v.SetMapIndex(key, element)
	default:
		visit(v)
	}
}

func firstKey(m reflect.Value) reflect.Value {
	keys := m.MapKeys()
	if len(keys) == 0 {
		return reflect.ValueOf("key").Convert(m.Type().Key())
	}
	sort.Slice(keys, func(i, j int) bool { return keys[i].String() < keys[j].String() })
	return keys[0]
}

// complete fills the member that the SDK misses and names as "Location.Tags[0].Type", with as little as there may be.
func complete(structure reflect.Value, missing string, f *filler) error {
	head, rest, _ := strings.Cut(missing, ".")
	name, indexes, _ := strings.Cut(head, "[")
	field := structure.FieldByName(name)
	if !field.IsValid() {
		return fmt.Errorf("%s has no member %s", structure.Type(), name)
	}
	if rest == "" {
		field.Set(f.least(field.Type(), name))
		return nil
	}
	return completeInside(field, strings.TrimSuffix(indexes, "]"), func(inner reflect.Value) error {
		return complete(inner, rest, f)
	})
}

func completeInside(v reflect.Value, index string, visit func(reflect.Value) error) (err error) {
	switch v.Kind() {
	case reflect.Pointer:
		return completeInside(v.Elem(), index, visit)
	case reflect.Slice:
		i, err := strconv.Atoi(index)
		if err != nil {
			return err
		}
		return completeInside(v.Index(i), "", visit)
	case reflect.Map:
		key := reflect.ValueOf(strings.Trim(index, `"`)).Convert(v.Type().Key())
		element := reflect.New(v.Type().Elem()).Elem()
		element.Set(v.MapIndex(key))
		err = completeInside(element, "", visit)
		v.SetMapIndex(key, element)
		return err
	}
	return visit(v)
}

// least is full, but leaves it to the SDK to ask for the members of a structure.
func (f *filler) least(t reflect.Type, name string) reflect.Value {
	if t.Kind() == reflect.Pointer && nested(t) != nil {
		return reflect.New(t.Elem())
	}
	return f.full(t, name)
}
