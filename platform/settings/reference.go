package settings

import (
	"cmp"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Entry describes one setting for reference pages and --help. One that only a file can set has no Environment.
type Entry struct{ Name, Environment, Help, Default string }

// Describe lists the settings of config, a pointer to a struct.
func Describe(config any) []Entry {
	var out []Entry
	for _, f := range leaves("", reflect.ValueOf(config).Elem()) {
		e := Entry{f.name, f.env(), f.tag.Get("help"), f.tag.Get("default")}
		if k := f.value.Kind(); (k == reflect.Slice || k == reflect.Map) && isGroup(f.value.Type().Elem()) {
			e.Environment = ""
		}
		out = append(out, e)
	}
	return out
}

// Reference writes the settings of config, a pointer to a struct, as Markdown: a table of those that stand alone, then one
// for each group.
func Reference(w io.Writer, config any) error {
	groups := map[string][]Entry{}
	var order []string
	for _, e := range Describe(config) {
		group, _, inGroup := strings.Cut(e.Name, ".")
		if !inGroup {
			group = ""
		}
		if groups[group] == nil && inGroup {
			order = append(order, group)
		}
		groups[group] = append(groups[group], e)
	}
	var page strings.Builder
	table(&page, groups[""])
	for _, group := range order {
		fmt.Fprintf(&page, "\n## %s\n\n", group)
		table(&page, groups[group])
	}
	_, err := io.WriteString(w, page.String())
	return err
}

func table(w io.Writer, entries []Entry) {
	fmt.Fprint(w, "| Setting | Environment | Default | Meaning |\n|---|---|---|---|\n")
	for _, e := range entries {
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", code(e.Name), cmp.Or(code(e.Environment), "in a file only"), code(e.Default), cell(e.Help))
	}
}

func cell(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

// code is a value as code in a cell; nothing for none.
func code(value string) string {
	if value == "" {
		return ""
	}
	return "`" + cell(value) + "`"
}
