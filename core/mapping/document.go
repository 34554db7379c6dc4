package mapping

import (
	"errors"
	"maps"
	"math/big"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/limen-gateway/limen/core/jsonpath"
	"github.com/limen-gateway/limen/core/vtl"
)

// document is a payload that is parsed when it is first asked for, once. What is not JSON is one string (spec/vtl.md 9.1).
type document struct {
	text   string
	parsed bool
	root   jsonpath.Value
	room   vtl.Room
}

// find evaluates a path. What a path does not find is Absent and no error.
func (d *document) find(known *paths, path string) (jsonpath.Value, error) {
	p, err := known.compile(path)
	if err != nil {
		return jsonpath.Value{}, err
	}
	if !d.parsed {
		d.parsed = true
		if d.root, err = jsonpath.ParseJSON(d.text); err != nil {
			d.root = jsonpath.StringValue(strings.TrimSpace(d.text))
		}
	}
	v, err := p.Eval(d.root)
	var missing *jsonpath.Error
	if errors.As(err, &missing) && missing.Code == jsonpath.PathNotFound {
		return jsonpath.Value{}, nil
	}
	return v, err
}

// maxPaths is how many paths a template keeps compiled. Paths are mostly written out; those that a template makes up as it
// goes must not fill the memory.
const maxPaths = 64

// paths are the compiled paths of a template.
type paths struct {
	known atomic.Pointer[map[string]*jsonpath.Program]
}

func (c *paths) compile(path string) (*jsonpath.Program, error) {
	known := c.known.Load()
	if known != nil && (*known)[path] != nil {
		return (*known)[path], nil
	}
	path = strings.Clone(path) // it may be part of a request, which is gone before the template is
	p, err := jsonpath.Compile(path)
	if err != nil {
		return nil, err
	}
	more := map[string]*jsonpath.Program{}
	if known != nil {
		if len(*known) >= maxPaths {
			return p, nil
		}
		more = maps.Clone(*known)
	}
	more[path] = p
	c.known.CompareAndSwap(known, &more)
	return p, nil
}

// borrow makes a JSON value one of a template's, in a room. Arrays and objects are lent: what a template does to them, the
// document sees.
func borrow(room *vtl.Room, v jsonpath.Value) vtl.Value {
	switch v.Kind() {
	case jsonpath.Bool:
		return vtl.BoolValue(v.Bool())
	case jsonpath.String:
		return vtl.StringValue(v.Text())
	case jsonpath.Number:
		return number(v)
	case jsonpath.Array, jsonpath.Object:
		return container(room, v)
	}
	return vtl.Value{}
}

func container(room *vtl.Room, v jsonpath.Value) vtl.Value {
	switch c := v.Lent().(type) {
	case lentList:
		return vtl.ListValue(c.List)
	case lentMap:
		return vtl.MapValue(c.Map)
	}
	if v.Kind() == jsonpath.Array {
		list, items := room.JSONArray(v.Len())
		for i := range items {
			items[i] = borrow(room, v.Index(i))
		}
		v.Lend(lentList{list})
		return vtl.ListValue(list)
	}
	m := room.Map(v.Len())
	for i := range v.Len() {
		m.Add(v.Key(i), borrow(room, v.Index(i)))
	}
	v.Lend(lentMap{m})
	return vtl.MapValue(m)
}

// number is a number in the class that the service gives it (spec/vtl.md 9.1).
func number(v jsonpath.Value) vtl.Value {
	text := v.Text()
	switch v.NumberClass() {
	case jsonpath.Integer, jsonpath.Long:
		n, _ := strconv.ParseInt(text, 10, 64)
		return vtl.IntValue(n)
	case jsonpath.BigInteger:
		n, _ := new(big.Int).SetString(text, 10)
		return vtl.BigIntegerValue(n)
	case jsonpath.BigDecimal:
		if unscaled, scale, ok := decimal(text); ok {
			return vtl.BigDecimalValue(unscaled, scale)
		}
	}
	f, _ := strconv.ParseFloat(text, 64)
	return vtl.DoubleValue(f)
}

// decimal reads digits.digits e exponent; false for an exponent beyond any scale.
func decimal(text string) (unscaled *big.Int, scale int32, ok bool) {
	digits, exponent := text, int64(0)
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		var err error
		if exponent, err = strconv.ParseInt(text[i+1:], 10, 32); err != nil {
			return nil, 0, false
		}
		digits = text[:i]
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	unscaled, ok = new(big.Int).SetString(whole+fraction, 10)
	scaled := int64(len(fraction)) - exponent
	return unscaled, int32(scaled), ok && int64(int32(scaled)) == scaled
}

// lentList and lentMap are a template's list and map as parts of the document that they come from.
type lentList struct{ *vtl.List }

func (l lentList) Index(i int) jsonpath.Value {
	if i < 0 || i >= l.Len() {
		return jsonpath.Value{}
	}
	return giveBack(l.At(i))
}

func (l lentList) Key(int) string { return "" }

func (l lentList) Get(string) jsonpath.Value { return jsonpath.Value{} }

type lentMap struct{ *vtl.Map }

func (m lentMap) Index(i int) jsonpath.Value {
	if i < 0 || i >= m.Len() {
		return jsonpath.Value{}
	}
	_, v := m.At(i)
	return giveBack(v)
}

func (m lentMap) Key(i int) string {
	if i < 0 || i >= m.Len() {
		return ""
	}
	k, _ := m.At(i)
	return k.String()
}

func (m lentMap) Get(key string) jsonpath.Value {
	v, ok := m.Map.Get(key)
	if !ok {
		return jsonpath.Value{}
	}
	return giveBack(v)
}

// giveBack makes a template's value a part of a document: lists and maps stay what they are, what JSON does not know becomes
// its text.
func giveBack(v vtl.Value) jsonpath.Value {
	switch v.Kind() {
	case vtl.Null:
		return jsonpath.NullValue()
	case vtl.Boolean:
		return jsonpath.BoolValue(v.Bool())
	case vtl.Integer, vtl.Long, vtl.BigInteger, vtl.Double, vtl.BigDecimal:
		return jsonpath.NumberValue(v.String())
	case vtl.ListKind:
		out := jsonpath.ArrayValue()
		out.Lend(lentList{v.List()})
		return out
	case vtl.MapKind:
		out := jsonpath.ObjectValue()
		out.Lend(lentMap{v.Map()})
		return out
	}
	if text, ok := v.Text(); ok {
		return jsonpath.StringValue(text)
	}
	return jsonpath.StringValue(v.String())
}
