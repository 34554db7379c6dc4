package seal

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// ring makes a keyring of new keys with the given ids.
func ring(t *testing.T, lines ...string) *Keyring {
	t.Helper()
	k, err := Parse([]byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func line(id string) string { return id + " " + strings.Fields(string(NewKey()))[1] }

const place = "/limen/eu-west-1/111111111111/apikeys/a1b2c3"

func TestOpensWhatItSealed(t *testing.T) {
	k := ring(t, line("k1"))
	rapid.Check(t, func(r *rapid.T) {
		plain := rapid.SliceOf(rapid.Byte()).Draw(r, "plain")
		where := rapid.String().Draw(r, "place")
		sealed := k.Seal(plain, where)
		if len(plain) > 3 && bytes.Contains(sealed, plain) {
			r.Fatal("the secret can be read")
		}
		got, err := k.Open(sealed, where)
		if err != nil || !bytes.Equal(got, plain) {
			r.Fatalf("got %x, %v", got, err)
		}
	})
}

func TestSealingTwiceDiffers(t *testing.T) {
	k := ring(t, line("k1"))
	if bytes.Equal(k.Seal([]byte("x"), place), k.Seal([]byte("x"), place)) {
		t.Error("equal secrets can be told from their sealed form")
	}
}

func TestRefuses(t *testing.T) {
	k := ring(t, line("k1"), line("k2"))
	sealed := k.Seal([]byte("secret"), place)
	changed := func(i int) []byte {
		out := bytes.Clone(sealed)
		out[i] ^= 1
		return out
	}
	renamed := bytes.Clone(sealed) // says that k2 sealed it
	renamed[3] = '2'
	tests := []struct {
		name   string
		sealed []byte
		place  string
		want   error
	}{
		{"another place", sealed, place + "x", ErrDamaged},
		{"no place", sealed, "", ErrDamaged},
		{"changed nonce", changed(4), place, ErrDamaged},
		{"changed ciphertext", changed(len(sealed) - 17), place, ErrDamaged},
		{"changed tag", changed(len(sealed) - 1), place, ErrDamaged},
		{"cut", sealed[:len(sealed)-1], place, ErrDamaged},
		{"cut after the key id", sealed[:4], place, ErrDamaged},
		{"key id of another key", renamed, place, ErrDamaged},
		{"unknown key", ring(t, line("k9")).Seal([]byte("s"), place), place, ErrUnknownKey},
		{"empty", nil, place, ErrForm},
		{"version", changed(0), place, ErrForm},
		{"cut in the key id", sealed[:3], place, ErrForm},
		{"plain text", []byte("secret"), place, ErrForm},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := k.Open(tt.sealed, tt.place); !errors.Is(err, tt.want) || got != nil {
				t.Errorf("got %q, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestRotate(t *testing.T) {
	old, fresh := line("old"), line("new")
	sealed := ring(t, old).Seal([]byte("secret"), place)
	both := ring(t, fresh, old)

	rotated, changed, err := both.Rotate(sealed, place)
	if err != nil || !changed {
		t.Fatal(changed, err)
	}
	got, err := ring(t, fresh).Open(rotated, place) // the old key is gone
	if err != nil || string(got) != "secret" {
		t.Errorf("got %q, %v", got, err)
	}
	again, changed, err := both.Rotate(rotated, place)
	if err != nil || changed || !bytes.Equal(again, rotated) {
		t.Errorf("rotated twice: %v, %v", changed, err)
	}
	if _, _, err := both.Rotate(sealed, "elsewhere"); !errors.Is(err, ErrDamaged) {
		t.Errorf("moved: %v", err)
	}
}

func TestParse(t *testing.T) {
	secret := strings.Fields(string(NewKey()))[1]
	tests := []struct{ name, text, want string }{
		{"empty", "\n# nothing\n", "holds no key"},
		{"one word", "# a\nk1\n", `line 2: must be "id key"`},
		{"short key", "k1 AAAA", "line 1: key k1 must be 32 bytes in base64"},
		{"no base64", "k1 ?" + secret[1:], "line 1: key k1 must be 32 bytes in base64"},
		{"twice", "k1 " + secret + "\nk1 " + secret, "line 2: key id k1 comes twice"},
		{"long id", strings.Repeat("x", 65) + " " + secret, "line 1: a key id has at most 64 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.text))
			if err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), secret) {
				t.Error("the error shows a key")
			}
		})
	}
}

func TestKeyFileIsMadeOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	rings := make([]*Keyring, 8)
	var wg sync.WaitGroup
	for i := range rings {
		wg.Go(func() {
			k, err := LoadOrCreate(path)
			if err != nil {
				t.Error(err)
				return
			}
			rings[i] = k
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	sealed := rings[0].Seal([]byte("secret"), place)
	for i, k := range rings {
		if _, err := k.Open(sealed, place); err != nil {
			t.Errorf("process %d has another key: %v", i, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestDamagedKeyFileIsNotReplaced(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	if err := os.WriteFile(path, []byte("k1 x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadOrCreate(path); err == nil || !strings.Contains(err.Error(), "line 1: key k1") {
		t.Errorf("error %v", err)
	}
	if text, _ := os.ReadFile(path); string(text) != "k1 x\n" {
		t.Errorf("file now holds %q", text)
	}
}

func FuzzOpen(f *testing.F) {
	k, err := Parse(NewKey())
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(nil), "")
	f.Add(k.Seal([]byte("x"), "a"), "b")
	f.Fuzz(func(t *testing.T, sealed []byte, where string) {
		if plain, err := k.Open(sealed, where); (err == nil) == (plain == nil) {
			t.Errorf("%q, %v", plain, err)
		}
	})
}
