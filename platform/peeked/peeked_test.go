package peeked

import (
	"errors"
	"io"
	"net"
	"testing"
)

func TestConn(t *testing.T) {
	ours, theirs := net.Pipe()
	if Conn(ours, nil) != ours {
		t.Error("without a head it is another connection")
	}
	go func() {
		_, _ = theirs.Write([]byte("behind"))
		_ = theirs.Close()
	}()
	c := Conn(ours, []byte("before "))
	if text, err := io.ReadAll(c); string(text) != "before behind" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	half := c.(interface{ CloseWrite() error })
	if err := half.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a pipe has no half: %v", err)
	}
}
