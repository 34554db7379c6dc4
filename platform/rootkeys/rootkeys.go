// Package rootkeys reads the file of root access keys: for each account the key that may do everything in it, like the
// root user's key of an AWS account. All other users and keys are made with it through the control plane.
//
// The file has a line "account access-key secret" for each key; empty lines and lines that begin with # mean nothing.
// It holds secrets in the clear and belongs to nobody but its owner.
package rootkeys

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"

	"github.com/limen-gateway/limen/platform/durable"
)

// Key is the root access key of an account.
type Key struct {
	Account         string // 12 digits
	AccessKeyID     string
	SecretAccessKey string
}

// String hides the secret, so that a key can be logged.
func (k Key) String() string { return k.Account + " " + k.AccessKeyID }

var (
	account     = regexp.MustCompile(`^[0-9]{12}$`)
	accessKeyID = regexp.MustCompile(`^[A-Za-z0-9_]{16,128}$`)
)

const minSecret = 16

// Parse reads the text of a key file, which holds at least one key. Errors name the line and the rule, never a secret.
func Parse(text []byte) ([]Key, error) {
	var keys []Key
	seen := map[string]bool{}
	for i, line := range bytes.Split(text, []byte("\n")) {
		fields := strings.Fields(string(line))
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		k, err := parseLine(fields)
		if err == nil && seen[k.AccessKeyID] {
			err = fmt.Errorf("access key %s comes twice", k.AccessKeyID)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
		seen[k.AccessKeyID] = true
		keys = append(keys, k)
	}
	if keys == nil {
		return nil, errors.New("holds no key")
	}
	return keys, nil
}

func parseLine(fields []string) (Key, error) {
	if len(fields) != 3 {
		return Key{}, fmt.Errorf(`must be "account access-key secret", has %d words`, len(fields))
	}
	k := Key{fields[0], fields[1], fields[2]}
	switch {
	case !account.MatchString(k.Account):
		return Key{}, fmt.Errorf("account %q must be 12 digits", k.Account)
	case !accessKeyID.MatchString(k.AccessKeyID):
		return Key{}, fmt.Errorf("access key %q must be 16 to 128 letters, digits or _", k.AccessKeyID)
	case len(k.SecretAccessKey) < minSecret:
		return Key{}, fmt.Errorf("secret of access key %s must have at least %d bytes", k.AccessKeyID, minSecret)
	}
	return k, nil
}

// Load reads the key file at path.
func Load(path string) ([]Key, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("root keys: %w", err)
	}
	keys, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("root keys %s: %w", path, err)
	}
	return keys, nil
}

// LoadOrCreate reads the key file at path; when there is none it makes one, readable by its owner alone, with a new key
// for each of the accounts.
func LoadOrCreate(path string, accounts ...string) ([]Key, error) {
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		var text bytes.Buffer
		for _, a := range accounts {
			k := New(a)
			fmt.Fprintln(&text, k.Account, k.AccessKeyID, k.SecretAccessKey)
		}
		err := durable.CreateFile(path, text.Bytes(), 0o600)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, fmt.Errorf("root keys: %w", err)
		}
	}
	return Load(path)
}

// New makes a random key in the form of AWS's: AKIA and 16 more, and a secret of 40.
func New(account string) Key {
	random := make([]byte, 40)
	_, _ = rand.Read(random) // never fails
	return Key{
		Account:         account,
		AccessKeyID:     "AKIA" + base32.StdEncoding.EncodeToString(random[:10]),
		SecretAccessKey: base64.StdEncoding.EncodeToString(random[10:]),
	}
}
