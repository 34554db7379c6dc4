package regex

import "slices"

// The tree of a pattern.
type node interface{}

type (
	empty    struct{}
	sequence struct{ items []node }
	choice   struct{ items []node }
	char     struct {
		r       rune
		fold    bool
		unicode bool
	}
	class struct{ set *set }
	group struct {
		body  node
		index int
	}
	repeat struct {
		body     node
		min, max int // max -1: without end
		mode     mode
	}
	assertion struct {
		kind    assertKind
		unix    bool
		unicode bool
		ascii   bool // of word boundaries
	}
	look struct {
		body           node
		behind, negate bool
	}
	atomic    struct{ body node }
	reference struct {
		index         int
		fold, unicode bool
		optional      bool // a group that took no part matches the empty text, instead of nothing
	}
)

// mode of a repetition.
type mode uint8

const (
	greedy mode = iota
	lazy
	possessive
)

type assertKind uint8

const (
	beginInput assertKind = iota
	beginLine
	endInput    // \z
	endOrBefore // $ and \Z: before a line end that is the last thing, too
	endLine
	wordBoundary
	notWordBoundary
	lastMatch // \G
)

// flags of a pattern, as in (?imsx).
type flags struct {
	fold, multiline, dotAll, unicodeCase, comments, unixLines, unicodeClass, ecma bool
}

// The bounds that keep a pattern small.
const (
	maxNesting = 200
	maxRepeat  = 1<<31 - 1
	maxCode    = 50_000
)

// width is how many code points a node can match; max -1 without end.
func width(n node) (low, high int) {
	switch x := n.(type) {
	case char, class:
		return 1, 1
	case group:
		return width(x.body)
	case atomic:
		return width(x.body)
	case reference:
		return 0, -1
	case sequence:
		for _, item := range x.items {
			l, h := width(item)
			low = min(low+l, maxRepeat)
			high = addWidth(high, h)
		}
		return low, high
	case choice:
		for i, item := range x.items {
			l, h := width(item)
			if i == 0 {
				low, high = l, h
				continue
			}
			low = min(low, l)
			if high = max(high, h); h < 0 {
				high = -1
			}
		}
		return low, high
	case repeat:
		l, h := width(x.body)
		low = min(l*x.min, maxRepeat)
		switch {
		case h == 0:
			return low, 0
		case h < 0 || x.max < 0:
			return low, -1
		}
		return low, min(h*x.max, maxRepeat)
	}
	return 0, 0
}

// endless: Java refuses it in a look-behind. It overlooks the repetition of a single character.
func endless(n node) bool {
	switch x := n.(type) {
	case reference:
		return true
	case group:
		return endless(x.body)
	case atomic:
		return endless(x.body)
	case sequence:
		return slices.ContainsFunc(x.items, endless)
	case choice:
		return slices.ContainsFunc(x.items, endless)
	case repeat:
		return x.max < 0 && single(x.body) == nil || endless(x.body)
	}
	return false
}

func addWidth(a, b int) int {
	if a < 0 || b < 0 {
		return -1
	}
	return min(a+b, maxRepeat)
}

// plain is the text of a tree of characters.
func plain(n node) (string, bool) {
	switch x := n.(type) {
	case empty:
		return "", false
	case char:
		return string(x.r), !x.fold
	case sequence:
		text := ""
		for _, item := range x.items {
			c, ok := item.(char)
			if !ok || c.fold {
				return "", false
			}
			text += string(c.r)
		}
		return text, text != ""
	}
	return "", false
}

// firstSet is what every match begins with; nil when it may begin with anything or be empty.
func firstSet(n node) *set {
	switch x := n.(type) {
	case char:
		s := &set{}
		s.addChar(x.r, x.fold, x.unicode)
		return s.freeze()
	case class:
		return x.set
	case group:
		return firstSet(x.body)
	case atomic:
		return firstSet(x.body)
	case repeat:
		if x.min > 0 {
			return firstSet(x.body)
		}
	case sequence:
		for _, item := range x.items {
			if a, ok := item.(assertion); ok && a.kind != lastMatch {
				continue
			}
			return firstSet(item)
		}
	case choice:
		all := &set{}
		for _, item := range x.items {
			s := firstSet(item)
			if s == nil {
				return nil
			}
			all.items = append(all.items, s)
		}
		return all.freeze()
	}
	return nil
}
