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

// Lend hands the content of an array or object over: from now on it is what c says, in every document that it is part of.
// So a document and what was taken out of it stay one (spec/vtl.md 9.1). It does nothing on another kind.
func (v Value) Lend(c Container) {
	if v.node == nil {
		return
	}
	v.node.lent, v.node.items = c, nil
	if v.node.keys != nil {
		v.node.keys = &keys{}
	}
}

// Lent is what the content was handed over to; nil for what has its own.
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
