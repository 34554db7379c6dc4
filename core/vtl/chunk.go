package vtl

// chunk hands out values of one type from larger pieces: trees and programs are many small things. What it hands out is
// zero.
type chunk[T any] struct {
	items  []T // of the piece in use
	former int // how many values the pieces before had
}

// maxChunk bounds how many values a piece is made for beyond those that are asked for.
const maxChunk = 512

// reserve makes room for n values.
func (c *chunk[T]) reserve(n int) {
	if cap(c.items)-len(c.items) < n {
		c.former += len(c.items)
		c.items = make([]T, 0, max(n, min(2*cap(c.items), maxChunk)))
	}
}

func (c *chunk[T]) one() *T {
	if len(c.items) == cap(c.items) {
		c.reserve(4)
	}
	c.items = c.items[:len(c.items)+1]
	return &c.items[len(c.items)-1]
}

// many are n values in a row; nil for none.
func (c *chunk[T]) many(n int) []T {
	if n == 0 {
		return nil
	}
	c.reserve(n)
	at := len(c.items)
	c.items = c.items[:at+n]
	return c.items[at : at+n : at+n]
}

// keptLength bounds what is kept for the next use of a list or chunk.
const keptLength = 4096

// recycle takes everything back. The next use of the same size needs one piece.
func (c *chunk[T]) recycle() {
	switch n := c.former + len(c.items); {
	case cap(c.items) > keptLength:
		c.items = nil
	case n > cap(c.items) && n <= keptLength:
		c.items = make([]T, 0, n)
	}
	clear(c.items)
	c.items, c.former = c.items[:0], 0
}
