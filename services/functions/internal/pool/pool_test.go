package pool

import (
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"
)

// TestACallWaitsForAProcessThatInitialises, and takes it when whoever started it has done with it.
func TestACallWaitsForAProcessThatInitialises(t *testing.T) {
	const version = "1"
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p, err := New(Function{Name: "f", Command: program}, Shared{Log: slog.Default(), Group: &sync.WaitGroup{}, Dir: "."})
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Stat(program)
	if err != nil {
		t.Fatal(err)
	}
	p.initialiseWait = time.Hour
	p.initialising[version] = 1
	got := make(chan *process)
	go func() {
		pr, isNew, err := p.obtain(t.Context(), version, Code{Command: program})
		if isNew || err != nil {
			t.Errorf("started another: %t, %v", isNew, err)
		}
		got <- pr
	}()
	first := &process{version: version, file: file}
	p.answered(first)
	p.initialised(version)
	p.settled(first, true)
	if pr := <-got; pr != first {
		t.Errorf("got %v", pr)
	}
}
