package roles

import (
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/etcd/server/v3/storage/datadir"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

// TestFirstStart: a folder is emptied only when it is marked and its log has no entry.
func TestFirstStart(t *testing.T) {
	for _, tt := range []struct {
		name          string
		marked, entry bool
		log, survives bool
	}{
		{"killed before the log", true, false, false, false},
		{"killed before the first entry", true, false, true, false},
		{"killed behind it, or a mark that came back", true, true, true, true},
		{"a folder that was started", false, true, true, true},
		{"a folder of an older version", false, false, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			f := firstStart{filepath.Join(dir, "data", "etcd"), filepath.Join(dir, "data", "etcd.first")}
			step := func(err error) {
				t.Helper()
				if err != nil {
					t.Fatal(err)
				}
			}
			step(f.begin())
			step(os.MkdirAll(f.dir, 0o700))
			if tt.log {
				writeLog(t, f.dir, tt.entry)
			}
			if !tt.marked {
				step(f.end())
				step(f.end())
			}
			step(f.begin())
			if _, err := os.Stat(f.dir); (err == nil) != tt.survives {
				t.Errorf("the folder: %v", err)
			}
			if _, err := os.Stat(f.mark); (err == nil) != tt.marked {
				t.Errorf("the mark: %v", err)
			}
		})
	}
}

func writeLog(t *testing.T, dir string, entry bool) {
	t.Helper()
	w, err := wal.Create(zap.NewNop(), datadir.ToWALDir(dir), nil)
	if err != nil {
		t.Fatal(err)
	}
	if entry {
		index, term := uint64(1), uint64(1)
		if err := w.Save(&raftpb.HardState{}, []*raftpb.Entry{{Index: &index, Term: &term}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
