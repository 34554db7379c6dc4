package exchange

import (
	"encoding/binary"
	"sync"

	"github.com/limen-gateway/limen/core/executionlog"
)

// DefaultRecentBytes bounds the memory of remembered records.
const DefaultRecentBytes = 16 << 20

// segments is in how many pieces a history is forgotten: a full one loses its oldest sixteenth.
const segments = 16

// Recent remembers the records of the newest requests in bounded memory. Refusals have a history of their own, so that
// they outlive the successes around them. It is safe for concurrent use.
type Recent struct {
	refused, served history
}

// NewRecent bounds the records to a number of bytes; 0 takes the default.
func NewRecent(bytes int) *Recent {
	if bytes <= 0 {
		bytes = DefaultRecentBytes
	}
	size := bytes / 2 / segments
	return &Recent{refused: history{size: size}, served: history{size: size}}
}

// Keep remembers a copy of the record.
func (r *Recent) Keep(rec *executionlog.Record) {
	if rec.Status >= 400 {
		r.refused.add(rec)
		return
	}
	r.served.add(rec)
}

// Find looks for the newest record with the request id or extended id and decodes it into rec.
func (r *Recent) Find(id string, rec *executionlog.Record) bool {
	return r.refused.find(id, rec) || r.served.find(id, rec)
}

type history struct {
	size int

	mu   sync.Mutex
	ring [segments][]byte
	at   int
}

func (h *history) add(rec *executionlog.Record) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ring[h.at] == nil || h.size-len(h.ring[h.at]) < min(roomFor, h.size/4) {
		h.turn()
	}
	if !h.write(rec) {
		h.turn()
		h.write(rec) // one that is larger than a segment is not kept
	}
}

// roomFor is what most records fit into: a segment with less room is left as it is.
const roomFor = 2048

// turn begins the next segment, which forgets the oldest records.
func (h *history) turn() {
	if h.ring[h.at] != nil {
		h.at = (h.at + 1) % segments
	}
	if h.ring[h.at] == nil {
		h.ring[h.at] = make([]byte, 0, h.size)
	}
	h.ring[h.at] = h.ring[h.at][:0]
}

func (h *history) write(rec *executionlog.Record) bool {
	seg := h.ring[h.at]
	start := len(seg)
	grown := rec.Append(append(seg, 0, 0, 0, 0))
	if len(grown) > h.size {
		return false
	}
	binary.LittleEndian.PutUint32(grown[start:], uint32(len(grown)-start-4))
	h.ring[h.at] = grown
	return true
}

func (h *history) find(id string, rec *executionlog.Record) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range segments {
		seg := h.ring[(h.at-i+segments)%segments]
		if b := findIn(seg, id); b != nil {
			return rec.Decode(b) == nil
		}
	}
	return false
}

// findIn returns the newest record of the segment whose request id or extended id it is.
func findIn(seg []byte, id string) (found []byte) {
	for len(seg) >= 4 {
		n := int(binary.LittleEndian.Uint32(seg))
		b := seg[4 : 4+n]
		if executionlog.HasID(b, id) {
			found = b
		}
		seg = seg[4+n:]
	}
	return found
}
