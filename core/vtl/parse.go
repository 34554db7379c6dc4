package vtl

import "strings"

// MaxTemplate is the largest template in bytes (spec/vtl.md 8).
const MaxTemplate = 300 * 1024

// maxNesting bounds how deep directives, parentheses and literals may stand in each other.
const maxNesting = 300

// Parse makes a tree of a template. An error is an *Error with the place.
func Parse(text string) (*Tree, error) {
	if len(text) > MaxTemplate {
		return nil, errorAt(ErrLimit, text, MaxTemplate, "the template has %d bytes, at most %d are allowed", len(text), MaxTemplate)
	}
	return parseTree(text, &parser{macros: map[string]bool{}})
}

// parseTree parses with what an outer parser knows: the macros, the depth and the slab.
func parseTree(text string, p *parser) (*Tree, error) {
	p.lexer.text = text
	root, err := p.process()
	if err != nil {
		return nil, err
	}
	return &Tree{text: text, root: root}, nil
}

// parser is a recursive descent over Velocity's grammar. Tokens are fetched as late as possible: the lexer's state depends
// on what the parser has seen.
type parser struct {
	lexer
	queue  [3]token // fetched and not taken
	queued int
	last   token  // taken last
	failed *Error // the first error; every production stops when it is set
	slab   *slab
	stack  []*node // nodes of the productions under way
	macros map[string]bool
	depth  int
}

// peek is the token i places ahead.
func (p *parser) peek(i int) *token {
	for p.queued <= i {
		p.fetch()
	}
	return &p.queue[i]
}

func (p *parser) peekKind() tokenKind {
	if p.queued == 0 {
		p.fetch()
	}
	return p.queue[0].kind
}

func (p *parser) fetch() {
	if err := p.next(&p.queue[p.queued]); err != nil {
		p.fail(err)
		p.queue[p.queued] = token{kind: tokenEOF, start: int32(len(p.text)), end: int32(len(p.text))}
	}
	p.queued++
}

func (p *parser) take() token {
	if p.queued == 0 {
		p.fetch()
	}
	p.last = p.queue[0]
	p.queued--
	for i := range p.queued {
		p.queue[i] = p.queue[i+1]
	}
	return p.last
}

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
	t := *p.peek(0)
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

func (p *parser) image(t token) string { return p.text[t.start:t.end] }

// enter guards the recursion; each enter that is true is followed by a leave.
func (p *parser) enter() bool {
	if p.depth++; p.depth > maxNesting {
		p.fail(errorAt(ErrLimit, p.text, int(p.last.start), "more than %d levels of nesting", maxNesting))
	}
	return p.failed == nil
}

func (p *parser) leave() { p.depth-- }

// open remembers where a node's kids begin; node makes a node of the kids since then.
func (p *parser) open() int { return len(p.stack) }

func (p *parser) node(kind nodeKind, start int32, text string, kidsFrom int) *node {
	n := p.slab.node()
	n.kind, n.start, n.end, n.text = kind, start, p.last.end, text
	n.kids = p.slab.list(p.stack[kidsFrom:])
	p.stack = append(p.stack[:kidsFrom], n)
	return n
}

// process is the whole template.
func (p *parser) process() (*node, error) {
	if p.slab == nil {
		p.slab = newSlab(len(p.text))
		p.stack = make([]*node, 0, 32)
		p.lexer.stack = make([]lexFrame, 0, 8)
	}
	from := p.open()
	p.statements()
	if p.failed == nil && p.peekKind() != tokenEOF {
		p.fail(p.errorf(int(p.peek(0).start), "unexpected %q", abbreviated(p.image(*p.peek(0)))))
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
	start := p.last.end
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
	p.node(nodeText, p.last.start, text, p.open())
}

func (p *parser) textStatement() {
	t := p.take()
	if t.specialFirst == t.specialTo {
		p.textNode(p.image(t))
		return
	}
	var b strings.Builder
	for _, s := range p.specials[t.specialFirst:t.specialTo] {
		specialText(&b, p.text[s.start:s.end])
	}
	b.WriteString(p.image(t))
	p.textNode(b.String())
}

// specialText writes what is printed of a "$" or "#" that began nothing: the signs, and backslashes before a "$".
func specialText(b *strings.Builder, s string) {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '#', '$':
			b.WriteByte(s[i])
		case '\\':
			j := i
			for j < len(s) && s[j] == '\\' {
				j++
			}
			if j < len(s) && s[j] == '$' {
				b.WriteString(s[i : j+1])
				i = j + 1
			}
		}
	}
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
func (p *parser) escapedDirective(t token) string {
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
	next := *p.peek(0)
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
