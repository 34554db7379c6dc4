package main

import (
	"fmt"
	"regexp"
	"strings"
)

// row is one statement of a specification: a row of a table, a bullet or a numbered item. Its name is the number of its
// section and its place in it.
type row struct{ name, text string }

var (
	heading = regexp.MustCompile(`^#{2,3} ([0-9]+(?:\.[0-9]+)?)`)
	item    = regexp.MustCompile(`^(?:-|[0-9]+\.) (.*)`)
	rule    = regexp.MustCompile(`^\|[-| :]+\|$`)
)

// rowsOf numbers the statements of a page of Markdown.
func rowsOf(text string) []row {
	var rows []row
	section, count := "0", 0
	add := func(text string) {
		count++
		rows = append(rows, row{fmt.Sprintf("%s#%d", section, count), text})
	}
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if m := heading.FindStringSubmatch(line); m != nil {
			section, count = m[1], 0
			continue
		}
		if m := item.FindStringSubmatch(line); m != nil {
			add(m[1])
			continue
		}
		head := i+1 < len(lines) && rule.MatchString(lines[i+1])
		if strings.HasPrefix(line, "|") && !rule.MatchString(line) && !head {
			add(strings.Trim(line, "| "))
		}
	}
	return rows
}
