package roles

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/limen-gateway/limen/platform/durable"
)

// firstStart is the mark of a folder whose first start has not come to its end. A member of etcd that is killed before it
// has written who its members are never elects a leader; nothing was acknowledged until then, so it may begin anew.
type firstStart struct{ dir, mark string }

// begin empties the folder when an earlier first start was cut short, and marks one that is not there yet. A folder without
// the mark is left alone.
func (f firstStart) begin() error {
	if _, err := os.Stat(f.mark); err == nil {
		return os.RemoveAll(f.dir)
	}
	if _, err := os.Stat(f.dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.mark), 0o700); err != nil {
		return err
	}
	return durable.WriteFile(f.mark, nil, 0o600)
}

// end takes the mark away.
func (f firstStart) end() error {
	if err := os.Remove(f.mark); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
