// Package peeked gives a connection on whose first bytes were read already to somebody who reads it from its beginning.
package peeked

import (
	"errors"
	"net"
)

// Conn is c with head before what it still holds. head is kept; c is returned as it is when there is none.
func Conn(c net.Conn, head []byte) net.Conn {
	if len(head) == 0 {
		return c
	}
	return &conn{Conn: c, head: head}
}

type conn struct {
	net.Conn
	head []byte
}

func (c *conn) Read(p []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// CloseWrite is the connection's own: whoever it is handed to may say goodbye before it closes.
func (c *conn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// Under is the connection below, and what was read from it and not yet from this one.
func (c *conn) Under() (below net.Conn, head []byte) { return c.Conn, c.head }
