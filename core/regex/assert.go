package regex

// assert checks a place between characters.
func (m *Matcher) assert(i *instruction, pos int) bool {
	end := len(m.text)
	switch i.kind {
	case beginInput:
		return pos == 0
	case endInput:
		return pos == end
	case lastMatch:
		return pos == m.last
	case beginLine:
		return pos == 0 || pos < end && m.endsLine(pos, i.unix)
	case endLine:
		return pos == end || m.startsTerminator(pos, i.unix)
	case endOrBefore:
		if pos == end {
			return true
		}
		r, n := m.decode(pos)
		return m.startsTerminator(pos, i.unix) && (pos+n == end || r == '\r' && m.text[pos:] == "\r\n")
	}
	return m.boundary(pos, i) == (i.kind == wordBoundary)
}

// endsLine: a line end stands before the position, and the position is not inside it.
func (m *Matcher) endsLine(pos int, unix bool) bool {
	r, _ := m.decodeBefore(pos)
	if unix {
		return r == '\n'
	}
	return isTerminator(r) && !(r == '\r' && m.text[pos] == '\n')
}

// startsTerminator: a line end begins at the position.
func (m *Matcher) startsTerminator(pos int, unix bool) bool {
	r, _ := m.decode(pos)
	if unix {
		return r == '\n'
	}
	return isTerminator(r) && !(r == '\n' && pos > 0 && m.text[pos-1] == '\r')
}

// boundary: what is a word here is not ASCII in Java (before 19), unlike \\w.
func (m *Matcher) boundary(pos int, i *instruction) bool {
	test := isLetterOrDigit
	switch {
	case i.ascii:
		test = isWord
	case i.unicode:
		test = isUnicodeWord
	}
	before, after := false, false
	if pos > 0 {
		r, _ := m.decodeBefore(pos)
		before = test(r)
	}
	if pos < len(m.text) {
		r, _ := m.decode(pos)
		after = test(r)
	}
	return before != after
}
