package run

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// book writes down what happens, in order.
type book struct {
	mu    sync.Mutex
	lines []string
}

func (b *book) add(line string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line)
}

// part is a service of the tests.
type part struct {
	name    string
	book    *book
	ready   chan struct{} // when the test decides; nil: as soon as it runs
	began   chan struct{} // closed when it runs
	fail    chan error    // what arrives here is the result of Run
	stopErr error         // the result of Run after a stop
}

func (p *part) Ready() <-chan struct{} {
	if p.ready == nil {
		return p.began
	}
	return p.ready
}

func (p *part) Run(ctx context.Context) error {
	p.book.add("start " + p.name)
	close(p.began)
	select {
	case <-ctx.Done():
		p.book.add("stop " + p.name)
		return p.stopErr
	case err := <-p.fail:
		p.book.add("fail " + p.name)
		return err
	}
}

func list(parts ...*part) []Named {
	var out []Named
	for _, p := range parts {
		p.began = make(chan struct{})
		out = append(out, Named{Name: p.name, Service: p})
	}
	return out
}

func TestStartsInOrderAndStopsInReverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		one := &part{name: "one", book: b, ready: make(chan struct{})}
		two := &part{name: "two", book: b}
		g := New(nil, list(one, two)...)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() { result <- g.Run(ctx) }()

		synctest.Wait()
		if diff := cmp.Diff([]string{"start one"}, b.lines); diff != "" {
			t.Fatalf("two started before one was ready: %s", diff)
		}
		close(one.ready)
		<-g.Ready()
		synctest.Wait()
		cancel()
		if err := <-result; err != nil {
			t.Fatal(err)
		}
		want := []string{"start one", "start two", "stop two", "stop one"}
		if diff := cmp.Diff(want, b.lines); diff != "" {
			t.Error(diff)
		}
	})
}

func TestFirstFailureStopsAll(t *testing.T) {
	broken := errors.New("disk is full")
	tests := []struct {
		name   string
		result error // what the failing service returns
		want   error
	}{
		{"an error", broken, broken},
		{"an early end", nil, ErrEnded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &book{}
				one := &part{name: "one", book: b, fail: make(chan error, 1)}
				two := &part{name: "two", book: b}
				g := New(nil, list(one, two)...)
				result := make(chan error)
				go func() { result <- g.Run(t.Context()) }()
				<-g.Ready()
				synctest.Wait()
				one.fail <- tt.result
				err := <-result
				if !errors.Is(err, tt.want) || !strings.HasPrefix(err.Error(), "service one: ") {
					t.Errorf("error %v, want service one: … %v", err, tt.want)
				}
				if n := strings.Count(err.Error(), tt.want.Error()); n != 1 {
					t.Errorf("the cause is told %d times: %v", n, err)
				}
				want := []string{"start one", "start two", "fail one", "stop two"}
				if diff := cmp.Diff(want, b.lines); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestFailureBeforeReadyKeepsTheRestFromStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		one := &part{name: "one", book: b}
		two := &part{name: "two", book: b, ready: make(chan struct{}), fail: make(chan error, 1)}
		three := &part{name: "three", book: b}
		two.fail <- errors.New("port in use")
		g := New(nil, list(one, two, three)...)
		err := g.Run(t.Context())
		if err == nil || err.Error() != "service two: port in use" {
			t.Errorf("error %v", err)
		}
		want := []string{"start one", "start two", "fail two", "stop one"}
		if diff := cmp.Diff(want, b.lines); diff != "" {
			t.Error(diff)
		}
		select {
		case <-g.Ready():
			t.Error("the group says it is ready")
		default:
		}
	})
}

func TestEndWhileStarting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		one := &part{name: "one", book: b, ready: make(chan struct{})}
		g := New(nil, list(one, &part{name: "two", book: b})...)
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() { result <- g.Run(ctx) }()
		synctest.Wait()
		cancel()
		if err := <-result; err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff([]string{"start one", "stop one"}, b.lines); diff != "" {
			t.Error(diff)
		}
	})
}

func TestStopReportsErrorsAndPassesStuckServices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		release := make(chan struct{})
		one := &part{name: "one", book: b, stopErr: errors.New("flush: disk is full")}
		stuck := Named{Name: "stuck", Service: Func(func(context.Context) error { <-release; return nil })}
		slow := Named{Name: "slow", StopTimeout: 3 * time.Second, Service: Func(func(ctx context.Context) error { <-ctx.Done(); time.Sleep(2 * time.Second); return nil })}
		g := New(nil, append(list(one), stuck, slow)...)
		g.StopTimeout = time.Second
		ctx, cancel := context.WithCancel(t.Context())
		result := make(chan error)
		go func() { result <- g.Run(ctx) }()
		<-g.Ready()
		synctest.Wait()
		cancel()
		err := <-result
		want := "service stuck: did not stop within 1s\nservice one: flush: disk is full"
		if err == nil || err.Error() != want {
			t.Errorf("error %q, want %q", err, want)
		}
		close(release)
	})
}

func TestSlowStartIsReported(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		one := &part{name: "one", book: &book{}, ready: make(chan struct{})}
		g := New(slog.New(slog.NewTextHandler(&out, nil)), list(one)...)
		ctx, cancel := context.WithTimeout(t.Context(), slowStart+time.Second)
		defer cancel()
		if err := g.Run(ctx); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), `msg="service not ready yet" service=one`) {
			t.Errorf("log: %s", out.String())
		}
	})
}

func TestUntilSignal(t *testing.T) {
	b := &book{}
	one := &part{name: "one", book: b}
	g := New(nil, list(one)...)
	result := make(chan error)
	go func() { result <- UntilSignal(t.Context(), nil, g) }()
	<-g.Ready()
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Error(err)
	}
}
