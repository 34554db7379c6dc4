// Package collectorlog reads what the cluster's collector prints: the detailed form of OpenTelemetry's debug exporter,
// as of the version that deploy/collector/builder.yaml names. That form is for eyes and may change with the version; the
// recorded output beside this package is then recorded anew.
//
// Only spans are read. Their events and links, and attributes of scopes, are passed over, and so is every line that is no
// part of a span, such as the collector's own log.
package collectorlog

import (
	"bufio"
	"io"
	"strings"
)

// Span is one span as it was printed. Ids are lower-case hexadecimal; ParentID is empty for the first span of a trace.
type Span struct {
	TraceID, SpanID, ParentID string
	Name                      string
	// Service is service.name of the process that sent it.
	Service string
	// Kind is Internal, Server, Client, Producer, Consumer or Unspecified.
	Kind string
	// Attributes are the span's own, as text: maps and lists are JSON.
	Attributes map[string]string
}

// Read reads spans until r ends or fails, in the order in which they were printed. What is still being printed may give a
// last span that lacks members.
func Read(r io.Reader) []Span {
	p := printed{lines: bufio.NewReader(r)}
	for line, ok := p.next(); ok; line, ok = p.next() {
		p.take(line)
	}
	return p.spans
}

// printed is the place in the output: what was read and whose attributes come next.
type printed struct {
	lines   *bufio.Reader
	spans   []Span
	service string
	section string // the header of the lines that follow
}

const (
	resourceSection   = "Resource attributes:"
	fieldsSection     = "Span #"
	attributesSection = "Attributes:"

	fieldIndent = "    "
	entryIndent = "     -> "
)

func (p *printed) next() (line string, ok bool) {
	line, err := p.lines.ReadString('\n')
	return strings.TrimSuffix(line, "\n"), line != "" || err == nil
}

func (p *printed) take(line string) {
	entry, isEntry := strings.CutPrefix(line, entryIndent)
	field, isField := strings.CutPrefix(line, fieldIndent)
	switch {
	case isEntry:
		p.takeEntry(entry)
	case isField:
		p.takeField(field)
	case strings.HasPrefix(line, fieldsSection):
		p.section = fieldsSection
		p.spans = append(p.spans, Span{Service: p.service, Attributes: map[string]string{}})
	case strings.HasPrefix(line, "ResourceSpans #"):
		p.section, p.service = "", ""
	case line == resourceSection, line == attributesSection:
		p.section = line
	case isHeader(line):
		p.section = ""
	}
}

// isHeader knows the headers of what is passed over.
func isHeader(line string) bool {
	for _, prefix := range []string{"ScopeSpans #", "InstrumentationScope ", "Resource entity refs:", "Events:", "Links:"} {
		if strings.HasPrefix(line, prefix) {
			return true
		}
	}
	return false
}

// takeEntry reads key: Type(value).
func (p *printed) takeEntry(entry string) {
	key, typed, _ := strings.Cut(entry, ": ")
	_, value, ok := strings.Cut(typed, "(")
	if !ok {
		return
	}
	switch p.section {
	case attributesSection:
		p.spans[len(p.spans)-1].Attributes[key] = p.value(value)
	case resourceSection:
		if value = p.value(value); key == "service.name" {
			p.service = value
		}
	}
}

// value reads on to the line that ends with the closing bracket: line breaks in a value are printed as they are, and
// brackets too, so that a line of it that ends with one is its last.
func (p *printed) value(begin string) string {
	for !strings.HasSuffix(begin, ")") {
		line, ok := p.next()
		if !ok {
			return begin
		}
		begin += "\n" + line
	}
	return strings.TrimSuffix(begin, ")")
}

// takeField reads name, blanks, a colon and the value.
func (p *printed) takeField(field string) {
	if p.section != fieldsSection {
		return
	}
	name, value, _ := strings.Cut(field, ":")
	value = strings.TrimPrefix(value, " ")
	s := &p.spans[len(p.spans)-1]
	switch strings.TrimRight(name, " ") {
	case "Trace ID":
		s.TraceID = value
	case "ID":
		s.SpanID = value
	case "Parent ID":
		s.ParentID = value
	case "Name":
		s.Name = value
	case "Kind":
		s.Kind = value
	case "Status code": // the message that follows may have lines of its own
		p.section = ""
	}
}
