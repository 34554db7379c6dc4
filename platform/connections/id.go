// Package connections addresses open WebSocket connections: the ids that name their node, the leases that say which nodes
// are alive, the requests of the @connections API that travel to a node over NATS, and the journal in which a node writes
// down what opened and closed.
//
// It owns no socket. The surprise: not being answered is no proof that a connection is gone. Gone is said by its node, or
// follows from a lease that ended while the asker itself was connected; everything else is Unknown (foundations 8.4).
package connections

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
)

// rawID is the length of an id before encoding: node number, eight random bytes, a check. 11 bytes are 15 characters and
// "=", as AWS's.
const rawID = 11

// NewID makes the id of a connection of a node.
func NewID(node uint16, random uint64) string {
	var b [rawID]byte
	binary.LittleEndian.PutUint64(b[2:], random)
	// Folded with random bytes, so that the ids of one node do not all begin alike.
	binary.BigEndian.PutUint16(b[:], node^binary.BigEndian.Uint16(b[2:]))
	b[10] = check(b[:10])
	return base64.URLEncoding.EncodeToString(b[:])
}

// check tells ids that were never given from those that were. Request ids, of the same shape, have another one.
func check(b []byte) byte { return byte(crc32.ChecksumIEEE(b)) ^ 0xc3 }

// IsID reports whether a text has the shape of a connection id; NodeOf says whether it ever was one.
func IsID(id string) bool {
	var b [rawID + 1]byte
	n, err := base64.URLEncoding.Decode(b[:], []byte(clip(id)))
	return err == nil && n == rawID && len(id) == 16
}

func clip(id string) string { return id[:min(len(id), 16)] }

// NodeOf is the node that gave an id; ok is false for what no node ever gave.
func NodeOf(id string) (node uint16, ok bool) {
	var b [rawID + 1]byte
	n, err := base64.URLEncoding.Decode(b[:], []byte(clip(id)))
	if err != nil || n != rawID || len(id) != 16 || b[10] != check(b[:10]) {
		return 0, false
	}
	return binary.BigEndian.Uint16(b[:]) ^ binary.BigEndian.Uint16(b[2:]), true
}
