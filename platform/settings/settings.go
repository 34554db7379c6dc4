// Package settings fills the configuration structs of the services from a YAML file, the environment and flags, in that
// order, the later winning, and remembers where each value came from.
//
// A struct is the only truth about its settings. Field tags say the rest:
//
//	yaml:"data_dir"      the name; nested structs make dotted names (etcd.data_dir)
//	help:"…"             one sentence for --help and the reference page
//	default:"10s"        what the zero value means; Defaults writes it in. A bool has none: false could not be set
//	env:"LIMEN_X"        the environment variable, where it is not LIMEN_ETCD_DATA_DIR
//	secret:"true"        Print masks the value
//
// Reading is strict: a key, a list or a value that does not fit its field is an error with file, line and the rule.
// A struct with Check() error is asked after loading; use Refuse for its answers.
//
// The surprise: zero means the default, in every source. A number whose zero has a meaning of its own needs a pointer.
package settings

import (
	"encoding"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
)

// Prefix begins the environment variable of every setting.
const Prefix = "LIMEN_"

// Sources says where Load reads from. Each part may be empty.
type Sources struct {
	File    string   // path of a YAML file; it must exist when it is named
	Environ []string // as os.Environ returns it
	Flags   []Flag   // flags the user gave, in order
}

// Flag is a flag of the command line that the user gave.
type Flag struct {
	Setting string // dotted name
	Flag    string // as typed, for messages: --data-dir
	Value   string
}

// Loaded knows the settings of a struct that Load has filled, and where each came from.
type Loaded struct {
	fields  []field
	origins map[string]string
	unknown []string
}

// field is one leaf of a configuration struct.
type field struct {
	name  string // dotted
	tag   reflect.StructTag
	value reflect.Value
}

func (f field) env() string {
	if e := f.tag.Get("env"); e != "" {
		return e
	}
	return Prefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(f.name))
}

// refusal is an answer of Check.
type refusal struct{ setting, rule string }

func (r *refusal) Error() string { return r.setting + " " + r.rule }

// Refuse is the error of a Check method: a setting, named relative to the checked struct, and the rule it broke.
func Refuse(setting, rule string, args ...any) error {
	return &refusal{setting, fmt.Sprintf(rule, args...)}
}

// Load fills config, a pointer to a struct, and checks it. The error joins every problem found, each with its place.
func Load(config any, from Sources) (*Loaded, error) {
	root := reflect.ValueOf(config).Elem()
	l := &Loaded{fields: leaves("", root), origins: map[string]string{}}
	var problems []error
	if from.File != "" {
		text, err := os.ReadFile(from.File)
		if err != nil {
			return nil, fmt.Errorf("settings: %w", err)
		}
		problems = append(problems, l.fromYAML(root, from.File, text)...)
	}
	problems = append(problems, l.fromEnvironment(from.Environ)...)
	problems = append(problems, l.fromFlags(from.Flags)...)
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	if err := fillDefaults(l.fields); err != nil {
		return nil, err
	}
	return l, errors.Join(l.check("", root)...)
}

// Defaults writes the default of each setting that is zero into config, a pointer to a struct. Services call it in New,
// so that a struct made by hand means the same as one that was loaded. It panics on a default tag that does not parse:
// that is a mistake in the source, not in the settings.
func Defaults(config any) {
	if err := fillDefaults(leaves("", reflect.ValueOf(config).Elem())); err != nil {
		panic(err)
	}
}

func fillDefaults(fields []field) error {
	for _, f := range fields {
		text, ok := f.tag.Lookup("default")
		if ok && f.value.Kind() == reflect.Bool {
			return fmt.Errorf("settings: %s is a bool and has a default: it could not be set to false", f.name)
		}
		if !ok || !f.value.IsZero() {
			continue
		}
		if err := parse(text, f.value); err != nil {
			return fmt.Errorf("settings: default of %s: %w", f.name, err)
		}
	}
	return nil
}

// leaves lists the settings below v, a struct.
func leaves(prefix string, v reflect.Value) []field {
	var out []field
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		if !sf.IsExported() || sf.Tag.Get("yaml") == "-" {
			continue
		}
		name := prefix + nameOf(sf)
		if inlined(sf) {
			out = append(out, leaves(prefix, v.Field(i))...)
			continue
		}
		if isGroup(sf.Type) {
			out = append(out, leaves(name+".", v.Field(i))...)
			continue
		}
		out = append(out, field{name, sf.Tag, v.Field(i)})
	}
	return out
}

func nameOf(sf reflect.StructField) string {
	if n, _, _ := strings.Cut(sf.Tag.Get("yaml"), ","); n != "" {
		return n
	}
	return strings.ToLower(sf.Name)
}

// inlined reports whether an embedded struct's settings are named as those of the struct around it.
func inlined(sf reflect.StructField) bool {
	_, options, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
	return sf.Anonymous && options == "inline" && isGroup(sf.Type)
}

// isGroup reports whether a field of this type holds settings of its own rather than one value.
func isGroup(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func (l *Loaded) fromEnvironment(environ []string) []error {
	byName := map[string]field{}
	for _, f := range l.fields {
		byName[f.env()] = f
	}
	var problems []error
	for _, entry := range environ {
		name, value, _ := strings.Cut(entry, "=")
		f, ok := byName[name]
		if !ok {
			if strings.HasPrefix(name, Prefix) {
				l.unknown = append(l.unknown, name)
			}
			continue
		}
		if err := parse(value, f.value); err != nil {
			problems = append(problems, fmt.Errorf("environment %s: %s %w", name, f.name, err))
			continue
		}
		l.origins[f.name] = "environment " + name
	}
	return problems
}

func (l *Loaded) fromFlags(flags []Flag) []error {
	var problems []error
	for _, given := range flags {
		i := slices.IndexFunc(l.fields, func(f field) bool { return f.name == given.Setting })
		if i < 0 {
			problems = append(problems, fmt.Errorf("flag %s: there is no setting %s", given.Flag, given.Setting))
			continue
		}
		if err := parse(given.Value, l.fields[i].value); err != nil {
			problems = append(problems, fmt.Errorf("flag %s: %s %w", given.Flag, given.Setting, err))
			continue
		}
		l.origins[given.Setting] = "flag " + given.Flag
	}
	return problems
}

// check asks every struct that has a Check method, inner ones first.
func (l *Loaded) check(prefix string, v reflect.Value) []error {
	var problems []error
	for i := range v.NumField() {
		sf := v.Type().Field(i)
		// The Check of an inlined struct is promoted to the one around it.
		if sf.IsExported() && sf.Tag.Get("yaml") != "-" && isGroup(sf.Type) && !inlined(sf) {
			problems = append(problems, l.check(prefix+nameOf(sf)+".", v.Field(i))...)
		}
	}
	c, ok := v.Addr().Interface().(interface{ Check() error })
	if !ok {
		return problems
	}
	for _, err := range parts(c.Check()) {
		var r *refusal
		if !errors.As(err, &r) {
			problems = append(problems, fmt.Errorf("%s: %w", strings.TrimSuffix(prefix, "."), err))
			continue
		}
		name := prefix + r.setting
		problems = append(problems, fmt.Errorf("%s: %s %s", l.Origin(name), name, r.rule))
	}
	return problems
}

// parts takes a joined error apart.
func parts(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	if err == nil {
		return nil
	}
	return []error{err}
}

// Origin tells where a setting came from: "limen.yaml:3", "environment LIMEN_X", "flag --x" or "default".
func (l *Loaded) Origin(setting string) string {
	if o, ok := l.origins[setting]; ok {
		return o
	}
	// a value inside a list or map: the place of the whole
	for name, o := range l.origins {
		if strings.HasPrefix(setting, name+".") {
			return o
		}
	}
	return "default"
}

// Unknown lists the variables that begin with LIMEN_ but name no setting. They are not errors, since orchestrators
// plant such variables; whoever loads should warn.
func (l *Loaded) Unknown() []string { return slices.Sorted(slices.Values(l.unknown)) }

// Print writes every setting with its value and origin, one a line. Secrets are masked.
func (l *Loaded) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range l.fields {
		value := format(f.value)
		if f.tag.Get("secret") == "true" && value != "" {
			value = "****"
		}
		if value == "" {
			value = `""`
		}
		if _, err := fmt.Fprintf(t, "%s\t%s\t%s\n", f.name, value, l.Origin(f.name)); err != nil {
			return err
		}
	}
	return t.Flush()
}

func format(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Pointer:
		if v.IsNil() {
			return ""
		}
		return format(v.Elem())
	case v.Kind() == reflect.Slice:
		var items []string
		for i := range v.Len() {
			items = append(items, format(v.Index(i)))
		}
		return strings.Join(items, ",")
	case v.Kind() == reflect.Map && v.Type() == reflect.TypeFor[map[string]string]():
		m := v.Interface().(map[string]string)
		var pairs []string
		for _, k := range slices.Sorted(maps.Keys(m)) {
			pairs = append(pairs, k+"="+m[k])
		}
		return strings.Join(pairs, ",")
	default:
		return fmt.Sprint(v.Interface())
	}
}
