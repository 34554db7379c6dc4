package vtl

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strconv"
	"strings"
)

// The service's objects, small, for tests: core/mapping has the real ones.

// errNotJSON is the error of a text that is not JSON.
var errNotJSON = errors.New("not JSON")

// jsonReader reads strict JSON into the values that the service's library makes (spec/vtl.md 9.1).
type jsonReader struct {
	s       string
	i       int
	stack   []Value // of the maps and lists under way
	maps    chunk[Map]
	entries chunk[mapEntry]
	lists   chunk[List]
	items   chunk[Value]
}

func readJSON(s string) (v Value, err error) {
	defer func() {
		if recover() != nil {
			err = errNotJSON
		}
	}()
	r := &jsonReader{s: s}
	v = r.value()
	r.space()
	if r.i != len(s) {
		return Value{}, errNotJSON
	}
	return v, nil
}

func (r *jsonReader) space() {
	for r.i < len(r.s) && isSpace(r.s[r.i]) {
		r.i++
	}
}

func (r *jsonReader) peek() byte {
	if c := r.s[r.i]; c > ' ' {
		return c
	}
	r.space()
	return r.s[r.i]
}

func (r *jsonReader) want(c byte) {
	if r.peek() != c {
		panic(errNotJSON)
	}
	r.i++
}

func (r *jsonReader) value() Value {
	switch c := r.peek(); c {
	case '{':
		from := len(r.stack)
		if r.i++; r.peek() == '}' {
			r.i++
			return MapValue(NewMap(0))
		}
		for {
			key := r.text()
			r.want(':')
			r.stack = append(r.stack, StringValue(key), r.value())
			if r.peek() == '}' {
				r.i++
				break
			}
			r.want(',')
		}
		m := r.object(r.stack[from:])
		r.stack = r.stack[:from]
		return MapValue(m)
	case '[':
		from := len(r.stack)
		if r.i++; r.peek() == ']' {
			r.i++
			return ListValue(NewJSONArray())
		}
		for {
			r.stack = append(r.stack, r.value())
			if r.peek() == ']' {
				r.i++
				break
			}
			r.want(',')
		}
		l := r.lists.one()
		l.class, l.items = jsonArray, r.items.many(len(r.stack)-from)
		copy(l.items, r.stack[from:])
		r.stack = r.stack[:from]
		return ListValue(l)
	case '"':
		return StringValue(r.text())
	case 't':
		return r.word("true", BoolValue(true))
	case 'f':
		return r.word("false", BoolValue(false))
	case 'n':
		return r.word("null", Value{})
	}
	return r.number()
}

// object makes a map of keys and values.
func (r *jsonReader) object(pairs []Value) *Map {
	m := r.maps.one()
	entries := r.entries.many(len(pairs) / 2)
	for i := range entries {
		for j := range i {
			if len(entries) >= indexFrom || sameKey(&entries[j].key, &pairs[2*i]) { // a large one, or a key again
				m.entries = entries[:0]
				for k := 0; k < len(pairs); k += 2 {
					m.put(pairs[k], pairs[k+1])
				}
				return m
			}
		}
		entries[i].key, entries[i].value = pairs[2*i], pairs[2*i+1]
	}
	m.entries = entries
	return m
}

func (r *jsonReader) word(w string, v Value) Value {
	if !strings.HasPrefix(r.s[r.i:], w) {
		panic(errNotJSON)
	}
	r.i += len(w)
	return v
}

func (r *jsonReader) digits() int {
	start := r.i
	for r.i < len(r.s) && isDigit(r.s[r.i]) {
		r.i++
	}
	if r.i == start {
		panic(errNotJSON)
	}
	return start
}

func (r *jsonReader) number() Value {
	start := r.i
	if r.s[r.i] == '-' {
		r.i++
	}
	if d := r.digits(); r.s[d] == '0' && r.i > d+1 {
		panic(errNotJSON)
	}
	whole, places := r.i, 0
	if r.i < len(r.s) && r.s[r.i] == '.' {
		r.i++
		places = -r.digits() + r.i
	}
	mantissa, exponent := r.i, 0
	if r.i < len(r.s) && r.s[r.i]|0x20 == 'e' {
		r.i++
		sign := r.i
		if r.s[r.i] == '+' || r.s[r.i] == '-' {
			r.i++
		}
		r.digits()
		exponent, _ = strconv.Atoi(r.s[sign:r.i])
	}
	t := r.s[start:r.i]
	if r.i > whole {
		if len(t) > 18 {
			n, _ := new(big.Int).SetString(strings.Replace(r.s[start:mantissa], ".", "", 1), 10)
			return BigDecimalValue(n, int32(places-exponent))
		}
		f, _ := strconv.ParseFloat(t, 64)
		return DoubleValue(f)
	}
	return parseNumber(t, false)
}

func (r *jsonReader) text() string {
	r.want('"')
	start := r.i
	for r.s[r.i] != '"' && r.s[r.i] != '\\' && r.s[r.i] >= 0x20 {
		r.i++
	}
	if r.s[r.i] == '"' {
		r.i++
		return r.s[start : r.i-1]
	}
	b := []byte(r.s[start:r.i])
	for {
		c := r.s[r.i]
		r.i++
		switch {
		case c == '"':
			return string(b)
		case c < 0x20:
			panic(errNotJSON)
		case c != '\\':
			b = append(b, c)
			continue
		}
		c = r.s[r.i]
		r.i++
		switch c {
		case '"', '\\', '/':
			b = append(b, c)
		case 'b', 'f', 'n', 'r', 't':
			b = append(b, "\b\f\n\r\t"[strings.IndexByte("bfnrt", c)])
		case 'u':
			n, err := strconv.ParseUint(r.s[r.i:r.i+4], 16, 16)
			if err != nil {
				panic(errNotJSON)
			}
			b = appendUnit(b, uint16(n))
			r.i += 4
		default:
			panic(errNotJSON)
		}
	}
}

// readLenient is what the service does with a text that is not JSON: it is one string.
func readLenient(s string) Value {
	v, err := readJSON(s)
	if err != nil {
		return StringValue(strings.TrimSpace(s))
	}
	return v
}

// input is $input.
type input struct {
	body   string
	parsed bool
	doc    Value
	fresh  *prototype
	params *Map // made of fresh when it is asked for
}

func (in *input) Property(name string) (Value, bool) {
	if name == "body" {
		return StringValue(in.body), true
	}
	return Value{}, false
}

func (in *input) Call(name string, args []Value) (Value, bool, error) {
	if name == "params" && in.params == nil {
		in.params = in.fresh.copy().Map()
	}
	switch {
	case name == "params" && len(args) == 0:
		return MapValue(in.params), true, nil
	case len(args) != 1 || args[0].kind != String:
		return Value{}, false, nil
	case name == "params":
		for _, k := range []string{"path", "querystring", "header"} {
			m, _ := in.params.Get(k)
			if v, ok := m.Map().Get(args[0].text()); ok {
				return v, true, nil
			}
		}
		return StringValue(""), true, nil
	case name == "path", name == "json":
		if !in.parsed {
			in.parsed, in.doc = true, readLenient(in.body)
		}
		v, err := jsonPath(in.doc, args[0].text())
		if err != nil || name == "path" {
			return v, true, err
		}
		if v.kind == Null {
			return StringValue(`""`), true, nil
		}
		return StringValue(string(AppendJSON(make([]byte, 0, len(in.body)), v))), true, nil
	}
	return Value{}, false, nil
}

// utilities is $util.
type utilities struct{}

func (utilities) Property(string) (Value, bool) { return Value{}, false }

func (utilities) Call(name string, args []Value) (Value, bool, error) {
	if len(args) != 1 || args[0].kind != String && args[0].kind != Null {
		return Value{}, false, nil
	}
	s := args[0].text()
	switch name {
	case "escapeJavaScript":
		return StringValue(escapeJavaScript(s)), true, nil
	case "parseJson":
		return readLenient(s), true, nil
	case "urlEncode":
		return StringValue(strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(s), "~", "%7E"), "%2A", "*")), true, nil
	case "urlDecode":
		d, err := url.QueryUnescape(s)
		return StringValue(d), true, err
	case "base64Encode":
		return StringValue(base64.StdEncoding.EncodeToString([]byte(s))), true, nil
	case "base64Decode":
		d, err := base64.StdEncoding.DecodeString(s)
		if err != nil {
			d, err = base64.RawStdEncoding.DecodeString(s)
		}
		return StringValue(string(d)), true, err
	}
	return Value{}, false, nil
}

func escapeJavaScript(s string) string {
	plain := true
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c > 0x7F || strings.IndexByte(`"'\/`, c) >= 0 {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	var b []byte
	for _, u := range units(s) {
		switch {
		case u > 0x7F || u < 0x20 && strings.IndexByte("\b\f\n\r\t", byte(u)) < 0:
			const hex = "0123456789ABCDEF"
			b = append(b, '\\', 'u', hex[u>>12], hex[u>>8&15], hex[u>>4&15], hex[u&15])
		case u < 0x20:
			b = append(b, '\\', "bfnrt"[strings.IndexByte("\b\f\n\r\t", byte(u))])
		case strings.IndexByte(`"'\/`, byte(u)) >= 0:
			b = append(b, '\\', byte(u))
		default:
			b = append(b, byte(u))
		}
	}
	return string(b)
}

// silent makes a map and the maps in it nodes of $context.
func silent(v Value) Value {
	if m := v.Map(); m != nil {
		m.Silent = true
		for _, x := range m.All() {
			silent(x)
		}
	}
	return v
}

// child is a map in a map, made if it is not there.
func child(m *Map, name string, empty *Map) *Map {
	v, _ := m.Get(name)
	if v.Map() == nil {
		v = MapValue(empty)
		m.Put(name, v)
	}
	return v.Map()
}

// vector is one line of cases.jsonl.
type vector struct {
	Name, Feature, Tier, Profile string
	Template                     string
	Body                         string
	Params                       Value
	Context                      Value
	StageVariables               Value
	Output                       *string
	Error                        string
	Overrides                    Value
	params, context, stage       prototype
}

// vectorMembers are the members of a vector, with those that are for its readers: about, assumes, and the rows it shows.
var vectorMembers = map[string]bool{
	"name": true, "feature": true, "tier": true, "profile": true, "template": true, "body": true, "params": true, "context": true,
	"stageVariables": true, "output": true, "error": true, "overrides": true, "about": true, "assumes": true, "rows": true,
}

func readVector(line string) (vector, error) {
	v, err := readJSON(line)
	if err != nil {
		return vector{}, err
	}
	m := v.Map()
	for name := range m.All() {
		if !vectorMembers[name.text()] {
			return vector{}, fmt.Errorf("a vector has no member %s", name.text())
		}
	}
	text := func(name string) string {
		x, _ := m.Get(name)
		return x.text()
	}
	get := func(name string) Value {
		x, _ := m.Get(name)
		return x
	}
	x := vector{Name: text("name"), Feature: text("feature"), Tier: text("tier"), Profile: text("profile"), Template: text("template"),
		Body: text("body"), Params: get("params"), Context: get("context"), StageVariables: get("stageVariables"),
		Error: text("error"), Overrides: get("overrides")}
	if out, ok := m.Get("output"); ok {
		s := out.text()
		x.Output = &s
	}
	return x, nil
}

// variables makes fresh variables for the vector, as far as they are used: templates change them.
func (x *vector) variables(uses func(name string) bool) []Variable {
	body := x.Body
	if body == "" {
		body = "{}"
	}
	x.prepare()
	variables := []Variable{
		{"input", ObjectValue(&input{body: body, fresh: &x.params})},
		{"util", ObjectValue(utilities{})},
		{"context", Value{}},
		{"stageVariables", Value{}},
	}
	if uses("context") {
		variables[2].Value = x.context.copy()
	}
	if uses("stageVariables") {
		variables[3].Value = x.stage.copy()
	}
	return variables
}

func everything(string) bool { return true }

// prepare makes what the variables are copies of.
func (x *vector) prepare() {
	if x.context.value.kind == MapKind {
		return
	}
	params := NewMap(3)
	for _, k := range []string{"path", "querystring", "header"} {
		params.Put(k, MapValue(child(orEmpty(x.Params), k, NewMap(0))))
	}
	context := orEmpty(x.Context)
	request := child(context, "requestOverride", NewMap(3))
	for _, k := range []string{"path", "header", "querystring"} {
		child(request, k, NewMap(0))
	}
	child(child(context, "responseOverride", NewMap(1)), "header", NewMap(0))
	x.params, x.context, x.stage = fresh(MapValue(params)), fresh(silent(MapValue(context))), fresh(MapValue(orEmpty(x.StageVariables)))
}

func orEmpty(v Value) *Map {
	if m := v.Map(); m != nil {
		return m
	}
	return NewMap(0)
}

// prototype is a value with the room that a copy of it takes.
type prototype struct {
	value         Value
	maps, entries int
}

func fresh(v Value) prototype {
	p := prototype{value: v}
	p.count(v)
	return p
}

func (p *prototype) count(v Value) {
	if m := v.Map(); m != nil {
		p.maps++
		p.entries += m.Len()
		for _, x := range m.All() {
			p.count(x)
		}
	}
}

func (p *prototype) copy() Value {
	var c copier
	c.maps.reserve(p.maps)
	c.entries.reserve(p.entries)
	return c.copy(p.value)
}

// copier copies values with few allocations.
type copier struct {
	maps    chunk[Map]
	entries chunk[mapEntry]
}

func (c *copier) copy(v Value) Value {
	switch v.kind {
	case MapKind:
		from := v.Map()
		m := c.maps.one()
		m.Silent, m.entries = from.Silent, c.entries.many(len(from.entries))
		copy(m.entries, from.entries)
		for i := range m.entries {
			if m.entries[i].value.kind >= ListKind {
				m.entries[i].value = c.copy(m.entries[i].value)
			}
		}
		return MapValue(m)
	case ListKind:
		l := NewJSONArray()
		for i := range v.List().Len() {
			l.Append(c.copy(v.List().At(i)))
		}
		return ListValue(l)
	}
	return v
}
