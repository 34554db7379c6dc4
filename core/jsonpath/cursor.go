package jsonpath

// cursor walks over the text of a path. Positions are byte offsets; all characters with a meaning are ASCII.
type cursor struct {
	text string
	pos  int
	end  int // one past the last byte
}

func (c *cursor) in(i int) bool  { return i >= 0 && i < c.end }
func (c *cursor) inBounds() bool { return c.in(c.pos) }

// at is the byte at i; zero, which no path contains, out of bounds.
func (c *cursor) at(i int) byte {
	if c.in(i) {
		return c.text[i]
	}
	return 0
}

func (c *cursor) current() byte { return c.at(c.pos) }
func (c *cursor) isTail() bool  { return c.pos >= c.end-1 }

// significant is the index of the first byte after i that is not a blank; c.end when there is none.
func (c *cursor) significant(i int) int {
	for i++; c.in(i) && c.text[i] == ' '; i++ {
	}
	return i
}

func (c *cursor) skipBlanks() {
	for c.inBounds() && c.text[c.pos] == ' ' {
		c.pos++
	}
}

func (c *cursor) trim() {
	c.skipBlanks()
	for c.end > c.pos && c.text[c.end-1] == ' ' {
		c.end--
	}
}

// unescaped is the index of the next b after i that no backslash precedes; -1 when there is none.
func (c *cursor) unescaped(i int, b byte) int {
	escape := false
	for i++; i < c.end; i++ {
		switch {
		case escape:
			escape = false
		case c.text[i] == '\\':
			escape = true
		case c.text[i] == b:
			return i
		}
	}
	return -1
}

// matching is the index of the bracket that closes the one at i; strings, and on demand regular expressions, are skipped.
// As in the Java library the byte right after a skipped string is not looked at for the beginning of another.
func (c *cursor) matching(i int, opening, closing byte, skipRegex bool) int {
	depth := 1
	for i++; i < c.end; i++ {
		if b := c.text[i]; b == '\'' || b == '"' {
			if i = c.unescaped(i, b); i < 0 {
				return -1
			}
			i++
		}
		if skipRegex && c.at(i) == '/' {
			if i = c.unescaped(i, '/'); i < 0 {
				return -1
			}
			i++
		}
		switch c.at(i) {
		case opening:
			depth++
		case closing:
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// find is the index of the first b from i on; -1 when there is none.
func (c *cursor) find(i int, b byte) int {
	for ; i < c.end; i++ {
		if c.text[i] == b {
			return i
		}
	}
	return -1
}
