package snapshots

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/platform/durable"
	"github.com/limen-gateway/limen/platform/seal"
	configv1 "github.com/limen-gateway/limen/proto/config/v1"
)

// disk is the copy of the state: a sealed file for each resource and each content, and the position. A file that does not
// open is dropped with the position, so that the next admin sends everything.
type disk struct {
	dir     string
	keyring *seal.Keyring
	log     *slog.Logger
}

// Names of files. The follower's own name is no secret and is not sealed.
const (
	nameFile       = "follower"
	positionFile   = "position"
	resourcePrefix = "resource-"
	lastGoodPrefix = "lastgood-"
	contentPrefix  = "content-"
)

func resourceFile(prefix, key string) string {
	sum := sha256.Sum256([]byte(key))
	return prefix + hex.EncodeToString(sum[:])
}

// assemble joins the chunks of a content and checks its hash.
func assemble(hash string, parts [][]byte) ([]byte, error) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	content := make([]byte, 0, size)
	for _, p := range parts {
		content = append(content, p...)
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != hash {
		return nil, fmt.Errorf("content %s is damaged", hash)
	}
	return content, nil
}

// load reads the copy into the state.
func (d *disk) load(s *state) error {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	if err := d.loadName(s); err != nil {
		return err
	}
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	damaged := false
	for _, e := range entries {
		if err := d.loadFile(e.Name(), s); err != nil {
			d.log.Warn("copy of the configuration is damaged; it will be read anew", "file", e.Name(), "error", err)
			damaged = true
		}
	}
	if damaged {
		s.revision = 0 // older than any state: everything comes again
	}
	return nil
}

func (d *disk) loadName(s *state) error {
	path := filepath.Join(d.dir, nameFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		s.name = newName()
		return durable.WriteFile(path, []byte(s.name), 0o600)
	}
	s.name = strings.TrimSpace(string(text))
	return err
}

func (d *disk) loadFile(name string, s *state) error {
	switch {
	case name == positionFile:
		saved := &configv1.Follower{}
		if err := d.read(name, saved); err != nil {
			return err
		}
		s.number, s.epoch, s.revision = saved.Number, saved.Report.GetEpoch(), saved.Report.GetRevision()
	case strings.HasPrefix(name, resourcePrefix):
		return d.loadResource(name, s.resources)
	case strings.HasPrefix(name, lastGoodPrefix):
		return d.loadResource(name, s.lastGood)
	case strings.HasPrefix(name, contentPrefix):
		c := &configv1.Content{}
		if err := d.read(name, c); err != nil {
			return err
		}
		content, err := assemble(c.Hash, [][]byte{c.Data})
		if err != nil {
			return err
		}
		s.contents[c.Hash] = content
	}
	return nil
}

func (d *disk) loadResource(name string, into map[string]*configv1.Resource) error {
	r := &configv1.Resource{}
	if err := d.read(name, r); err != nil {
		return err
	}
	into[r.Key] = r
	return nil
}

func (d *disk) read(name string, m proto.Message) error {
	sealed, err := os.ReadFile(filepath.Join(d.dir, name))
	if err != nil {
		return err
	}
	plain, err := d.keyring.Open(sealed, name)
	if err != nil {
		return err
	}
	return proto.Unmarshal(plain, m)
}

func (d *disk) write(name string, m proto.Message) error {
	plain, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	sealed := d.keyring.Seal(plain, name)
	return durable.WriteFile(filepath.Join(d.dir, name), sealed, 0o600)
}

// save writes a batch: contents, what is served in place of newer versions, resources, the position; it removes what is
// gone before the position says that it is.
func (d *disk) save(s *state, b *batch, full bool) error {
	for hash := range b.contents {
		content, used := s.contents[hash]
		if !used {
			continue
		}
		if err := d.write(contentPrefix+hash, &configv1.Content{Hash: hash, Total: 1, Data: content}); err != nil {
			return err
		}
	}
	for key, r := range s.lastGood {
		if err := d.write(resourceFile(lastGoodPrefix, key), r); err != nil {
			return err
		}
	}
	for _, r := range b.resources {
		if r.Deleted {
			continue
		}
		if err := d.write(resourceFile(resourcePrefix, r.Key), r); err != nil {
			return err
		}
	}
	position := &configv1.Follower{Number: s.number, Report: &configv1.ReportRequest{Epoch: s.epoch, Revision: s.revision}}
	if len(b.resources) > 0 || full {
		if err := d.sweep(s); err != nil {
			return err
		}
	}
	return d.write(positionFile, position)
}

// sweep removes the files of what the state no longer holds.
func (d *disk) sweep(s *state) error {
	keep := map[string]bool{nameFile: true, positionFile: true}
	for key := range s.resources {
		keep[resourceFile(resourcePrefix, key)] = true
	}
	for key := range s.lastGood {
		keep[resourceFile(lastGoodPrefix, key)] = true
	}
	for hash := range s.contents {
		keep[contentPrefix+hash] = true
	}
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !keep[e.Name()] {
			if err := os.Remove(filepath.Join(d.dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}
