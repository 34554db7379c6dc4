package jsonpath

// Container is an array or an object whose content is kept elsewhere: in the lists and maps of a template, say. It answers
// as it is when it is asked.
type Container interface {
	// Len is the number of elements or members, Index the i-th of them; Absent out of bounds.
	Len() int
	Index(i int) Value
	// Key is the name of the i-th member of an object, Get the member of that name; Absent when there is none.
	Key(i int) string
	Get(key string) Value
}

// LentArray is an array and LentObject an object whose content is what c says, in every document that they are part of. So a
// document and what was taken out of it stay one (spec/vtl.md 9.1).
func LentArray(c Container) Value { return Value{kind: Array, node: &node{lent: c}} }

// LentObject is described at LentArray.
func LentObject(c Container) Value { return Value{kind: Object, node: &node{lent: c}} }

// Lent is where the content of an array or object is kept; nil for what has its own.
func (v Value) Lent() Container {
	if v.node == nil {
		return nil
	}
	return v.node.lent
}

func borrowed(c Container) []Value {
	out := make([]Value, c.Len())
	for i := range out {
		out[i] = c.Index(i)
	}
	return out
}
