package policy

import "strings"

// quantifier says how the values of a request count together.
type quantifier uint8

const (
	plain quantifier = iota
	forAll
	forAny
)

// condition is one key of one operator, compiled. Its values are alternatives.
type condition struct {
	source   *Condition
	key      string // lower case
	operator *operator
	values   []operand
	each     quantifier
	ifExists bool
}

// operand is a value of a policy. Without variables its form is made once.
type operand struct {
	pattern pattern
	parts   []pattern // of an ARN
	form    form
	static  bool
}

// splitOperator takes an operator's name apart: ForAnyValue:StringLikeIfExists.
func splitOperator(name string) (base string, each quantifier, ifExists bool) {
	base = name
	if rest, ok := strings.CutPrefix(base, "ForAllValues:"); ok {
		base, each = rest, forAll
	} else if rest, ok := strings.CutPrefix(base, "ForAnyValue:"); ok {
		base, each = rest, forAny
	}
	base, ifExists = strings.CutSuffix(base, "IfExists")
	return base, each, ifExists
}

func compileCondition(c *Condition, variables bool) condition {
	base, each, ifExists := splitOperator(c.Operator)
	op := operators[base]
	out := condition{source: c, key: strings.ToLower(c.Key), operator: op, each: each, ifExists: ifExists}
	for _, text := range c.Values {
		o := operand{pattern: compilePattern(text, op.wildcards, variables)}
		if o.static = op.wildcards || o.pattern.static(); o.static && op.prepare != nil {
			expanded, _ := o.pattern.expand(nil)
			o.form = op.prepare(expanded)
		}
		if op.wildcards {
			o.parts = splitARN(o.pattern)
		}
		out.values = append(out.values, o)
	}
	return out
}

// holds decides a condition. A key without value is absent (spec/rest.md 3.8).
func (c *condition) holds(ctx *Context) bool {
	got, present := ctx.lookup(c.key)
	if c.operator.null {
		return c.matchNull(present)
	}
	if !present {
		return c.ifExists || c.each == forAll || c.each == plain && c.operator.negated
	}
	switch c.each {
	case forAll:
		for _, g := range got {
			if c.one(g, ctx) == c.operator.negated {
				return false
			}
		}
		return true
	case forAny:
		for _, g := range got {
			if c.one(g, ctx) != c.operator.negated {
				return true
			}
		}
		return false
	}
	for _, g := range got {
		if c.one(g, ctx) {
			return !c.operator.negated
		}
	}
	return c.operator.negated
}

// one reports whether one value of the request fits one of the policy, before negation.
func (c *condition) one(got string, ctx *Context) bool {
	for i := range c.values {
		v := &c.values[i]
		if c.operator.wildcards {
			if c.operator.pattern(v, got, ctx) {
				return true
			}
			continue
		}
		f := &v.form
		if !v.static {
			text, ok := v.pattern.expand(ctx)
			if !ok {
				continue
			}
			made := c.operator.prepare(text)
			f = &made
		}
		if f.ok && c.operator.match(f, got) {
			return true
		}
	}
	return false
}

// matchNull: "true" wants the key absent, "false" wants it present.
func (c *condition) matchNull(present bool) bool {
	for i := range c.values {
		if strings.EqualFold(c.source.Values[i], "true") != present {
			return true
		}
	}
	return false
}
