package vtl

import (
	"errors"
	"strings"
	"sync"

	"github.com/limen-gateway/limen/core/regex"
)

// maxPatterns is how many patterns a program keeps compiled.
const maxPatterns = 64

// regexCache keeps the patterns of one program.
type regexCache struct {
	mu       sync.RWMutex
	compiled map[string]*regex.Regex
}

func (c *regexCache) get(pattern string) (*regex.Regex, error) {
	c.mu.RLock()
	re := c.compiled[pattern]
	c.mu.RUnlock()
	if re != nil {
		return re, nil
	}
	re, err := regex.Compile(pattern)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.compiled) < maxPatterns {
		if c.compiled == nil {
			c.compiled = map[string]*regex.Regex{}
		}
		c.compiled[strings.Clone(pattern)] = re
	}
	return re, nil
}

// recentPatterns is how many patterns a renderer remembers by the place of their text.
const recentPatterns = 4

// recentPattern is a pattern whose text, a literal of the template as a rule, is told by its place in memory.
type recentPattern struct {
	text Value
	re   *regex.Regex
}

// pattern compiles the argument of a method.
func (r *renderer) pattern(v Value) (*regex.Regex, error) {
	if v.kind == Null {
		return nil, errNull
	}
	for i := range r.recent {
		if r.recent[i].text == v {
			return r.recent[i].re, nil
		}
	}
	re, err := r.compiled(v)
	if err == nil {
		r.recent[r.nextRecent%recentPatterns] = recentPattern{v, re}
		r.nextRecent++
	}
	return re, err
}

func (r *renderer) compiled(v Value) (*regex.Regex, error) {
	if !r.spend(len(v.text()) >> 2) {
		return nil, r.err
	}
	return r.program.regexes.get(v.text())
}

// withSteps runs a match with the steps it may take, and takes them from the render's.
func (r *renderer) withSteps(run func(steps *int64) error) error {
	granted := min(r.limits.RegexSteps, max(r.steps, 0))
	left := granted
	err := run(&left)
	r.spend(int(granted-max(left, 0)) >> 2)
	if errors.Is(err, regex.ErrSteps) {
		return &limitError{err.Error()}
	}
	return errors.Join(err, r.err)
}

func (r *renderer) matchesRegex(s string, args []Value) (Value, error) {
	re, err := r.pattern(args[0])
	if err != nil {
		return Value{}, err
	}
	matches := false
	err = r.withSteps(func(steps *int64) error {
		r.matcher.Reset(re, s, steps)
		matches, err = r.matcher.Matches()
		return err
	})
	return BoolValue(matches), err
}

// each calls use with every match, and where to copy from, until it says no. An empty match is followed by a search one
// character on.
func (r *renderer) each(re *regex.Regex, s string, use func(registers []int) (bool, error)) error {
	return r.withSteps(func(steps *int64) error {
		m := &r.matcher
		m.Reset(re, s, steps)
		for from := 0; from <= len(s); {
			found, err := m.Find(from)
			if err != nil || !found {
				return err
			}
			registers := m.Registers()
			if from = registers[1]; registers[0] == registers[1] {
				if from == len(s) {
					from++
				} else {
					_, n := decode(s[from:])
					from += n
				}
			}
			if more, err := use(registers); err != nil || !more {
				return err
			}
		}
		return nil
	})
}

// apart is the text with the halves of its characters apart, if a match may be between them.
func apart(re *regex.Regex, s string) string {
	if !re.Empty() || !hasPairs(s) {
		return s
	}
	var b []byte
	for _, unit := range units(s) {
		b = appendUnitAlone(b, unit)
	}
	return string(b)
}

// replaceRegex is replaceAll and replaceFirst.
func (r *renderer) replaceRegex(s string, args []Value, limit int) (Value, error) {
	re, err := r.pattern(args[0])
	if err != nil {
		return Value{}, err
	}
	with := args[1].text()
	if text, ok := re.Plain(); ok && args[1].kind == String && !strings.ContainsAny(with, `\$`) {
		return r.replacePlain(s, text, with, limit)
	}
	whole := s
	s = apart(re, s)
	out := r.scratch[:0]
	copied, matched := 0, false
	plain := !strings.ContainsAny(with, `\$`)
	err = r.each(re, s, func(registers []int) (bool, error) {
		if args[1].kind == Null {
			return false, errNull // only a match looks at the replacement
		}
		out = append(out, s[copied:registers[0]]...)
		copied, matched = registers[1], true
		if plain {
			out = append(out, with...)
		} else if expanded, err := expand(out, with, re, s, registers); err == nil {
			out = expanded
		} else {
			return false, err
		}
		limit--
		if len(out) > r.limits.Output {
			r.size(len(out))
			return false, r.err
		}
		return limit != 0, nil
	})
	if err != nil || !matched {
		return StringValue(whole), err
	}
	out = append(out, s[copied:]...)
	r.scratch = out
	r.size(len(out))
	text := string(out)
	if len(s) > len(whole) {
		text = together(text)
	}
	return StringValue(text), r.err
}

func (r *renderer) replacePlain(s, text, with string, limit int) (Value, error) {
	n := strings.Count(s, text)
	if limit > 0 {
		n = min(n, limit)
	}
	if !r.size(len(s) + n*len(with)) {
		return Value{}, r.err
	}
	return StringValue(strings.Replace(s, text, with, limit)), nil
}

var (
	//lint:ignore ST1005 Java's text
	errGroup       = errors.New("Illegal group reference")
	errReplacement = errors.New("character to be escaped is missing")
)

// expand appends the replacement of a match: $n, ${name} and \x (spec/vtl.md 7).
func expand(out []byte, with string, re *regex.Regex, s string, registers []int) ([]byte, error) {
	for i := 0; i < len(with); {
		switch c := with[i]; {
		case c == '\\':
			if i+1 == len(with) {
				return nil, errReplacement
			}
			_, n := decode(with[i+1:])
			out = append(out, with[i+1:i+1+n]...)
			i += 1 + n
		case c == '$':
			group, n := groupOf(with[i+1:], re)
			if n == 0 {
				return nil, errGroup
			}
			if start := registers[2*group]; start >= 0 && registers[2*group+1] >= 0 {
				out = append(out, s[start:registers[2*group+1]]...)
			}
			i += 1 + n
		default:
			out = append(out, c)
			i++
		}
	}
	return out, nil
}

// groupOf reads the group behind a "$" and how long its name is; 0 when there is no such group. Of digits as many count as
// name an existing group.
func groupOf(s string, re *regex.Regex) (group, length int) {
	if name, ok := strings.CutPrefix(s, "{"); ok {
		name, _, ok = strings.Cut(name, "}")
		if group, known := re.Group(name); ok && known {
			return group, len(name) + 2
		}
		return 0, 0
	}
	if s == "" || !isDigit(s[0]) || int(s[0]-'0') > re.Groups() {
		return 0, 0
	}
	group, length = int(s[0]-'0'), 1
	for length < len(s) && isDigit(s[length]) && group*10+int(s[length]-'0') <= re.Groups() {
		group = group*10 + int(s[length]-'0')
		length++
	}
	return group, length
}

// splitRegex is split: the result is an array (spec/vtl.md 6.2).
func (r *renderer) splitRegex(s string, args []Value) (Value, error) {
	limit := 0
	if len(args) == 2 {
		limit = int(args[1].Int())
	}
	re, err := r.pattern(args[0])
	if err != nil {
		return Value{}, err
	}
	var parts []Value
	at := 0
	part := func(start, end int) Value { return StringValue(s[start:end]) }
	if halves := apart(re, s); len(halves) > len(s) {
		s = halves
		part = func(start, end int) Value { return StringValue(together(s[start:end])) }
	}
	take := func(start, end int) (bool, error) {
		if at == 0 && start == 0 && end == 0 {
			return true, nil // a zero-width match at the very start gives no leading empty string
		}
		parts = append(parts, part(at, start))
		at = end
		return (limit <= 0 || len(parts) < limit-1) && r.spend(1), r.err
	}
	switch text, ok := re.Plain(); {
	case limit == 1:
	case ok:
		parts = make([]Value, 0, strings.Count(s, text)+1)
		for more := true; more && err == nil; {
			i := strings.Index(s[at:], text)
			if i < 0 {
				break
			}
			more, err = take(at+i, at+i+len(text))
		}
	default:
		err = r.each(re, s, func(registers []int) (bool, error) { return take(registers[0], registers[1]) })
	}
	if err != nil {
		return Value{}, err
	}
	if at == 0 && len(parts) == 0 {
		parts = append(parts, part(0, len(s)))
	} else {
		parts = append(parts, part(at, len(s)))
	}
	if limit == 0 {
		for len(parts) > 0 && parts[len(parts)-1].text() == "" && (at > 0 || len(parts) > 1) {
			parts = parts[:len(parts)-1]
		}
	}
	return ListValue(&List{class: array, items: parts}), nil
}
