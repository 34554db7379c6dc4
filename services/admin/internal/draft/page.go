package draft

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// ErrPosition tells that a page token is damaged or belongs to another list.
var ErrPosition = errors.New("the position is damaged or belongs to another list")

// Page reads at most limit entries below a prefix, behind the one that the position names; keep, when given, chooses among
// them. next is empty on the last page. Order is that of the keys; the position holds the last name, never an offset, so
// that deleting what it names does not break the next page.
func (t *Tx) Page(prefix, position string, limit int, keep func(Entry) bool) (entries []Entry, next string, err error) {
	after, err := openPosition(prefix, position)
	if err != nil {
		return nil, "", err
	}
	for {
		batch, err := t.batch(prefix, after, limit+1)
		if err != nil {
			return nil, "", err
		}
		for _, e := range batch {
			if keep != nil && !keep(e) {
				continue
			}
			if len(entries) == limit {
				return entries, sealPosition(prefix, entries[limit-1].Name), nil
			}
			entries = append(entries, e)
		}
		if len(batch) <= limit {
			return entries, "", nil
		}
		after = batch[len(batch)-1].Name
	}
}

func (t *Tx) batch(prefix, after string, n int) ([]Entry, error) {
	from := prefix
	if after != "" {
		from = prefix + after + "\x00"
	}
	res, err := t.get(from, clientv3.WithRange(clientv3.GetPrefixRangeEnd(prefix)), clientv3.WithLimit(int64(n)))
	if err != nil {
		return nil, err
	}
	out := make([]Entry, len(res.Kvs))
	for i, kv := range res.Kvs {
		out[i] = Entry{string(kv.Key[len(prefix):]), kv.Value}
	}
	return out, nil
}

const checkLength = 6

func positionCheck(prefix, name string) string {
	sum := sha256.Sum256([]byte(prefix + "\x00" + name))
	return string(sum[:checkLength])
}

func sealPosition(prefix, name string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(positionCheck(prefix, name) + name))
}

func openPosition(prefix, position string) (string, error) {
	if position == "" {
		return "", nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(position, "="))
	if err != nil || len(raw) <= checkLength {
		return "", ErrPosition
	}
	name := string(raw[checkLength:])
	if positionCheck(prefix, name) != string(raw[:checkLength]) {
		return "", ErrPosition
	}
	return name, nil
}
