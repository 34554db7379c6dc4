package executionlog

import (
	"strconv"
	"time"
)

// Explain renders the record as an explanation: the first line says in plain words what caused the answer, the
// following lines are the phases passed, with their values.
func (r *Record) Explain() string {
	return string(r.AppendExplanation(nil))
}

// AppendExplanation appends what Explain returns to dst.
func (r *Record) AppendExplanation(dst []byte) []byte {
	dst = append(r.appendFirstLine(dst), '\n')
	dst = append(dst, "request "...)
	dst = append(dst, r.RequestID...)
	dst = append(dst, " (extended id "...)
	dst = append(dst, r.ExtendedID...)
	if r.Trace != "" {
		dst = append(append(dst, ", trace "...), r.Trace...)
	}
	dst = append(dst, ") at "...)
	dst = r.Start.UTC().AppendFormat(dst, time.RFC3339Nano)
	dst = append(dst, ", status "...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	dst = append(dst, " after "...)
	dst = strconv.AppendInt(dst, r.Latency.Microseconds(), 10)
	dst = append(dst, " µs\n"...)
	for i := range r.n {
		dst = append(dst, "  "...)
		dst = append(dst, r.entries[i].Phase.String()...)
		dst = append(dst, ": "...)
		dst = r.entries[i].appendText(dst)
		dst = append(dst, '\n')
	}
	if r.dropped > 0 {
		dst = append(dst, "  ("...)
		dst = strconv.AppendInt(dst, int64(r.dropped), 10)
		dst = append(dst, " decisions did not fit)\n"...)
	}
	return dst
}

func (r *Record) appendFirstLine(dst []byte) []byte {
	if cause, ok := r.Cause(); ok {
		return cause.appendText(dst)
	}
	dst = append(dst, "Answered "...)
	dst = strconv.AppendInt(dst, int64(r.Status), 10)
	for i := r.n - 1; i >= 0; i-- {
		switch r.entries[i].Code {
		case BackendAnswered, FunctionAnswered, MockAnswered:
			dst = append(dst, ": "...)
			return append(r.entries[i].appendText(dst), '.')
		}
	}
	return append(dst, '.')
}

// Text renders the decision as a sentence.
func (e Entry) Text() string { return string(e.appendText(nil)) }

// Sentence is the text of a code with its values, for what is found outside of a record.
func (c Code) Sentence(values ...string) string {
	e := Entry{Code: c}
	copy(e.Values[:], values)
	return e.Text()
}

func (e Entry) appendText(dst []byte) []byte {
	t := e.Code.text()
	for i := 0; i < len(t); i++ {
		if t[i] != '{' || i+2 >= len(t) || t[i+2] != '}' {
			dst = append(dst, t[i])
			continue
		}
		switch c := t[i+1]; {
		case c == 'n':
			dst = strconv.AppendInt(dst, e.Number, 10)
		case c >= '1' && c <= '4':
			dst = appendPrintable(dst, e.Values[c-'1'])
		}
		i += 2
	}
	return dst
}

// appendPrintable keeps a value on its line: control characters come from clients and would forge lines.
func appendPrintable(dst []byte, v string) []byte {
	if v == "" {
		return append(dst, '-')
	}
	for i := 0; i < len(v); i++ {
		if v[i] < 0x20 || v[i] == 0x7f {
			dst = append(dst, ' ')
			continue
		}
		dst = append(dst, v[i])
	}
	return dst
}
