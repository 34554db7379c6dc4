package vtl

// listClass tells Java's lists apart: they print and answer differently.
type listClass uint8

const (
	arrayList listClass = iota
	jsonArray           // of the payload: prints as JSON (spec/vtl.md 6.3)
	subList
	array // of strings, from split
	fixed // of objects, from toArray
	charArray
	byteArray
)

var listClassNames = [...]string{"java.util.ArrayList", "net.minidev.json.JSONArray", "java.util.ArrayList$SubList",
	"[Ljava.lang.String;", "[Ljava.lang.Object;", "[C", "[B"}

func (c listClass) name() string { return listClassNames[c] }

// isArray: a Java array, to which Velocity lends a few of a list's methods.
func (c listClass) isArray() bool { return c >= array }

// List is a Java list or array. It is not safe for concurrent use.
type List struct {
	class listClass
	items []Value
}

// NewList makes what a list literal makes; it keeps the items.
func NewList(items ...Value) *List { return &List{items: items} }

// NewJSONArray makes an array of the payload, which prints as JSON; it keeps the items.
func NewJSONArray(items ...Value) *List { return &List{class: jsonArray, items: items} }

// Len is the number of items.
func (l *List) Len() int { return len(l.items) }

// At is the item i, which must be there.
func (l *List) At(i int) Value { return l.items[i] }

// Append adds an item at the end.
func (l *List) Append(v Value) { l.items = append(l.items, v) }

// IsJSON reports whether the list is an array of the payload.
func (l *List) IsJSON() bool { return l.class == jsonArray }

func (l *List) iterator() *iterator {
	return &iterator{next: func(i int) (Value, bool) {
		if i < len(l.items) {
			return l.items[i], true
		}
		return Value{}, false
	}}
}
