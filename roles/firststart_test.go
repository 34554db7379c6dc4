package roles

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFirstStart(t *testing.T) {
	dir := t.TempDir()
	f := firstStart{filepath.Join(dir, "etcd"), filepath.Join(dir, "etcd.first")}
	wal := filepath.Join(f.dir, "wal")
	has := func(path string) bool { _, err := os.Stat(path); return err == nil }
	step := func(do func() error) {
		t.Helper()
		if err := do(); err != nil {
			t.Fatal(err)
		}
	}
	write := func() error { return os.MkdirAll(wal, 0o700) }
	step(f.begin)
	step(write)
	step(f.begin) // the start before was cut short
	if has(wal) || !has(f.mark) {
		t.Error("what a first start left behind is still there")
	}
	step(write)
	step(f.end)
	step(f.end)
	step(f.begin)
	if !has(wal) || has(f.mark) {
		t.Error("a folder that was started is not left alone")
	}
}
