// Package policy is IAM policies and resource policies: which statements apply to a request, what they decide together, and
// why. It knows the whole language (NotAction, NotResource, NotPrincipal, wildcards, variables, every condition operator) and
// execute-api's shorthand for resources; it knows nothing of signatures, authorizers or who a caller is.
//
// Parse reads a document and tells what is wrong with it, Compile makes it a Policy, Decide asks policies about a request.
// Policies are immutable and safe for concurrent use, and a decision allocates nothing. Every Decision names the statement
// that decided or, when none did, the one that came nearest and the element of it that did not fit.
//
// The surprise: a negated operator holds when its key is absent (spec/rest.md 3.8), so Deny with StringNotEquals
// aws:SourceVpce denies everybody who comes from no endpoint at all.
package policy

// Outcome is what policies say about a request.
type Outcome uint8

// The outcomes. The zero Outcome is silence, which denies.
const (
	ImplicitDeny Outcome = iota
	Allow
	ExplicitDeny
)

var outcomeNames = [...]string{"implicitDeny", "allow", "explicitDeny"}

func (o Outcome) String() string { return outcomeNames[o] }

// Policy is a compiled document.
type Policy struct {
	name       string
	statements []statement
}

// statement is a compiled statement. A nil list says nothing; the flags turn a list around.
type statement struct {
	source       *Statement
	policy       *Policy
	principals   *principals
	notPrincipal bool
	actions      []pattern
	notAction    bool
	resources    []pattern
	notResource  bool
	conditions   []condition
}

// Compile makes a policy of a document. The name says in explanations where the document comes from.
func (d *Document) Compile(name string) *Policy {
	p := &Policy{name: name, statements: make([]statement, len(d.Statements))}
	variables := d.Version == version2012
	for i, s := range d.Statements {
		out := statement{source: s, policy: p}
		out.principals, out.notPrincipal = compilePrincipals(s.Principal), false
		if s.NotPrincipal != nil {
			out.principals, out.notPrincipal = compilePrincipals(s.NotPrincipal), true
		}
		out.actions, out.notAction = compilePatterns(s.Action, false), false
		if s.NotAction != nil {
			out.actions, out.notAction = compilePatterns(s.NotAction, false), true
		}
		out.resources, out.notResource = compilePatterns(s.Resource, variables), false
		if s.NotResource != nil {
			out.resources, out.notResource = compilePatterns(s.NotResource, variables), true
		}
		for j := range s.Conditions {
			out.conditions = append(out.conditions, compileCondition(&s.Conditions[j], variables))
		}
		p.statements[i] = out
	}
	return p
}

// Decide asks all policies together: an explicit deny wins over every allow, and without an allow the request is denied.
func Decide(r *Request, policies ...*Policy) Decision {
	var allowed, nearest Decision
	for _, p := range policies {
		for i := range p.statements {
			s := &p.statements[i]
			m := s.match(r)
			switch {
			case m.Element == Matched && s.source.Effect == Deny:
				return Decision{Outcome: ExplicitDeny, Policy: p.name, Statement: s.source}
			case m.Element == Matched && allowed.Statement == nil:
				allowed = Decision{Outcome: Allow, Policy: p.name, Statement: s.source}
			case m.Element != Matched && s.source.Effect == Permit && m.Element > nearest.Miss.Element:
				nearest = Decision{Policy: p.name, Statement: s.source, Miss: m}
			}
		}
	}
	if allowed.Statement != nil {
		return allowed
	}
	return nearest
}

// match tells which element of the statement does not fit the request, in the order in which they are looked at.
func (s *statement) match(r *Request) Miss {
	if s.principals != nil && s.principals.match(&r.Principal) == s.notPrincipal {
		return Miss{Element: PrincipalElement}
	}
	if matchAny(s.actions, r.Action, nil, true) == s.notAction {
		return Miss{Element: ActionElement}
	}
	if s.resources != nil && s.matchResource(r) == s.notResource {
		return Miss{Element: ResourceElement}
	}
	for i := range s.conditions {
		c := &s.conditions[i]
		if !c.holds(&r.Context) {
			found, _ := r.Context.lookup(c.key)
			return Miss{Element: ConditionElement, Condition: c.source, Found: found}
		}
	}
	return Miss{Element: Matched}
}

// matchResource: a NotResource with a variable that has no value must not open anything, so under Allow it counts as a match.
func (s *statement) matchResource(r *Request) bool {
	if matchAny(s.resources, r.Resource, &r.Context, false) {
		return true
	}
	if !s.notResource || s.source.Effect == Deny {
		return false
	}
	for i := range s.resources {
		if !s.resources[i].resolvable(&r.Context) {
			return true
		}
	}
	return false
}

func matchAny(patterns []pattern, text string, c *Context, fold bool) bool {
	for i := range patterns {
		if patterns[i].match(text, c, fold) {
			return true
		}
	}
	return false
}
