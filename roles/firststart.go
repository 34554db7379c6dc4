package roles

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"go.etcd.io/etcd/server/v3/storage/datadir"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3"
	"go.uber.org/zap"

	"github.com/limen-gateway/limen/platform/durable"
)

// firstStart is the mark of a folder of etcd whose first start has not come to its end. A member that is killed before its
// log names the members never elects a leader; it holds nothing, so it may begin anew. The mark alone decides nothing: a
// crash of the machine may bring it back.
type firstStart struct{ dir, mark string }

// begin empties the folder when an earlier first start was cut short before its log had an entry, and marks a folder that
// is not there yet. One without the mark is left alone.
func (f firstStart) begin() error {
	if _, err := os.Stat(f.mark); err == nil {
		if f.isEmpty() {
			return os.RemoveAll(f.dir)
		}
		return nil
	}
	if _, err := os.Stat(f.dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.mark), 0o700); err != nil {
		return err
	}
	return durable.WriteFile(f.mark, nil, 0o600)
}

// isEmpty reports whether the log has no entry and no vote: a member of a cluster that forgot its vote could give it twice.
// Without a log there is nothing to lose either; one that cannot be read is etcd's to repair.
func (f firstStart) isEmpty() bool {
	dir := datadir.ToWALDir(f.dir)
	if !wal.Exist(dir) {
		return true
	}
	w, err := wal.OpenForRead(zap.NewNop(), dir, &walpb.Snapshot{})
	if err != nil {
		return false
	}
	_, state, entries, err := w.ReadAll() // opened for reading, it closes its files itself
	return err == nil && len(entries) == 0 && raft.IsEmptyHardState(state)
}

// end takes the mark away.
func (f firstStart) end() error {
	if err := os.Remove(f.mark); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
