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

func (n *node) span() span { return span{n.start, n.end} }

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
	runt    bool // no reference: a name that stands directly behind one
}

// Tree is a parsed template. It is immutable.
type Tree struct {
	text string
	root *node
	size treeSize
	// padded: a blank was added behind the text, which takes part in rendering and is taken off again; it is how
	// Velocity makes a string literal out of a template (spec/vtl.md 3).
	padded bool
}

// treeSize counts what a program will have of each, so that the compiler makes room once.
type treeSize struct {
	texts, references, links, statements, values, constants, sets, ifs, branches, strings, calls, equals, maths int32
}

// count adds a node.
func (s *treeSize) count(n *node) {
	switch n.kind {
	case nodeText:
		s.texts++
	case nodeReference:
		s.references++
		s.links += int32(len(n.kids))
	case nodeBlock:
		s.statements += int32(len(n.kids))
	case nodeMethod, nodeIndex, nodeList, nodeMap:
		s.values += int32(len(n.kids))
	case nodeDirective:
		if !isDirective(n.text) {
			s.calls++
			s.values += int32(len(n.kids))
		}
	case nodeString, nodeInteger, nodeFloat:
		s.constants++
	case nodeInterpolated:
		s.strings++
	case nodeOperator:
		s.operator(n.text)
	case nodeSet:
		s.sets++
	case nodeIf:
		s.ifs++
		s.branches += int32(len(n.kids) / 2)
	}
}

func (s *treeSize) operator(name string) {
	switch name {
	case "==", "!=":
		s.equals++
	case "+", "-", "*", "/", "%":
		s.maths++
	}
}
