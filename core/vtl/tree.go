package vtl

// nodeKind names a node as Velocity's tree does.
type nodeKind uint8

const (
	nodeText nodeKind = iota // text: what is printed
	nodeReference
	nodeProperty  // text: the name
	nodeMethod    // text: the name; kids: the arguments
	nodeIndex     // kids: the index
	nodeSet       // kids: the reference, the expression
	nodeIf        // kids: condition and block, again for each #elseif, and the block of #else
	nodeDirective // text: the name; kids: the arguments, then the block if it has one
	nodeBlock
	nodeWord
	nodeString // text: the literal with its quotes
	nodeInterpolated
	nodeInteger
	nodeFloat
	nodeTrue
	nodeFalse
	nodeList
	nodeMap // kids: key, value, key, value …
	nodeRange
	nodeExpression // a parenthesised expression
	nodeOperator   // text: the operator; kids: its operands
)

// node is one node of the tree. Start and end are its literal: the source text that stands for it when it has no value.
type node struct {
	kind       nodeKind
	block      bool // of a directive: its last kid is its block
	start, end int32
	text       string
	kids       []*node
	ref        *reference // of a nodeReference
	sub        *Tree      // of a nodeInterpolated
}

// reference is what the first token of a reference says about it (spec/vtl.md 2.2, 2.5).
type reference struct {
	root string
	// key is the first token without its first character: the name that #set, #foreach and #define use, which is why
	// none of them reaches the variable of ${x} or $!x.
	key     string
	literal string // what a reference without a value prints
	before  string // text that the lexer has glued to the front ("#" of "#$a")
	escapes string // the backslashes that remain
	quiet   bool
	escaped bool
	plain   bool // nothing is printed but the value
	runt    bool // no reference: a name that stands directly behind one
}

// Tree is a parsed template. It is immutable.
type Tree struct {
	text string
	root *node
	// padded: a blank was added behind the text, which takes part in rendering and is taken off again; it is how
	// Velocity makes a string literal out of a template (spec/vtl.md 3).
	padded bool
}

// slab hands out nodes and lists of nodes from larger pieces: trees are many small nodes.
type slab struct {
	nodes []node
	lists []*node
	refs  []reference
}

// newSlab guesses from a text's length how many nodes it has.
func newSlab(length int) *slab {
	n := min(max(length/20, 8), 128)
	return &slab{nodes: make([]node, 0, n), lists: make([]*node, 0, n+n/2), refs: make([]reference, 0, max(n/4, 2))}
}

func (s *slab) node() *node {
	if len(s.nodes) == cap(s.nodes) {
		s.nodes = make([]node, 0, max(8, cap(s.nodes)))
	}
	s.nodes = s.nodes[:len(s.nodes)+1]
	return &s.nodes[len(s.nodes)-1]
}

func (s *slab) reference() *reference {
	if len(s.refs) == cap(s.refs) {
		s.refs = make([]reference, 0, max(8, cap(s.refs)))
	}
	s.refs = s.refs[:len(s.refs)+1]
	return &s.refs[len(s.refs)-1]
}

func (s *slab) list(from []*node) []*node {
	n := len(from)
	if n == 0 {
		return nil
	}
	if cap(s.lists)-len(s.lists) < n {
		s.lists = make([]*node, 0, max(n, 16, cap(s.lists)))
	}
	at := len(s.lists)
	s.lists = append(s.lists, from...)
	return s.lists[at : at+n : at+n]
}
