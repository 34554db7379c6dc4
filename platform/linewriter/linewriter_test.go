package linewriter_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/limen-gateway/limen/platform/linewriter"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sink remembers what is written; it may stand still.
type sink struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	writes int
	still  chan struct{} // nil: it takes everything
}

func (s *sink) Write(b []byte) (int, error) {
	if s.still != nil {
		<-s.still
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	return s.buf.Write(b)
}

func (s *sink) lines() (n, writes int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Count(s.buf.String(), "\n"), s.writes
}

func run(w *linewriter.Writer) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = w.Run(ctx); close(done) }()
	return func() { cancel(); <-done }
}

func TestLinesWaitAndGoTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		w := linewriter.New(out, nil)
		stop := run(w)
		for i := range 10 {
			fmt.Fprintf(w, "line %d\n", i)
		}
		synctest.Wait()
		if n, _ := out.lines(); n != 0 {
			t.Errorf("%d lines before their time", n)
		}
		time.Sleep(linewriter.Delay)
		synctest.Wait()
		if n, writes := out.lines(); n != 10 || writes != 1 {
			t.Errorf("%d lines in %d writes", n, writes)
		}
		stop()
	})
}

func TestAFullBatchDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{}
		w := linewriter.New(out, nil)
		stop := run(w)
		_, _ = w.Write(append(bytes.Repeat([]byte("x"), linewriter.Batch), '\n'))
		synctest.Wait()
		if n, _ := out.lines(); n != 1 {
			t.Errorf("%d lines", n)
		}
		stop()
	})
}

func TestAStopLosesNothing(t *testing.T) {
	out := &sink{}
	w := linewriter.New(out, nil)
	stop := run(w)
	fmt.Fprintln(w, "last")
	stop()
	if n, _ := out.lines(); n != 1 {
		t.Errorf("%d lines", n)
	}
}

func TestAStandingDestinationHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &sink{still: make(chan struct{})}
		lost := 0
		w := linewriter.New(out, func(n int) { lost += n })
		stop := run(w)
		line := append(bytes.Repeat([]byte("x"), 1023), '\n')
		const sent = 3 * linewriter.Bound / 1024
		for range sent {
			_, _ = w.Write(line)
		}
		close(out.still)
		stop()
		text := out.buf.String()
		kept := strings.Count(text, "x\n")
		if kept >= sent || kept < linewriter.Bound/1024-1 {
			t.Errorf("%d of %d lines kept", kept, sent)
		}
		if lost != sent-kept {
			t.Errorf("%d lines told as lost, %d are", lost, sent-kept)
		}
	})
}
