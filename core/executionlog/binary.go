package executionlog

import (
	"encoding/binary"
	"errors"
	"time"
)

// maxValue bounds one stored value, so that a record's stored size is bounded whatever the client sent.
const maxValue = 512

var errShort = errors.New("executionlog: truncated record")

// Append appends a self-contained copy of the record to dst; Decode reads it back. Long values are cut.
func (r *Record) Append(dst []byte) []byte {
	for _, s := range [...]string{r.RequestID, r.ExtendedID, r.Trace, r.Method, r.Path, r.Source, r.Account, r.API, r.Stage, r.Resource} {
		dst = appendString(dst, s)
	}
	dst = binary.AppendVarint(dst, r.Start.UnixNano())
	dst = binary.AppendVarint(dst, int64(r.Latency))
	dst = binary.AppendVarint(dst, int64(r.Backend))
	dst = binary.AppendVarint(dst, int64(r.Status))
	dst = binary.AppendVarint(dst, int64(r.Bytes))
	dst = binary.AppendVarint(dst, int64(r.dropped))
	dst = append(dst, byte(r.n))
	for i := range r.n {
		e := &r.entries[i]
		dst = append(dst, byte(e.Phase), byte(e.Code))
		dst = binary.AppendVarint(dst, e.Number)
		for _, v := range e.Values {
			dst = appendString(dst, v)
		}
	}
	return dst
}

// Decode replaces the record by what Append wrote. The record shares no memory with b.
func (r *Record) Decode(b []byte) error {
	r.Reset()
	d := decoder{b: b}
	for _, s := range [...]*string{&r.RequestID, &r.ExtendedID, &r.Trace, &r.Method, &r.Path, &r.Source, &r.Account, &r.API, &r.Stage, &r.Resource} {
		*s = d.string()
	}
	r.Start = time.Unix(0, d.varint())
	r.Latency, r.Backend = time.Duration(d.varint()), time.Duration(d.varint())
	r.Status, r.Bytes, r.dropped = int(d.varint()), int(d.varint()), int(d.varint())
	n := int(d.byte())
	if n > Size {
		return errShort
	}
	for i := range n {
		e := &r.entries[i]
		e.Phase, e.Code, e.Number = Phase(d.byte()), Code(d.byte()), d.varint()
		for j := range e.Values {
			e.Values[j] = d.string()
		}
	}
	r.n = n
	if d.failed {
		r.Reset()
		return errShort
	}
	return nil
}

func appendString(dst []byte, s string) []byte {
	if len(s) > maxValue {
		s = s[:maxValue]
	}
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

type decoder struct {
	b      []byte
	failed bool
}

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.failed = true
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.failed = true
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) string() string {
	v, n := binary.Uvarint(d.b)
	if n <= 0 || v > uint64(len(d.b)-n) {
		d.failed = true
		return ""
	}
	s := string(d.b[n : n+int(v)])
	d.b = d.b[n+int(v):]
	return s
}

// HasID reports whether a stored record has this request id or extended id, without decoding the rest.
func HasID(b []byte, id string) bool {
	for range 2 {
		n, w := binary.Uvarint(b)
		if w <= 0 || n > uint64(len(b)-w) {
			return false
		}
		if string(b[w:w+int(n)]) == id {
			return true
		}
		b = b[w+int(n):]
	}
	return false
}
