package connections

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"time"

	"google.golang.org/protobuf/proto"
)

// maxRelayed bounds a message on a relay connection: the largest session is a fraction of it.
const maxRelayed = 1 << 20

// relayPatience is how long what one side sends may stay without an acknowledgement, or the other may take nothing: more than
// an integration takes, while which a node may read nothing. On Linux it stands in place of the number of probes too.
const relayPatience = time.Minute

// RelayDialer connects an edge to a node; RelayListener is its counterpart. Both sides so notice that the other machine is gone:
// by probes while nothing is on its way, by relayPatience while something is.
func RelayDialer() net.Dialer {
	return net.Dialer{KeepAliveConfig: relayKeepAlive, Control: limitPatience}
}

// RelayListener is what a node listens with for edges.
func RelayListener() net.ListenConfig {
	return net.ListenConfig{KeepAliveConfig: relayKeepAlive, Control: limitPatience}
}

var relayKeepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}

// WriteRelayed writes a message of a relay connection's beginning: its length in four bytes, and itself.
func WriteRelayed(w io.Writer, m proto.Message) error {
	data, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, 4, 512), m)
	if err != nil {
		return err
	}
	binary.BigEndian.PutUint32(data, uint32(len(data)-4))
	_, err = w.Write(data)
	return err
}

// ReadRelayed reads one and nothing behind it.
func ReadRelayed(r io.Reader, m proto.Message) error {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n > maxRelayed {
		return errors.New("connections: a message of a relay connection is too long")
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(r, data); err != nil {
		return err
	}
	return proto.Unmarshal(data, m)
}
