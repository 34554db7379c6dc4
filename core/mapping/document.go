package mapping

import (
	"errors"
	"maps"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/limen-gateway/limen/core/jsonpath"
	"github.com/limen-gateway/limen/core/vtl"
)

// document is a payload that is parsed when it is first asked for, once. What is not JSON is one string (spec/vtl.md 9.1).
// Its lists and maps are a template's: what a template does to them, later paths see.
type document struct {
	text   string
	parsed bool
	root   jsonpath.Value // lent
	reader *reader        // with the memory of it, once it is parsed
}

// parse makes the document's lists and maps.
func (d *document) parse() {
	d.parsed, d.reader = true, readers.Get().(*reader)
	if v, err := d.reader.read(d.text); err == nil {
		d.root = lend(v)
	} else {
		d.root = jsonpath.StringValue(strings.TrimSpace(d.text))
	}
}

// release gives the memory back, when nobody looks at the document any more.
func (d *document) release() {
	if d.reader != nil {
		d.reader.release()
		d.reader = nil
	}
}

// find evaluates a path. What a path does not find is Absent and no error.
func (d *document) find(known *paths, path string) (jsonpath.Value, error) {
	p, err := known.compile(path)
	if err != nil {
		return jsonpath.Value{}, err
	}
	if !d.parsed {
		d.parse()
	}
	v, err := p.Eval(d.root)
	var missing *jsonpath.Error
	if errors.As(err, &missing) && missing.Code == jsonpath.PathNotFound {
		return jsonpath.Value{}, nil
	}
	return v, err
}

// compact is the JSON text of the document if that is how it is written and nobody has looked into it yet.
func (d *document) compact() (string, bool) {
	if d.parsed {
		return "", false
	}
	return jsonpath.Compact(d.text)
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

// reader makes the values of a document as it is read (jsonpath.Builder), with the lists and maps in a room.
type reader struct {
	room   vtl.Room
	values []vtl.Value
}

// readers keeps the memory of documents that are done with.
var readers = sync.Pool{New: func() any { return &reader{} }}

// maxValues bounds the stack that a reader keeps.
const maxValues = 4096

func (r *reader) read(text string) (vtl.Value, error) {
	if err := jsonpath.Read(text, r); err != nil {
		return vtl.Value{}, err
	}
	return r.values[0], nil
}

func (r *reader) release() {
	r.room.Recycle()
	if cap(r.values) > maxValues {
		r.values = nil
	}
	clear(r.values[:cap(r.values)])
	r.values = r.values[:0]
	readers.Put(r)
}

func (r *reader) Scalar(v jsonpath.Value) { r.values = append(r.values, scalar(v)) }

func (r *reader) Array(n int) {
	from := len(r.values) - n
	list, items := r.room.JSONArray(n)
	copy(items, r.values[from:])
	r.values = append(r.values[:from], vtl.ListValue(list))
}

func (r *reader) Object(names []string, distinct bool) {
	from := len(r.values) - len(names)
	var m *vtl.Map
	if distinct {
		m = r.room.Map(names, r.values[from:])
	} else {
		m = vtl.NewMap(len(names))
		for i, name := range names {
			m.Put(name, r.values[from+i])
		}
	}
	r.values = append(r.values[:from], vtl.MapValue(m))
}

// borrow makes what a path has found a template's: it is a part of the document, or made of such parts.
func borrow(v jsonpath.Value) vtl.Value {
	switch c := v.Lent().(type) {
	case lentList:
		return vtl.ListValue(c.List)
	case lentMap:
		return vtl.MapValue(c.Map)
	}
	switch v.Kind() {
	case jsonpath.Array:
		list := vtl.NewJSONArray()
		for i := range v.Len() {
			list.Append(borrow(v.Index(i)))
		}
		return vtl.ListValue(list)
	case jsonpath.Object:
		m := vtl.NewMap(v.Len())
		for i := range v.Len() {
			m.Put(v.Key(i), borrow(v.Index(i)))
		}
		return vtl.MapValue(m)
	}
	return scalar(v)
}

// scalar is the value of what is neither an array nor an object.
func scalar(v jsonpath.Value) vtl.Value {
	switch v.Kind() {
	case jsonpath.Bool:
		return vtl.BoolValue(v.Bool())
	case jsonpath.String:
		return vtl.StringValue(v.Text())
	case jsonpath.Number:
		return number(v)
	}
	return vtl.Value{}
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
	return lend(l.At(i))
}

func (l lentList) Key(int) string { return "" }

func (l lentList) Get(string) jsonpath.Value { return jsonpath.Value{} }

type lentMap struct{ *vtl.Map }

func (m lentMap) Index(i int) jsonpath.Value {
	if i < 0 || i >= m.Len() {
		return jsonpath.Value{}
	}
	_, v := m.At(i)
	return lend(v)
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
	return lend(v)
}

var numberClasses = map[vtl.Kind]jsonpath.NumberClass{
	vtl.Integer: jsonpath.Integer, vtl.Long: jsonpath.Long, vtl.BigInteger: jsonpath.BigInteger,
	vtl.Double: jsonpath.Double, vtl.BigDecimal: jsonpath.BigDecimal,
}

// lend makes a template's value a part of a document: lists and maps stay what they are, what JSON does not know becomes
// its text.
func lend(v vtl.Value) jsonpath.Value {
	switch v.Kind() {
	case vtl.Null:
		return jsonpath.NullValue()
	case vtl.Boolean:
		return jsonpath.BoolValue(v.Bool())
	case vtl.Integer, vtl.Long, vtl.BigInteger, vtl.Double, vtl.BigDecimal:
		return jsonpath.NumberOf(numberClasses[v.Kind()], v.String())
	case vtl.ListKind:
		return jsonpath.LentArray(lentList{v.List()})
	case vtl.MapKind:
		return jsonpath.LentObject(lentMap{v.Map()})
	}
	if text, ok := v.Text(); ok {
		return jsonpath.StringValue(text)
	}
	return jsonpath.StringValue(v.String())
}
