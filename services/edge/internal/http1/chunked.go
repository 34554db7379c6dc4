package http1

import (
	"bytes"
	"errors"
)

// maxChunkLine bounds a chunk-size line with its extensions, which are read and ignored.
const maxChunkLine = 256

func (b *Reader) appendChunks(dst []byte, limit int) ([]byte, error) {
	body := 0
	for {
		line, err := b.line(maxChunkLine)
		if err != nil {
			return dst, err
		}
		size, ok := chunkSize(line)
		if !ok {
			return dst, bad("a chunk size is malformed")
		}
		if size == 0 {
			return dst, b.skipTrailers()
		}
		if size > int64(limit-body) {
			return dst, errTooLarge
		}
		body += int(size)
		if dst, err = b.appendExactly(dst, int(size)); err != nil {
			return dst, err
		}
		if err := b.Wait(2); err != nil {
			return dst, ended(err)
		}
		if b.buf[b.r] != '\r' || b.buf[b.r+1] != '\n' {
			return dst, bad("a chunk does not end where its size says")
		}
		b.r += 2
	}
}

// chunkSize reads the hexadecimal size before the extensions. No sign, no space, no prefix, at most 15 digits.
func chunkSize(line []byte) (int64, bool) {
	var size int64
	for i, c := range line {
		switch {
		case c == ';' && i > 0:
			return size, validText(line[i:])
		case i == 15:
			return 0, false
		case '0' <= c && c <= '9':
			size = size<<4 | int64(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			size = size<<4 | int64(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return size, len(line) > 0
}

// skipTrailers reads trailer fields as strictly as header fields and drops them: no one may act on them.
func (b *Reader) skipTrailers() error {
	for total := 0; total <= b.limits.Head; {
		line, err := b.line(b.limits.Head)
		if err != nil {
			return err
		}
		if len(line) == 0 {
			return nil
		}
		if _, _, err := field(line); err != nil {
			return err
		}
		total += len(line) + 2
	}
	return &Error{431, "the trailer lines are too long"}
}

var errLine = bad("a line inside the body is too long")

// line reads one line and returns it without its CRLF; it is valid until the next read.
func (b *Reader) line(limit int) ([]byte, error) {
	at := 0
	for {
		unread := b.buf[b.r:b.w]
		if i := bytes.IndexByte(unread[at:], '\n'); i >= 0 {
			end := at + i + 1
			if end-1 > limit {
				return nil, errLine
			}
			if end < 2 || unread[end-2] != '\r' {
				return nil, bad("a line ends in a bare line feed")
			}
			b.r += end
			return unread[:end-2], nil
		}
		if at = len(unread); at > limit {
			return nil, errLine
		}
		if err := b.fill(); errors.Is(err, errBufferFull) {
			return nil, errLine
		} else if err != nil {
			return nil, ended(err)
		}
	}
}
