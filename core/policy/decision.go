package policy

import (
	"strconv"
	"strings"
)

// Element is a part of a statement, in the order in which a request is compared with them.
type Element uint8

// The elements, and Matched for the statement as a whole. The zero Element says that no statement was looked at.
const (
	PrincipalElement Element = iota + 1
	ActionElement
	ResourceElement
	ConditionElement
	Matched
)

var elementNames = [...]string{"nothing", "Principal", "Action", "Resource", "Condition", "everything"}

func (e Element) String() string { return elementNames[e] }

// Miss is the first element of a statement that did not fit a request. For a condition it holds what was wanted and found.
type Miss struct {
	Element   Element
	Condition *Condition // only of a ConditionElement
	Found     []string   // the values the request has for the condition's key; none when it is absent
}

// Decision is the outcome with its reason: the statement that decided, or for an implicit deny the statement to allow that came
// nearest and what kept it from applying. Statement is nil when there was no statement to allow at all.
type Decision struct {
	Outcome   Outcome
	Policy    string // name of the statement's policy
	Statement *Statement
	Miss      Miss
}

// Allowed reports whether the request may pass.
func (d Decision) Allowed() bool { return d.Outcome == Allow }

// String is the explanation in one line.
func (d Decision) String() string {
	var b strings.Builder
	b.WriteString(d.Outcome.String())
	switch {
	case d.Statement == nil:
		b.WriteString(": no statement allows anything")
		return b.String()
	case d.Outcome == ImplicitDeny:
		b.WriteString(": no statement allows it, nearest is ")
	default:
		b.WriteString(": ")
	}
	d.Statement.describe(&b, d.Policy)
	if d.Outcome == ImplicitDeny {
		d.Miss.describe(&b)
		return b.String()
	}
	for i := range d.Statement.Conditions {
		if i == 0 {
			b.WriteString(" because ")
		} else {
			b.WriteString(" and ")
		}
		d.Statement.Conditions[i].describe(&b)
	}
	return b.String()
}

func (s *Statement) describe(b *strings.Builder, policy string) {
	b.WriteString("statement ")
	b.WriteString(strconv.Itoa(s.Index))
	if s.Sid != "" {
		b.WriteString(" (")
		b.WriteString(s.Sid)
		b.WriteString(")")
	}
	if policy != "" {
		b.WriteString(" of ")
		b.WriteString(policy)
	}
}

func (c *Condition) describe(b *strings.Builder) {
	b.WriteString(c.Operator)
	b.WriteByte(' ')
	b.WriteString(c.Key)
	writeList(b, c.Values)
}

func (m Miss) describe(b *strings.Builder) {
	if m.Condition == nil {
		b.WriteString(", whose ")
		b.WriteString(m.Element.String())
		b.WriteString(" does not match")
		return
	}
	b.WriteString(", whose condition ")
	m.Condition.describe(b)
	if len(m.Found) == 0 {
		b.WriteString(" does not hold without the key")
		return
	}
	b.WriteString(" does not hold for")
	writeList(b, m.Found)
}

func writeList(b *strings.Builder, values []string) {
	b.WriteString(" [")
	for i, v := range values {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Quote(v))
	}
	b.WriteString("]")
}

// Finding is what one statement has to do with a request.
type Finding struct {
	Policy    string
	Statement *Statement
	Miss      Miss // Element is Matched when the statement applies
}

func (f Finding) String() string {
	var b strings.Builder
	f.Statement.describe(&b, f.Policy)
	if f.Miss.Element == Matched {
		b.WriteString(" applies: ")
		b.WriteString(f.Statement.Effect.String())
		return b.String()
	}
	f.Miss.describe(&b)
	return b.String()
}

// Explain is Decide at length: what every statement has to do with the request, in order.
func Explain(r *Request, policies ...*Policy) []Finding {
	var out []Finding
	for _, p := range policies {
		for i := range p.statements {
			s := &p.statements[i]
			out = append(out, Finding{Policy: p.name, Statement: s.source, Miss: s.match(r)})
		}
	}
	return out
}
