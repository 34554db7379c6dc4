package vtl

import (
	"strings"
	"sync"
)

// MaxTemplate is the largest template in bytes (spec/vtl.md 8).
const MaxTemplate = 300 * 1024

// maxNesting bounds how deep directives, parentheses and literals may stand in each other.
const maxNesting = 300

// Parse makes a tree of a template. An error is an *Error with the place.
func Parse(text string) (*Tree, error) {
	return new(parser).parse(text)
}

// parser is a recursive descent over Velocity's grammar. Tokens are fetched as late as possible: the lexer's state depends
// on what the parser has seen.
type parser struct {
	lexer
	ring    [ringSize]token // the tokens fetched last
	taken   uint            // how many have been taken, of all
	fetched uint
	failed  *Error  // the first error; every production stops when it is set
	stack   []*node // nodes of the productions under way
	macros  map[string]bool
	depth   int
	size    treeSize
	nodes   chunk[node]
	lists   chunk[*node]
	refs    chunk[reference]
	trees   chunk[Tree]
}

// ringSize is more than the tokens that the parser looks ahead and back.
const ringSize = 8

// peek is the token i places ahead, at most two.
func (p *parser) peek(i uint) *token {
	for p.fetched-p.taken <= i {
		p.fetch()
	}
	return &p.ring[(p.taken+i)%ringSize]
}

func (p *parser) peekKind() tokenKind {
	if p.fetched == p.taken {
		p.fetch()
	}
	return p.ring[p.taken%ringSize].kind
}

func (p *parser) fetch() {
	t := &p.ring[p.fetched%ringSize]
	if err := p.next(t); err != nil {
		p.fail(err)
		*t = token{kind: tokenEOF, start: int32(len(p.text)), end: int32(len(p.text))}
	}
	p.fetched++
}

// take takes the next token, which stays in the ring until a few more are fetched.
func (p *parser) take() *token {
	if p.fetched == p.taken {
		p.fetch()
	}
	p.taken++
	return p.last()
}

// last is the token taken last.
func (p *parser) last() *token { return &p.ring[(p.taken-1)%ringSize] }

// accept takes the next token if it is of the kind.
func (p *parser) accept(kind tokenKind) bool {
	if p.peekKind() != kind {
		return false
	}
	p.take()
	return true
}

func (p *parser) expect(kind tokenKind, what string) {
	if !p.accept(kind) {
		p.unexpected(what)
	}
}

func (p *parser) unexpected(wanted string) {
	t := p.peek(0)
	if t.kind == tokenEOF {
		p.fail(p.errorf(int(t.start), "the template ends where %s is expected", wanted))
		return
	}
	p.fail(p.errorf(int(t.start), "unexpected %q where %s is expected", abbreviated(p.image(t)), wanted))
}

func (p *parser) fail(err *Error) {
	if p.failed == nil {
		p.failed = err
	}
}

func abbreviated(s string) string {
	if len(s) > 40 {
		return strings.ToValidUTF8(s[:40], "") + "…"
	}
	return s
}

// afterFirst is a text without its first character: what Velocity takes for a name where it expects "$name" or "#name".
func afterFirst(s string) string {
	if s == "" {
		return ""
	}
	_, n := decode(s)
	return s[n:]
}

func (p *parser) image(t *token) string { return p.text[t.start:t.end] }

// enter guards the recursion; each enter that is true is followed by a leave.
func (p *parser) enter() bool {
	if p.depth++; p.depth > maxNesting {
		p.fail(errorAt(ErrLimit, p.text, int(p.last().start), "more than %d levels of nesting", maxNesting))
	}
	return p.failed == nil
}

func (p *parser) leave() { p.depth-- }

// open remembers where a node's kids begin; node makes a node of the kids since then.
func (p *parser) open() int { return len(p.stack) }

func (p *parser) node(kind nodeKind, start int32, text string, kidsFrom int) *node {
	n := p.nodes.one()
	n.kind, n.start, n.end, n.text = kind, start, p.last().end, text
	if kids := p.stack[kidsFrom:]; len(kids) > 0 {
		n.kids = p.lists.many(len(kids))
		copy(n.kids, kids)
	}
	p.stack = append(p.stack[:kidsFrom], n)
	p.size.count(n)
	return n
}

// parse parses a whole template. The tree lives as long as the parser is not used again.
func (p *parser) parse(text string) (*Tree, error) {
	if len(text) > MaxTemplate {
		return nil, errorAt(ErrLimit, text, MaxTemplate, "the template has %d bytes, at most %d are allowed", len(text), MaxTemplate)
	}
	root, err := p.process(text)
	if err != nil {
		return nil, err
	}
	t := p.trees.one()
	*t = Tree{text: text, root: root, size: p.size}
	return t, nil
}

// within parses the text of a string literal, with what is known at this place: the macros and the depth.
func (p *parser) within(text string) (*node, error) {
	outer, depth, ring, taken, fetched := p.lexer, p.depth, p.ring, p.taken, p.fetched
	p.lexer.stack, p.lexer.specials, p.lexer.cuts = after(outer.stack), after(outer.specials), after(outer.cuts)
	root, err := p.process(text)
	if err == nil {
		p.stack = p.stack[:len(p.stack)-1]
	}
	p.lexer, p.depth, p.ring, p.taken, p.fetched, p.failed = outer, depth, ring, taken, fetched, nil
	return root, err
}

// after is an empty list in the room behind one.
func after[T any](list []T) []T { return list[len(list):] }

// process parses from the start of a text to its end.
func (p *parser) process(text string) (*node, error) {
	p.lexer = lexer{text: text, stack: p.lexer.stack[:0], specials: p.specials[:0], cuts: p.cuts[:0]}
	p.taken, p.fetched = 0, 0
	*p.last() = token{}
	from := p.open()
	p.statements()
	if p.failed == nil && p.peekKind() != tokenEOF {
		p.fail(p.errorf(int(p.peek(0).start), "unexpected %q", abbreviated(p.image(p.peek(0)))))
	}
	if p.failed != nil {
		return nil, p.failed
	}
	return p.node(nodeBlock, 0, "", from), nil
}

// statements parses as many as there are.
func (p *parser) statements() {
	for p.failed == nil && p.statement() {
	}
}

// block is statements up to a word that ends them.
func (p *parser) block() {
	if !p.enter() {
		return
	}
	from := p.open()
	start := p.last().end
	p.statements()
	p.node(nodeBlock, start, "", from)
	p.leave()
}

// statement parses one; false when the next token begins none.
func (p *parser) statement() bool {
	switch p.peekKind() {
	case tokenIf:
		p.ifStatement()
	case tokenIdentifier:
		// Looking two tokens ahead is part of the language: it decides in which state the second one is read.
		p.peek(1)
		p.reference()
	case tokenLeftCurly:
		if p.peek(1).kind == tokenIdentifier {
			p.reference()
		} else {
			p.textStatement()
		}
	case tokenLineComment, tokenBlockComment:
		p.comment()
	case tokenTextblock:
		image := p.image(p.take())
		p.textNode(image[len("#[[") : len(image)-len("]]#")])
	case tokenSet:
		p.setStatement()
	case tokenEscapedDirective:
		p.textNode(p.escapedDirective(p.take()))
	case tokenDoubleEscape:
		p.escape()
	case tokenWord, tokenBracketedWord:
		p.directive()
	case tokenText, tokenDot, tokenRightParen, tokenLeftParen, tokenInteger, tokenFloat, tokenString, tokenEscape,
		tokenRightCurly, tokenEmptyIndex:
		p.textStatement()
	default:
		return false
	}
	return true
}

func (p *parser) textNode(text string) {
	if text == "" {
		return
	}
	p.node(nodeText, p.last().start, text, p.open())
}

func (p *parser) textStatement() {
	t := p.take()
	text := p.image(t)
	var before []byte
	for _, s := range p.specials[t.specialFirst:t.specialTo] {
		before = appendSpecial(before, p.text[s.start:s.end])
	}
	if len(before) > 0 {
		text = string(before) + text
	}
	p.textNode(text)
}

// appendSpecial appends what is printed of a "$" or "#" that began nothing: the signs, and backslashes before a "$".
func appendSpecial(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '#', '$':
			b = append(b, s[i])
		case '\\':
			j := i
			for j < len(s) && s[j] == '\\' {
				j++
			}
			if j < len(s) && s[j] == '$' {
				b = append(b, s[i:j+1]...)
				i = j + 1
			}
		}
	}
	return b
}

// comment prints what the lexer has glued to its front.
func (p *parser) comment() {
	t := p.take()
	image := p.image(t)
	if t.kind == tokenLineComment {
		p.accept(tokenLineCommentEnd)
	}
	before, _, found := strings.Cut(image, "##")
	if !found {
		before, _, found = strings.Cut(image, "#*")
	}
	if found {
		p.textNode(before)
	}
}

// escapedDirective is the text of backslashes, "#" and a word (spec/vtl.md 2.5).
func (p *parser) escapedDirective(t *token) string {
	image := p.image(t)
	last := strings.LastIndexByte(image, '\\')
	word := strings.Trim(image[last+2:], "{}")
	if hashWord(word) == tokenWord && word != "set" && !isDirective(word) && !p.macros[word] {
		return image
	}
	p.cuts = append(p.cuts, span{t.start + int32(last/2), t.start + int32(last) + 1})
	return image[:last/2] + image[last+1:]
}

// escape is pairs of backslashes. They count single before a directive, whichever way the next token may look like one.
func (p *parser) escape() {
	count := 0
	for p.peekKind() == tokenDoubleEscape {
		p.take()
		count++
	}
	next := p.peek(0)
	half := false
	switch next.kind {
	case tokenIf, tokenElse, tokenElseIf, tokenEnd:
		half = true
	case tokenEOF:
	default:
		name := afterFirst(p.image(next))
		half = isDirective(name) || p.macros[name]
	}
	if half {
		p.textNode(strings.Repeat(`\`, count))
	} else {
		p.textNode(strings.Repeat(`\\`, count))
	}
}

func (p *parser) ifStatement() {
	if !p.enter() {
		return
	}
	from := p.open()
	start := p.peek(0).start
	p.condition()
	p.block()
	for p.failed == nil && p.peekKind() == tokenElseIf {
		p.condition()
		p.block()
	}
	if p.failed == nil && p.accept(tokenElse) {
		p.block()
	}
	if p.failed == nil {
		p.expect(tokenEnd, "#end")
	}
	p.node(nodeIf, start, "", from)
	p.leave()
}

// condition is #if or #elseif with its parenthesis.
func (p *parser) condition() {
	p.take()
	p.accept(tokenWhitespace)
	p.expect(tokenLeftParen, "(")
	p.expression()
	if p.failed == nil {
		p.expect(tokenRightParen, ")")
	}
}

func (p *parser) setStatement() {
	from := p.open()
	start := p.take().start
	p.accept(tokenWhitespace)
	if kind := p.peekKind(); kind != tokenIdentifier && kind != tokenLeftCurly {
		p.unexpected("a reference")
		return
	}
	p.reference()
	p.accept(tokenWhitespace)
	if p.failed == nil {
		p.expect(tokenAssign, "=")
	}
	p.expression()
	if p.failed == nil {
		p.expect(tokenRightParen, ")")
	}
	p.inSet = false
	p.node(nodeSet, start, "", from)
}

// parsers keeps the memory of trees that have been compiled.
var parsers = sync.Pool{New: func() any { return new(parser) }}

// kept is an empty list with a list's memory, unless that is much.
func kept[T any](list []T) []T {
	if cap(list) > keptLength {
		return nil
	}
	clear(list[:cap(list)])
	return list[:0]
}

// release empties the parser and gives it back. Nothing may hold on to its tree.
func (p *parser) release() {
	p.nodes.recycle()
	p.lists.recycle()
	p.refs.recycle()
	p.trees.recycle()
	if len(p.macros) > keptLength {
		p.macros = nil
	}
	clear(p.macros)
	*p = parser{stack: kept(p.stack), macros: p.macros, nodes: p.nodes, lists: p.lists, refs: p.refs, trees: p.trees,
		lexer: lexer{stack: kept(p.lexer.stack), specials: kept(p.specials), cuts: kept(p.cuts)}}
	parsers.Put(p)
}
