package rootkeys

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	got, err := Parse([]byte("# keys\n\n111111111111 AKIAAAAAAAAAAAAAAAAA secretsecretsecret\r\n222222222222\tAKIABBBBBBBBBBBBBBBB  othersecretothersecret"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Key{
		{"111111111111", "AKIAAAAAAAAAAAAAAAAA", "secretsecretsecret"},
		{"222222222222", "AKIABBBBBBBBBBBBBBBB", "othersecretothersecret"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	const good = "111111111111 AKIAAAAAAAAAAAAAAAAA secretsecretsecret\n"
	tests := []struct{ name, text, want string }{
		{"nothing", "# nothing\n", "holds no key"},
		{"two words", good + "111111111111 AKIABBBBBBBBBBBBBBBB", `line 2: must be "account access-key secret", has 2 words`},
		{"account", "1111 AKIAAAAAAAAAAAAAAAAA secretsecretsecret", `line 1: account "1111" must be 12 digits`},
		{"access key", "111111111111 AKIA secretsecretsecret", `line 1: access key "AKIA" must be 16 to 128 letters, digits or _`},
		{"secret", "111111111111 AKIAAAAAAAAAAAAAAAAA hush", "line 1: secret of access key AKIAAAAAAAAAAAAAAAAA must have at least 16 bytes"},
		{"twice", good + good, "line 2: access key AKIAAAAAAAAAAAAAAAAA comes twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := Parse([]byte(tt.text)); err == nil || err.Error() != tt.want {
				t.Errorf("error %v, want %s", err, tt.want)
			}
		})
	}
}

func TestFileIsMadeAtFirstStartAndKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "root-keys")
	first, err := LoadOrCreate(path, "111111111111", "222222222222")
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 2 || first[0].Account != "111111111111" || first[1].Account != "222222222222" {
		t.Fatalf("keys %v", first)
	}
	if !regexp.MustCompile(`^AKIA[A-Z2-7]{16}$`).MatchString(first[0].AccessKeyID) || len(first[0].SecretAccessKey) != 40 {
		t.Errorf("unlike AWS's: %#v", first[0])
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	second, err := LoadOrCreate(path, "333333333333")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
}

func TestMissingFile(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "none")); err == nil || !strings.HasPrefix(err.Error(), "root keys: ") {
		t.Errorf("error %v", err)
	}
}

func TestPrintedKeyHidesItsSecret(t *testing.T) {
	k := New("111111111111")
	for _, text := range []string{fmt.Sprint(k), fmt.Sprint([]Key{k}), fmt.Sprintf("%+v", &k)} {
		if strings.Contains(text, k.SecretAccessKey) {
			t.Errorf("secret in %s", text)
		}
	}
}
