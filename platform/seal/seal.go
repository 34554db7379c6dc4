// Package seal keeps secrets at rest: key values, certificate keys and the private parts of records lie in the store
// only sealed (AES-256-GCM).
//
// A sealed value is bound to its place, a string such as the key of its record: moved to another record it does not
// open. A Keyring holds several keys, so that they can be rotated: the first seals, all open, and Rotate seals anew what
// an older one sealed. It does not know where keys come from beyond a file, nor what it seals.
//
// The surprise: nonces are random, so one key should seal no more than 2^32 values. Rotate long before that.
package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/limen-gateway/limen/platform/durable"
)

// The reasons why a value does not open.
var (
	// ErrDamaged: it was changed, or belongs to another place.
	ErrDamaged = errors.New("sealed value is damaged or belongs to another place")
	// ErrUnknownKey: the keyring does not hold the key that sealed it.
	ErrUnknownKey = errors.New("sealed with a key that is not in the key file")
	// ErrForm: it is no sealed value.
	ErrForm = errors.New("not a sealed value")
)

const (
	version = 1
	keySize = 32
	maxID   = 64
)

type key struct {
	id   string
	aead cipher.AEAD
}

// Keyring seals and opens. It is immutable and safe for concurrent use.
type Keyring struct{ keys []key }

// Parse reads a key file: a line "id key" for each key, the key 32 bytes in base64; the first seals. Empty lines and
// lines that begin with # mean nothing. Errors name the line, never a key.
func Parse(text []byte) (*Keyring, error) {
	k := &Keyring{}
	for i, line := range bytes.Split(text, []byte("\n")) {
		fields := strings.Fields(string(line))
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if err := k.add(fields); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	if len(k.keys) == 0 {
		return nil, errors.New("holds no key")
	}
	return k, nil
}

func (k *Keyring) add(fields []string) error {
	if len(fields) != 2 {
		return errors.New(`must be "id key"`)
	}
	id := fields[0]
	if len(id) > maxID {
		return fmt.Errorf("a key id has at most %d bytes", maxID)
	}
	for _, other := range k.keys {
		if other.id == id {
			return fmt.Errorf("key id %s comes twice", id)
		}
	}
	secret, err := base64.StdEncoding.DecodeString(fields[1])
	if err != nil || len(secret) != keySize {
		return fmt.Errorf("key %s must be %d bytes in base64", id, keySize)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return err
	}
	k.keys = append(k.keys, key{id, aead})
	return nil
}

// Load reads the key file at path.
func Load(path string) (*Keyring, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("key file: %w", err)
	}
	k, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("key file %s: %w", path, err)
	}
	return k, nil
}

// LoadOrCreate reads the key file at path; when there is none it makes one with a new key, readable by its owner alone.
// Processes that do so at once end with the same key.
func LoadOrCreate(path string) (*Keyring, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		err := durable.CreateFile(path, NewKey(), 0o600)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("key file: %w", err)
		}
	}
	return Load(path)
}

// NewKey makes a line of a key file with a new random key. Its id is taken from the key's hash.
func NewKey() []byte {
	secret := make([]byte, keySize)
	_, _ = rand.Read(secret) // never fails
	sum := sha256.Sum256(secret)
	return fmt.Appendf(nil, "%s %s\n", hex.EncodeToString(sum[:4]), base64.StdEncoding.EncodeToString(secret))
}

// Seal seals plain for place: version, length of the key id, key id, nonce, ciphertext, tag.
func (k *Keyring) Seal(plain []byte, place string) []byte {
	first := k.keys[0]
	head := append([]byte{version, byte(len(first.id))}, first.id...)
	return first.aead.Seal(head, nil, plain, associated(head, place))
}

// Open returns what was sealed for place; the errors are ErrDamaged, ErrUnknownKey and ErrForm.
func (k *Keyring) Open(sealed []byte, place string) ([]byte, error) {
	id, err := KeyID(sealed)
	if err != nil {
		return nil, err
	}
	head := sealed[:2+len(id)]
	for _, c := range k.keys {
		if c.id != id {
			continue
		}
		plain, err := c.aead.Open([]byte{}, nil, sealed[len(head):], associated(head, place))
		if err != nil {
			return nil, ErrDamaged
		}
		return plain, nil
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknownKey, id)
}

// Rotate seals a value anew when another than the first key sealed it, and says whether it did.
func (k *Keyring) Rotate(sealed []byte, place string) (out []byte, changed bool, err error) {
	plain, err := k.Open(sealed, place)
	if err != nil {
		return nil, false, err
	}
	if id, _ := KeyID(sealed); id == k.keys[0].id {
		return sealed, false, nil
	}
	return k.Seal(plain, place), true, nil
}

// KeyID tells which key sealed a value.
func KeyID(sealed []byte) (string, error) {
	if len(sealed) < 2 || sealed[0] != version || len(sealed) < 2+int(sealed[1]) {
		return "", ErrForm
	}
	return string(sealed[2 : 2+int(sealed[1])]), nil
}

// associated is what is authenticated beside the ciphertext; the length keeps head and place apart.
func associated(head []byte, place string) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(head)))
	return append(append(out, head...), place...)
}
