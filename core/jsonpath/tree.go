package jsonpath

// tree is the Builder of a Value. Values gather on a stack and move, in their final number, into blocks that many arrays and
// objects share: few allocations however many small ones there are.
type tree struct {
	values []Value

	nodes    room[node]
	keyed    room[keys]
	items    room[Value]
	keyNames room[string]
}

func (t *tree) Scalar(v Value) { t.values = append(t.values, v) }

func (t *tree) Array(n int) {
	array := t.node(len(t.values) - n)
	t.values = append(t.values, Value{kind: Array, node: array})
}

func (t *tree) Object(names []string, distinct bool) {
	from := len(t.values) - len(names)
	k := &t.keyed.take(1)[0]
	k.names = moved(&t.keyNames, names)
	if !distinct || len(names) > smallObject {
		t.values = t.values[:from+k.unite(t.values[from:])]
	}
	object := t.node(from)
	object.keys = k
	t.values = append(t.values, Value{kind: Object, node: object})
}

// unite gives equal keys one place, the first, and the last of their values. It returns how many are left.
func (k *keys) unite(values []Value) (kept int) {
	names := k.names
	if len(names) > smallObject {
		k.index = make(map[string]int, len(names))
	}
	for i, name := range names {
		k.names = names[:kept]
		if at := k.find(name); at >= 0 {
			values[at] = values[i]
			continue
		}
		names[kept], values[kept] = name, values[i]
		if k.index != nil {
			k.index[name] = kept
		}
		kept++
	}
	k.names = names[:kept]
	return kept
}

// node moves the values above from off the stack into a node of their own.
func (t *tree) node(from int) *node {
	n := &t.nodes.take(1)[0]
	n.items = moved(&t.items, t.values[from:])
	t.values = t.values[:from]
	return n
}

// room is a block that many small slices are cut from.
type room[T any] struct {
	free []T
	size int
}

// take cuts off n elements. They cannot grow over their neighbours.
func (r *room[T]) take(n int) []T {
	if len(r.free) < n {
		if n > lastBlock/4 {
			return make([]T, n)
		}
		r.size = max(block(r.size), n)
		r.free = make([]T, r.size)
	}
	out := r.free[:n:n]
	r.free = r.free[n:]
	return out
}

// moved is a copy in a room of its own; nil when it is empty.
func moved[T any](r *room[T], from []T) []T {
	if len(from) == 0 {
		return nil
	}
	out := r.take(len(from))
	copy(out, from)
	return out
}

// Blocks grow from the first size to the last, so that small documents stay small.
const (
	firstBlock = 8
	lastBlock  = 256
)

// block is the size of the next block after one of size n.
func block(n int) int { return min(max(2*n, firstBlock), lastBlock) }
