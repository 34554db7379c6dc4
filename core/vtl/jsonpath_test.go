package vtl

import (
	"fmt"
	"strconv"
	"strings"
)

// A JSONPath reader as small as the vectors allow: names, indices, slices, wildcards, descent, filters, length().

type pathWalk struct {
	s        string
	i        int
	definite bool
}

func jsonPath(doc Value, path string) (v Value, err error) {
	defer func() {
		if e := recover(); e != nil {
			err = fmt.Errorf("path %q: %v", path, e)
		}
	}()
	if rest, ok := strings.CutPrefix(path, "$"); ok && !strings.ContainsAny(rest, "[*( ") && !strings.Contains(rest, "..") {
		return plainPath(doc, rest), nil
	}
	e := strings.TrimSpace(path)
	if e[0] != '$' && e[0] != '@' {
		e = "$." + e
	}
	p := &pathWalk{s: e, definite: true}
	found, ok := p.walk(doc)
	switch {
	case !ok:
		return Value{}, nil
	case !p.definite:
		return ListValue(NewJSONArray(found...)), nil
	case len(found) == 0:
		return Value{}, nil
	}
	return found[0], nil
}

// plainPath follows names only.
func plainPath(v Value, rest string) Value {
	for rest != "" {
		name, more, found := strings.Cut(rest[1:], ".")
		m := v.Map()
		if m == nil || name == "" {
			return Value{}
		}
		if v, _ = m.Get(name); !found {
			break
		}
		rest = "." + more
	}
	return v
}

func (p *pathWalk) walk(root Value) ([]Value, bool) {
	cur := []Value{root}
	p.i = 1
	for p.i < len(p.s) {
		if p.definite && len(cur) == 0 {
			return nil, false
		}
		deep := false
		if p.s[p.i] == '.' {
			p.i++
			if p.s[p.i] == '.' {
				deep, p.definite = true, false
				p.i++
			}
			if p.s[p.i] != '[' {
				start := p.i
				for p.i < len(p.s) && strings.IndexByte(".[( ", p.s[p.i]) < 0 {
					p.i++
				}
				name := p.s[start:p.i]
				switch {
				case strings.HasPrefix(p.s[p.i:], "()"):
					p.i += 2
					cur = p.function(name, cur)
				case name == "*":
					cur = p.wild(cur, deep)
				default:
					cur = named(from(cur, deep), []string{name})
				}
				continue
			}
		}
		if p.s[p.i] != '[' {
			panic("syntax")
		}
		end := closing(p.s, p.i)
		in := strings.TrimSpace(p.s[p.i+1 : end])
		p.i = end + 1
		cur = p.bracket(in, from(cur, deep), cur, deep, root)
	}
	return cur, true
}

func (p *pathWalk) bracket(in string, all, cur []Value, deep bool, root Value) []Value {
	switch {
	case in == "*":
		return p.wild(cur, deep)
	case in[0] == '?':
		p.definite = false
		f := strings.TrimSpace(in[1:])
		return filterPath(all, strings.TrimSuffix(strings.TrimPrefix(f, "("), ")"), deep, root)
	case in[0] == '\'' || in[0] == '"':
		return named(all, quotedNames(in))
	}
	var next []Value
	if a, b, ok := strings.Cut(in, ":"); ok {
		p.definite = false
		for _, v := range all {
			if l := v.List(); l != nil {
				lo, hi := 0, l.Len()
				if a = strings.TrimSpace(a); a != "" {
					if lo, _ = strconv.Atoi(a); lo < 0 {
						lo = max(0, l.Len()+lo)
					}
				}
				if b = strings.TrimSpace(b); b != "" {
					if hi, _ = strconv.Atoi(b); hi < 0 {
						hi += l.Len()
					}
				}
				for k := lo; k < hi && k < l.Len(); k++ {
					next = append(next, l.At(k))
				}
			}
		}
		return next
	}
	parts := strings.Split(in, ",")
	if len(parts) > 1 {
		p.definite = false
	}
	for _, v := range all {
		for _, part := range parts {
			l := v.List()
			if l == nil {
				continue
			}
			n, err := strconv.Atoi(strings.TrimSpace(part))
			if err != nil {
				panic(err)
			}
			if n < 0 {
				n += l.Len()
			}
			if n >= 0 && n < l.Len() {
				next = append(next, l.At(n))
			}
		}
	}
	return next
}

func from(cur []Value, deep bool) []Value {
	if !deep {
		return cur
	}
	var out []Value
	var down func(v Value)
	down = func(v Value) {
		if m := v.Map(); m != nil {
			out = append(out, v)
			for _, x := range m.All() {
				down(x)
			}
		}
		if l := v.List(); l != nil {
			out = append(out, v)
			for i := range l.Len() {
				down(l.At(i))
			}
		}
	}
	for _, v := range cur {
		down(v)
	}
	return out
}

func named(all []Value, names []string) []Value {
	var next []Value
	for _, v := range all {
		m := v.Map()
		if m == nil {
			continue
		}
		if len(names) > 1 {
			some := NewMap(0)
			for _, n := range names {
				if x, ok := m.Get(n); ok {
					some.Put(n, x)
				}
			}
			next = append(next, MapValue(some))
		} else if x, ok := m.Get(names[0]); ok {
			next = append(next, x)
		}
	}
	return next
}

func (p *pathWalk) wild(cur []Value, deep bool) []Value {
	p.definite = false
	var next []Value
	for _, v := range from(cur, deep) {
		if m := v.Map(); m != nil {
			for _, x := range m.All() {
				next = append(next, x)
			}
		}
		if l := v.List(); l != nil {
			next = append(next, l.items...)
		}
	}
	return next
}

func (p *pathWalk) function(name string, cur []Value) []Value {
	if name != "length" && name != "size" {
		panic("function " + name)
	}
	if !p.definite {
		p.definite = true
		return []Value{IntValue(int64(len(cur)))}
	}
	if len(cur) > 0 && (cur[0].List() != nil || cur[0].Map() != nil) {
		return []Value{IntValue(int64(sizeOf(cur[0])))}
	}
	return nil
}

func closing(s string, at int) int {
	var quote byte
	depth := 0
	for k := at; k < len(s); k++ {
		switch c := s[k]; {
		case quote != 0:
			if c == '\\' {
				k++
			} else if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			if depth--; depth == 0 {
				return k
			}
		}
	}
	panic("no ]")
}

func quotedNames(in string) []string {
	var out []string
	for k := 0; k < len(in); k++ {
		if c := in[k]; c == '\'' || c == '"' {
			var b []byte
			for k++; in[k] != c; k++ {
				if in[k] == '\\' {
					k++
				}
				b = append(b, in[k])
			}
			out = append(out, string(b))
		}
	}
	return out
}

func filterPath(all []Value, f string, deep bool, root Value) []Value {
	var next []Value
	for _, v := range all {
		if l := v.List(); l != nil {
			for _, x := range l.items {
				if passes(f, x, root) {
					next = append(next, x)
				}
			}
		} else if v.Map() != nil && !deep && passes(f, v, root) {
			next = append(next, v)
		}
	}
	return next
}

func passes(f string, x, root Value) bool {
	for _, or := range strings.Split(f, "||") {
		all := true
		for _, and := range strings.Split(or, "&&") {
			all = compares(strings.TrimSpace(and), x, root) && all
		}
		if all {
			return true
		}
	}
	return false
}

func compares(t string, x, root Value) bool {
	for _, op := range []string{"==", "!=", "<=", ">=", "<", ">"} {
		k := strings.Index(t, op)
		if k < 0 {
			continue
		}
		a, ok1 := operand(strings.TrimSpace(t[:k]), x, root)
		b, ok2 := operand(strings.TrimSpace(t[k+len(op):]), x, root)
		if !ok1 || !ok2 {
			return op == "!=" && ok1 != ok2
		}
		numbers := a.isNumber() && b.isNumber()
		equal := equalValues(a, b, newMeter(Limits{}.withDefaults())) || numbers && toDouble(a) == toDouble(b)
		switch op {
		case "==":
			return equal
		case "!=":
			return !equal
		}
		d := strings.Compare(a.text(), b.text())
		if numbers {
			d = compareDoubles(toDouble(a), toDouble(b))
		} else if a.kind != String || b.kind != String {
			return false
		}
		return d < 0 && op[0] == '<' || d > 0 && op[0] == '>' || d == 0 && len(op) == 2
	}
	negate := strings.HasPrefix(t, "!")
	_, ok := operand(strings.TrimSpace(strings.TrimPrefix(t, "!")), x, root)
	return ok != negate
}

func operand(t string, x, root Value) (Value, bool) {
	switch {
	case t[0] == '@' || t[0] == '$':
		p := &pathWalk{s: t, definite: true}
		if t[0] == '$' {
			x = root
		}
		found, ok := p.walk(x)
		if !ok || len(found) == 0 {
			return Value{}, false
		}
		return found[0], true
	case t[0] == '\'' || t[0] == '"':
		return StringValue(t[1 : len(t)-1]), true
	case t == "true", t == "false":
		return BoolValue(t == "true"), true
	case t == "null":
		return Value{}, true
	}
	return parseNumber(t, strings.Contains(t, ".")), true
}
