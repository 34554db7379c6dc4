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

// Collector builds the collector of the cluster, which is a module of its own, and returns its path and that of its
// settings.
func Collector(t testing.TB) (path, settings string) {
	t.Helper()
	path, err := buildCollector()
	if err != nil {
		t.Fatal(err)
	}
	return path, filepath.Join(filepath.Dir(path), "..", collectorDir, "config.yaml")
}

const collectorDir = "deploy/collector"

var buildCollector = sync.OnceValues(func() (string, error) { return compile(collectorDir, ".", "collector") })

func build() (string, error) {
	if given := os.Getenv("LIMEN_BINARY"); given != "" {
		return given, nil
	}
	return compile(".", "./cmd/limen", "limen")
}

// compile builds a program of the module at dir into bin/, as the Makefile does.
func compile(dir, program, name string) (string, error) {
	root, err := Root()
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
	fresh, path := filepath.Join(aside, name), filepath.Join(bin, name)
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", fresh, program)
	cmd.Dir = filepath.Join(root, dir)
	cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, out)
	}
	return path, os.Rename(fresh, path)
}

// Root is the folder of the product's module, which is above the working folder.
func Root() (string, error) {
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
