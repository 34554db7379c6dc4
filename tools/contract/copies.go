package main

import (
	"fmt"
	"go/format"
	"path/filepath"
	"strings"

	"github.com/limen-gateway/limen/tools/internal/facts"
)

// writeCopies writes, for each operation whose answer is a noun, the copy of the request's members onto it, so that no
// one types them.
func writeCopies(proto string, svc *facts.Service) error {
	var b strings.Builder
	done := map[string]bool{}
	for _, op := range svc.Operations {
		in, out := svc.Structures[op.Input], svc.Structures[op.Output]
		if in == nil || out == nil || done[op.Input] || !isWrite(op) {
			continue
		}
		if pairs := pairsOf(in, out); len(pairs) > 0 {
			done[op.Input] = true
			writeCopy(&b, op, pairs)
		}
	}
	if b.Len() == 0 {
		return nil
	}
	text := header + fmt.Sprintf("package %sv1\n", svc.Name) + b.String()
	src, err := format.Source([]byte(text))
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(proto, svc.Name, "v1", "copies.gen.go"), string(src))
}

func isWrite(op facts.Operation) bool {
	return op.Method != "GET" && op.Method != "DELETE" && !strings.HasPrefix(op.Output, op.Name)
}

type pair struct{ from, to string }

// pairsOf matches body members by wire name, then the members of the path that the noun shows under the same name. A
// member whose type differs between request and noun is left to the operation.
func pairsOf(in, out *facts.Structure) []pair {
	byWire, byName := map[string]facts.Member{}, map[string]facts.Member{}
	for _, m := range out.Members {
		byWire[m.Wire], byName[m.Name] = m, m
	}
	var pairs []pair
	taken := map[string]bool{}
	for _, m := range in.Members {
		if o, ok := byWire[m.Wire]; ok && m.Place == "" && sameType(m.Type, o.Type) {
			pairs = append(pairs, pair{m.Name, o.Name})
			taken[o.Name] = true
		}
	}
	for _, m := range in.Members {
		if o, ok := byName[m.Name]; ok && m.Place == "uri" && sameType(m.Type, o.Type) && !taken[o.Name] {
			pairs = append(pairs, pair{m.Name, o.Name})
		}
	}
	return pairs
}

// sameType compares proto types: a constraint does not matter.
func sameType(a, b facts.Type) bool {
	return fieldType(a, map[string]facts.Type{}) == fieldType(b, map[string]facts.Type{})
}

func writeCopy(b *strings.Builder, op facts.Operation, pairs []pair) {
	fmt.Fprintf(b, "\n// CopyTo sets on the noun every member that the request carries and the noun shows; absent members are left alone.\n")
	fmt.Fprintf(b, "// Nested messages are shared.\n")
	fmt.Fprintf(b, "func (x *%s) CopyTo(noun *%s) {\n", op.Input, op.Output)
	for _, p := range pairs {
		fmt.Fprintf(b, "\tif x.%s != nil {\n\t\tnoun.%s = x.%s\n\t}\n", goName(p.from), goName(p.to), goName(p.from))
	}
	b.WriteString("}\n")
}
