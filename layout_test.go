package limen

// The rules of docs/design/architecture.md that a machine can check.

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/limen-gateway/limen/"

const (
	maxFunctionLines = 70
	maxFileLines     = 500
)

// exceptions to the size rules; each needs its reason.
var exceptions = map[string]string{}

// forbiddenNames say nothing about what a package is.
var forbiddenNames = []string{"util", "utils", "common", "helpers", "helper", "misc", "shared", "base", "types", "models"}

// mayImport maps a floor to the floors it may import (architecture.md section 3). A floor always sees itself, with the
// limits that crossesInside adds.
var mayImport = map[string][]string{
	"core":     {"proto/apigateway/v1", "proto/apigatewayv2/v1", "proto/snapshot/v1"},
	"proto":    {},
	"platform": {"core", "proto"},
	"services": {"core", "platform", "proto"},
	"cli":      {"core", "platform", "proto"},
	"roles":    {"core", "platform", "proto", "services", "cli/sample"},
	"cmd":      {"core", "platform", "proto", "roles", "cli"},
}

// coreForbidden keeps the domain pure: no I/O, no logs, no clock of its own.
var coreForbidden = []string{"os", "net", "net/http", "log", "log/slog", "google.golang.org/grpc"}

// coreLeaves import no other core package but regex, so that they could be lifted out as libraries.
var coreLeaves = []string{"arn", "regex", "vtl", "jsonpath", "schema", "policy", "sigv4", "jwt", "throttle"}

// testHelpers may be imported by the tests of every floor.
var testHelpers = []string{"platform/casetest", "platform/etcdtest", "platform/natstest"}

// onlyIn names the packages that may import a third-party module; tests are free.
var onlyIn = map[string][]string{
	"go.etcd.io/etcd/server/v3":         {"roles", "platform/etcdtest"},
	"github.com/nats-io/nats-server/v2": {"roles", "platform/natstest"},
	"github.com/gorilla/websocket":      {"services/wsconn/internal/socket"},

	"go.etcd.io/etcd/client/v3": {"services/admin", "roles", "platform/etcdtest"},
}

// edgeOrder: inside edge the imports run one way, from left to right.
var edgeOrder = []string{"listener", "plan", "pipeline", "integration", "exchange"}

type source struct {
	path string // slash separated, relative to the root
	dir  string
	file *ast.File
	fset *token.FileSet
	text string
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) imports() []string {
	var out []string
	for _, i := range s.file.Imports {
		p, _ := strconv.Unquote(i.Path.Value)
		out = append(out, p)
	}
	return out
}

func isGenerated(text string) bool {
	head := text[:min(len(text), 400)]
	return strings.Contains(head, "Code generated") && strings.Contains(head, "DO NOT EDIT")
}

// sources parses every hand-written Go file of the product module.
func sources(t *testing.T) []source {
	t.Helper()
	var out []source
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || p == "test" || p == "tools" || p == "bin" || strings.HasPrefix(p, "deploy")) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(p, ".go") {
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if isGenerated(string(text)) {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, p, text, parser.ParseComments)
		if err != nil {
			return err
		}
		slashed := filepath.ToSlash(p)
		out = append(out, source{slashed, path.Dir(slashed), f, fset, string(text)})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// within reports whether a slash path is root or lies below it.
func within(p, root string) bool { return p == root || strings.HasPrefix(p, root+"/") }

func withinAny(p string, roots []string) bool {
	return slices.ContainsFunc(roots, func(r string) bool { return within(p, r) })
}

func TestImports(t *testing.T) {
	for _, s := range sources(t) {
		for _, imp := range s.imports() {
			if ours, ok := strings.CutPrefix(imp, module); ok {
				checkOurImport(t, s, ours)
				continue
			}
			checkForeignImport(t, s, imp)
		}
	}
}

func checkOurImport(t *testing.T, s source, imp string) {
	t.Helper()
	floor, _, _ := strings.Cut(s.dir, "/")
	target, _, _ := strings.Cut(imp, "/")
	allowed := mayImport[floor]
	switch {
	case s.dir == ".":
		return
	case s.isTest() && (slices.Contains(testHelpers, imp) || target == "roles" && floor == "cmd"):
		return
	case floor == target:
		checkInsideFloor(t, s, floor, imp)
	case !withinAny(imp, allowed):
		t.Errorf("%s: %s may not import %s (architecture.md section 3)", s.path, floor, imp)
	}
}

func checkInsideFloor(t *testing.T, s source, floor, imp string) {
	t.Helper()
	own, other := second(s.dir), second(imp)
	switch floor {
	case "core":
		if own != other && other != "regex" && slices.Contains(coreLeaves, own) {
			t.Errorf("%s: core/%s is a leaf and may not import %s", s.path, own, imp)
		}
	case "services":
		if own != other {
			t.Errorf("%s: a service may not import another service: %s", s.path, imp)
		}
		checkEdgeOrder(t, s, imp)
	}
}

func checkEdgeOrder(t *testing.T, s source, imp string) {
	t.Helper()
	const rooms = "services/edge/internal/"
	from, ok1 := strings.CutPrefix(s.dir, rooms)
	to, ok2 := strings.CutPrefix(imp, rooms)
	if !ok1 || !ok2 {
		return
	}
	i, j := slices.Index(edgeOrder, from), slices.Index(edgeOrder, to)
	if i >= 0 && j >= 0 && j < i {
		t.Errorf("%s: inside edge imports run %s; %s may not import %s", s.path, strings.Join(edgeOrder, " → "), from, to)
	}
}

func second(p string) string {
	parts := strings.SplitN(p, "/", 3)
	if len(parts) < 2 {
		return ""
	}
	return parts[1]
}

func checkForeignImport(t *testing.T, s source, imp string) {
	t.Helper()
	if within(s.dir, "core") && !s.isTest() && withinAny(imp, coreForbidden) && imp != "net/netip" {
		t.Errorf("%s: core is pure and may not import %s", s.path, imp)
	}
	if s.isTest() {
		return
	}
	for mod, homes := range onlyIn {
		if within(imp, mod) && !withinAny(s.dir, homes) {
			t.Errorf("%s: %s may be imported only by %s", s.path, mod, strings.Join(homes, ", "))
		}
	}
}

func TestPackages(t *testing.T) {
	comments := map[string]int{}
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		if slices.Contains(forbiddenNames, s.file.Name.Name) {
			t.Errorf("%s: package name %s says nothing", s.path, s.file.Name.Name)
		}
		n := comments[s.dir]
		if s.file.Doc != nil {
			n++
		}
		comments[s.dir] = n
	}
	for dir, n := range comments {
		if n != 1 {
			t.Errorf("%s: has %d package comments, wants exactly one", dir, n)
		}
	}
}

func TestSizes(t *testing.T) {
	for _, s := range sources(t) {
		if s.isTest() {
			continue
		}
		if n := strings.Count(s.text, "\n"); n > maxFileLines && exceptions[s.path] == "" {
			t.Errorf("%s: %d lines, at most %d", s.path, n, maxFileLines)
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := s.fset.Position(f.End()).Line - s.fset.Position(f.Pos()).Line + 1
			if lines > maxFunctionLines && exceptions[s.path+":"+f.Name.Name] == "" {
				t.Errorf("%s: %s has %d lines, at most %d", s.path, f.Name.Name, lines, maxFunctionLines)
			}
			if f.Name.Name == "init" && f.Recv == nil {
				t.Errorf("%s: no init functions", s.path)
			}
		}
	}
}

// TestSpeaksOfItself: the project names neither the machine it was written on nor the folders it was written from.
func TestSpeaksOfItself(t *testing.T) {
	forbidden := []string{"/wo" + "rk/", "../sha" + "red", "proxy.gol" + "ang.org"}
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if d.Name() == ".git" || d.Name() == "bin" || d.Name() == ".cache" {
				return filepath.SkipDir
			}
			return nil
		}
		if p == "Makefile" || p == ".git" { // a work tree of its own has a file for the folder
			return nil
		}
		text, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		for _, f := range forbidden {
			if strings.Contains(string(text), f) {
				t.Errorf("%s names %s", p, f)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
