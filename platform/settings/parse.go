package settings

import (
	"encoding"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// parse reads text into v by v's type; the error is the rule that text breaks ("must be …").
func parse(text string, v reflect.Value) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil {
			return fmt.Errorf("is not valid: %w", err)
		}
		return nil
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		d, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("must be a duration such as 500ms or 10s, not %q", text)
		}
		v.SetInt(int64(d))
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		if err := parse(text, p.Elem()); err != nil {
			return err
		}
		v.Set(p)
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("must be true or false, not %q", text)
		}
		v.SetBool(b)
	case reflect.Slice:
		return parseList(text, v)
	case reflect.Map:
		return parseMap(text, v)
	default:
		return parseNumber(text, v)
	}
	return nil
}

func parseNumber(text string, v reflect.Value) error {
	bits := 0
	if v.CanInt() || v.CanUint() || v.CanFloat() {
		bits = v.Type().Bits()
	}
	switch {
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, bits)
		if err != nil {
			return fmt.Errorf("must be a whole number, not %q", text)
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(text, 10, bits)
		if err != nil {
			return fmt.Errorf("must be a whole number, zero or more, not %q", text)
		}
		v.SetUint(n)
	case v.CanFloat():
		n, err := strconv.ParseFloat(text, bits)
		if err != nil {
			return fmt.Errorf("must be a number, not %q", text)
		}
		v.SetFloat(n)
	default:
		return fmt.Errorf("can be set in a file only")
	}
	return nil
}

// parseList reads a,b,c; an empty text is an empty list.
func parseList(text string, v reflect.Value) error {
	list := reflect.MakeSlice(v.Type(), 0, 0)
	for _, part := range strings.Split(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		e := reflect.New(v.Type().Elem()).Elem()
		if err := parse(part, e); err != nil {
			return err
		}
		list = reflect.Append(list, e)
	}
	v.Set(list)
	return nil
}

// parseMap reads a=b,c=d.
func parseMap(text string, v reflect.Value) error {
	m := reflect.MakeMap(v.Type())
	for _, part := range strings.Split(text, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			return fmt.Errorf("must be name=value pairs with commas between, not %q", text)
		}
		e := reflect.New(v.Type().Elem()).Elem()
		if err := parse(value, e); err != nil {
			return err
		}
		m.SetMapIndex(reflect.ValueOf(key), e)
	}
	v.Set(m)
	return nil
}

// yamlReader walks a YAML tree beside a configuration struct.
type yamlReader struct {
	file     string
	origins  map[string]string
	problems []error
}

func (l *Loaded) fromYAML(root reflect.Value, path string, text []byte) []error {
	y := &yamlReader{file: filepath.Base(path), origins: l.origins}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return []error{fmt.Errorf("%s: %w", y.file, err)}
	}
	if len(doc.Content) > 0 {
		y.read("", doc.Content[0], root)
	}
	return y.problems
}

func (y *yamlReader) problem(n *yaml.Node, format string, args ...any) {
	y.problems = append(y.problems, fmt.Errorf("%s:%d: %s", y.file, n.Line, fmt.Sprintf(format, args...)))
}

// read fills v, whose dotted name is name, from n.
func (y *yamlReader) read(name string, n *yaml.Node, v reflect.Value) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Tag == "!!null" {
		return // `etcd:` with nothing under it
	}
	if !isGroup(v.Type()) && name != "" {
		y.origins[name] = fmt.Sprintf("%s:%d", y.file, n.Line)
	}
	switch {
	case isGroup(v.Type()):
		y.readStruct(name, n, v)
	case n.Kind == yaml.SequenceNode && v.Kind() == reflect.Slice:
		list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
		for i, item := range n.Content {
			y.read(fmt.Sprintf("%s.%d", name, i), item, list.Index(i))
		}
		v.Set(list)
	case n.Kind == yaml.MappingNode && v.Kind() == reflect.Map:
		y.readMap(name, n, v)
	case n.Kind == yaml.ScalarNode && v.Kind() != reflect.Map && v.Kind() != reflect.Slice:
		if err := parse(n.Value, v); err != nil {
			y.problem(n, "%s %v", name, err)
		}
	default:
		y.problem(n, "%s must be %s, not %s", name, shape(v), kinds[n.Kind])
	}
}

func (y *yamlReader) readStruct(name string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		y.problem(n, "%s must be %s, not %s", orFile(name), shape(v), kinds[n.Kind])
		return
	}
	fields := map[string]reflect.Value{}
	members(v, fields)
	y.pairs(name, n, func(full string, key, value *yaml.Node) {
		f, ok := fields[key.Value]
		if !ok {
			y.problem(key, "unknown setting %s", full)
			return
		}
		y.read(full, value, f)
	})
}

// members finds the fields of a struct by their names, those of inlined structs among them.
func members(v reflect.Value, fields map[string]reflect.Value) {
	for i := range v.NumField() {
		switch sf := v.Type().Field(i); {
		case !sf.IsExported() || sf.Tag.Get("yaml") == "-":
		case inlined(sf):
			members(v.Field(i), fields)
		default:
			fields[nameOf(sf)] = v.Field(i)
		}
	}
}

func (y *yamlReader) readMap(name string, n *yaml.Node, v reflect.Value) {
	m := reflect.MakeMap(v.Type())
	y.pairs(name, n, func(full string, key, value *yaml.Node) {
		e := reflect.New(v.Type().Elem()).Elem()
		y.read(full, value, e)
		m.SetMapIndex(reflect.ValueOf(key.Value), e)
	})
	v.Set(m)
}

// pairs calls f for each key of a mapping and refuses the ones that come twice.
func (y *yamlReader) pairs(name string, n *yaml.Node, f func(full string, key, value *yaml.Node)) {
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		full := key.Value
		if name != "" {
			full = name + "." + key.Value
		}
		if seen[key.Value] {
			y.problem(key, "%s is set twice", full)
			continue
		}
		seen[key.Value] = true
		f(full, key, value)
	}
}

var kinds = map[yaml.Kind]string{yaml.ScalarNode: "a value", yaml.SequenceNode: "a list", yaml.MappingNode: "a mapping"}

func shape(v reflect.Value) string {
	switch {
	case isGroup(v.Type()), v.Kind() == reflect.Map:
		return "a mapping"
	case v.Kind() == reflect.Slice:
		return "a list"
	default:
		return "a value"
	}
}

func orFile(name string) string {
	if name == "" {
		return "the file"
	}
	return name
}
