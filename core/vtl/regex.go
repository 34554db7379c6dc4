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

// begin makes the matcher one of a pattern and a text, with the steps that one call of a method may take.
func (r *renderer) begin(re *regex.Regex, s string) {
	r.granted = min(r.limits.RegexSteps, max(r.steps, 0))
	r.left = r.granted
	r.matcher.Reset(re, s, &r.left)
}

// end takes the steps since begin from the render's. Its error is that of the matches, or the render's.
func (r *renderer) end(err error) error {
	r.spend(int(r.granted-max(r.left, 0)) >> 2)
	switch err {
	case nil:
		return r.err
	case regex.ErrSteps:
		return &limitError{err.Error()}
	}
	return err
}

func (r *renderer) matchesRegex(s string, args []Value) (Value, error) {
	re, err := r.pattern(args[0])
	if err != nil {
		return Value{}, err
	}
	r.begin(re, s)
	matches, err := r.matcher.Matches()
	return BoolValue(matches), r.end(err)
}

// next finds a match, its registers being nil when there is none, and says where to look for the one behind it: an empty match
// is followed by a search one character on.
func (r *renderer) next(s string, from int) (registers []int, behind int, err error) {
	if from > len(s) {
		return nil, 0, nil
	}
	if found, err := r.matcher.Find(from); err != nil || !found {
		return nil, 0, err
	}
	registers = r.matcher.Registers()
	switch behind = registers[1]; {
	case registers[0] < behind:
	case behind == len(s):
		behind++
	default:
		_, n := decode(s[behind:])
		behind += n
	}
	return registers, behind, nil
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
	if text, ok := re.Plain(); ok && args[1].kind == String && isLiteral(args[1].text()) {
		return r.replacePlain(s, text, args[1].text(), limit)
	}
	halves := apart(re, s)
	r.begin(re, halves)
	matched, err := r.replaceMatches(re, halves, args[1], limit)
	if err = r.end(err); err != nil || !matched {
		return StringValue(s), err
	}
	r.size(len(r.scratch))
	text := string(r.scratch)
	if len(halves) > len(s) {
		text = together(text)
	}
	return StringValue(text), r.err
}

// isLiteral reports whether a replacement means itself.
func isLiteral(with string) bool {
	return strings.IndexByte(with, '$') < 0 && strings.IndexByte(with, '\\') < 0
}

// replaceMatches makes the scratch a text with its matches replaced, as many as the limit says, or leaves it if there is none.
func (r *renderer) replaceMatches(re *regex.Regex, s string, with Value, limit int) (bool, error) {
	registers, behind, err := r.next(s, 0)
	if registers == nil || err != nil {
		return false, err
	}
	if with.kind == Null {
		return false, errNull // only a match looks at the replacement
	}
	out, copied := r.scratch[:0], 0
	literal := isLiteral(with.text())
	for registers != nil {
		out = append(out, s[copied:registers[0]]...)
		copied = registers[1]
		if literal {
			out = append(out, with.text()...)
		} else if out, err = expand(out, with.text(), re, s, registers); err != nil {
			return false, err
		}
		if len(out) > r.limits.Output {
			r.size(len(out))
			return false, r.err
		}
		if limit--; limit == 0 {
			break
		}
		if registers, behind, err = r.next(s, behind); err != nil {
			return false, err
		}
	}
	r.scratch = append(out, s[copied:]...)
	return true, nil
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
	x := splitter{text: s}
	if len(args) == 2 {
		x.limit = int(args[1].Int())
	}
	re, err := r.pattern(args[0])
	if err != nil {
		return Value{}, err
	}
	if halves := apart(re, s); len(halves) > len(s) {
		x.text, x.halves = halves, true
	}
	switch text, ok := re.Plain(); {
	case x.limit == 1:
	case ok:
		err = r.splitPlain(&x, text)
	default:
		err = r.splitMatches(&x, re)
	}
	if err != nil {
		return Value{}, err
	}
	return ListValue(&List{class: array, items: x.rest()}), nil
}

func (r *renderer) splitPlain(x *splitter, by string) error {
	x.parts = make([]Value, 0, strings.Count(x.text, by)+1)
	for {
		i := strings.Index(x.text[x.at:], by)
		if i < 0 || !x.take(x.at+i, x.at+i+len(by)) {
			return nil
		}
		if !r.spend(1) {
			return r.err
		}
	}
}

func (r *renderer) splitMatches(x *splitter, re *regex.Regex) error {
	r.begin(re, x.text)
	registers, behind, err := r.next(x.text, 0)
	for registers != nil && x.take(registers[0], registers[1]) && r.spend(1) {
		registers, behind, err = r.next(x.text, behind)
	}
	return r.end(err)
}

// splitter cuts a text at matches.
type splitter struct {
	text   string
	halves bool // of the text's characters stand apart
	limit  int  // of the parts; 0 takes off the empty ones at the end, below there is no limit
	at     int  // where the next part begins
	parts  []Value
}

func (x *splitter) part(start, end int) Value {
	if x.halves {
		return StringValue(together(x.text[start:end]))
	}
	return StringValue(x.text[start:end])
}

// take takes a match and reports whether there may be more. One without width at the very start gives no leading empty string.
func (x *splitter) take(start, end int) bool {
	if x.at == 0 && start == 0 && end == 0 {
		return true
	}
	x.parts = append(x.parts, x.part(x.at, start))
	x.at = end
	return x.limit <= 0 || len(x.parts) < x.limit-1
}

// rest are all parts, with what is behind the last match.
func (x *splitter) rest() []Value {
	parts := append(x.parts, x.part(x.at, len(x.text)))
	for x.limit == 0 && len(parts) > 0 && (x.at > 0 || len(parts) > 1) && parts[len(parts)-1].text() == "" {
		parts = parts[:len(parts)-1]
	}
	return parts
}
