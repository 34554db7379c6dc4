package harness

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// product is the first line of the go.mod of the module under test.
const product = "module github.com/limen-gateway/limen\n"

// Build builds the binary under test and returns its path. It builds at most once in each process; go's build cache
// spares the others most of the work.
var Build = sync.OnceValues(build)

// Binary is the path of the binary under test.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := Build()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func build() (string, error) {
	if given := os.Getenv("LIMEN_BINARY"); given != "" {
		return given, nil
	}
	root, err := findRoot()
	if err != nil {
		return "", err
	}
	bin := filepath.Join(root, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	// Test binaries run at once, and a program that runs cannot be written: each builds aside, then takes the name.
	aside, err := os.MkdirTemp(bin, ".build")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(aside)
	fresh, path := filepath.Join(aside, "limen"), filepath.Join(bin, "limen")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", fresh, "./cmd/limen")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build limen: %w\n%s", err, out)
	}
	return path, os.Rename(fresh, path)
}

// findRoot looks for the product's module above the working folder.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		text, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && bytes.HasPrefix(text, []byte(product)) {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("the product's module is not above the working folder")
		}
		dir = up
	}
}
