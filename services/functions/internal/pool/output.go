package pool

import (
	"bytes"
	"os"
	"sync"
	"syscall"
)

const (
	maxLine = 64 << 10 // longer lines are cut into several
	tailLen = 4 << 10  // what X-Amz-Log-Result shows
)

// output reads what a process prints and hands it on by lines, each with the request that was running.
//
// A line printed before an answer must belong to that answer's request, yet it arrives by a pipe of its own. So the end of
// a request first empties the pipe (flush), by a second descriptor of it, as the first is busy waiting.
type output struct {
	file  *os.File
	spare int
	emit  func(requestID, line string)

	mu        sync.Mutex
	requestID string
	partial   []byte
	tail      []byte
	chunk     []byte
	closed    bool
}

// newOutput returns the reader and the end of the pipe that goes to the process.
func newOutput(emit func(requestID, line string)) (*output, *os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	raw, err := r.SyscallConn()
	spare := -1
	if err == nil {
		control := raw.Control(func(fd uintptr) { spare, err = dup(int(fd)) })
		if control != nil {
			err = control
		}
	}
	if err != nil {
		r.Close()
		w.Close()
		return nil, nil, err
	}
	return &output{file: r, spare: spare, emit: emit, chunk: make([]byte, 8<<10)}, w, nil
}

func dup(fd int) (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	n, err := syscall.Dup(fd)
	if err == nil {
		syscall.CloseOnExec(n)
	}
	return n, err
}

// run reads until the process has closed its end, or close.
func (o *output) run() {
	raw, err := o.file.SyscallConn()
	if err != nil {
		return
	}
	// Errors mean the file was closed; there is nothing more to read then.
	_ = raw.Read(func(fd uintptr) bool { return o.drain(int(fd)) })
	o.mu.Lock()
	defer o.mu.Unlock()
	o.finishLine()
}

// drain reads all that is there, and reports whether the end has come.
func (o *output) drain(fd int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for !o.closed {
		n, err := syscall.Read(fd, o.chunk)
		switch {
		case err == syscall.EINTR:
		case err == syscall.EAGAIN:
			return false
		case err != nil || n == 0:
			return true
		default:
			o.take(o.chunk[:n])
		}
	}
	return true
}

func (o *output) take(text []byte) {
	for len(text) > 0 {
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			o.partial = append(o.partial, text...)
			if len(o.partial) >= maxLine {
				o.finishLine()
			}
			return
		}
		o.partial = append(o.partial, text[:end]...)
		text = text[end+1:]
		o.finishLine()
	}
}

func (o *output) finishLine() {
	if len(o.partial) == 0 {
		return
	}
	line := string(o.partial)
	o.partial = o.partial[:0]
	o.keep(line + "\n")
	o.emit(o.requestID, line)
}

// keep adds to the tail, which never holds more than its last bytes.
func (o *output) keep(text string) {
	o.tail = append(o.tail, text...)
	if extra := len(o.tail) - tailLen; extra > 0 {
		o.tail = append(o.tail[:0], o.tail[extra:]...)
	}
}

// begin attributes what follows to a request.
func (o *output) begin(requestID, line string) {
	o.drain(o.spare)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.finishLine()
	o.requestID = requestID
	o.tail = o.tail[:0]
	o.keep(line)
}

// end takes in all that was printed until now and returns the tail of the request's log, closed by line.
func (o *output) end(line string) []byte {
	o.drain(o.spare)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.finishLine()
	o.keep(line)
	o.requestID = ""
	return bytes.Clone(o.tail)
}

func (o *output) close() {
	o.mu.Lock()
	first := !o.closed
	o.closed = true
	if first {
		syscall.Close(o.spare)
	}
	o.mu.Unlock()
	// Not under the lock: Close waits for run, and run may be waiting for the lock.
	o.file.Close()
}
