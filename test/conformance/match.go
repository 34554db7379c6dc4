package conformance

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// matcher compares answers with expectations. What <<names>> matched holds for the whole case.
type matcher struct {
	bound map[string]string
	// looked counts the comparisons: a case without any proves nothing.
	looked int
}

// anyOrder are the members whose lists AWS gives in no order.
var anyOrder = []string{"items", "Items", "item", "required"}

// sinceRecorded holds members that AWS answers today and did not when the cases were recorded (spec/control-plane.md 5.1).
var sinceRecorded = []string{"apiStatus", "securityPolicy", "ipAddressType"}

// match compares an expectation with an answer; complete refuses further members.
func (m *matcher) match(want, got any, complete bool) error {
	m.looked++
	switch w := want.(type) {
	case nil:
		if got != nil {
			return fmt.Errorf("got %s, want nothing", short(got))
		}
		return nil
	case map[string]any:
		if data, ok := got.(blob); ok {
			return m.blob(w, data)
		}
		if text, ok := got.(string); ok {
			return m.matchParsed(w, text)
		}
		return m.object(w, got, complete)
	case []any:
		if text, ok := got.(string); ok {
			return m.matchParsed(w, text)
		}
		return m.list(w, got, complete, false)
	case string:
		return m.text(w, got)
	}
	if want != got {
		return fmt.Errorf("got %s, want %s", short(got), short(want))
	}
	return nil
}

// blob compares a stream of bytes with {"text"} or {"base64"}.
func (m *matcher) blob(want map[string]any, got blob) error {
	text, isText := want["text"].(string)
	if isText && len(want) == 1 {
		return m.text(text, string(got))
	}
	text, isBase64 := want["base64"].(string)
	if !isBase64 || len(want) != 1 {
		return fmt.Errorf("a stream of bytes is text or base64, not %s", short(want))
	}
	if have := base64.StdEncoding.EncodeToString(got); have != text {
		return fmt.Errorf("got the bytes %s, want %s", short(have), short(text))
	}
	return nil
}

// matchParsed reads the answer's text as JSON first, or as lines.
func (m *matcher) matchParsed(want any, text string) error {
	if object, ok := want.(map[string]any); ok && len(object) == 1 {
		if lines, ok := object["$lines"].([]any); ok {
			return m.list(lines, anyOf(strings.Split(text, "\n")), false, false)
		}
	}
	var parsed any
	if json.Unmarshal([]byte(text), &parsed) != nil {
		return fmt.Errorf("got %q, want %s", text, short(want))
	}
	if _, still := parsed.(string); still {
		return fmt.Errorf("got %q, want %s", text, short(want))
	}
	return m.match(want, parsed, false)
}

func anyOf(texts []string) []any {
	out := make([]any, len(texts))
	for i := range texts {
		out[i] = texts[i]
	}
	return out
}

func (m *matcher) object(want map[string]any, got any, complete bool) error {
	g, ok := got.(map[string]any)
	if !ok {
		return fmt.Errorf("got %s, want an object %s", short(got), short(want))
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		var err error
		list, isList := want[k].([]any)
		_, isText := g[k].(string)
		if isList && !isText && slices.Contains(anyOrder, k) {
			err = m.list(list, g[k], complete, true)
		} else {
			err = m.match(want[k], g[k], complete)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
	}
	if !complete {
		return nil
	}
	for _, k := range slices.Sorted(maps.Keys(g)) {
		if _, expected := want[k]; !expected && g[k] != nil && !slices.Contains(sinceRecorded, k) {
			return fmt.Errorf("%s: not expected: %s", k, short(g[k]))
		}
	}
	return nil
}

func (m *matcher) list(want []any, got any, complete, unordered bool) error {
	g, ok := got.([]any)
	if !ok || len(g) != len(want) {
		return fmt.Errorf("got %s, want a list of %d: %s", short(got), len(want), short(want))
	}
	if unordered {
		return m.set(want, g, complete)
	}
	for i := range want {
		if err := m.match(want[i], g[i], complete); err != nil {
			return fmt.Errorf("%d: %w", i, err)
		}
	}
	return nil
}

// set finds for each expected entry one that fits, and forgets what <<names>> matched in those that did not.
func (m *matcher) set(want, got []any, complete bool) error {
	left := slices.Clone(got)
	for i := range want {
		var first error
		fits := slices.IndexFunc(left, func(item any) bool {
			before := maps.Clone(m.bound)
			err := m.match(want[i], item, complete)
			if err != nil {
				m.bound = before
				if first == nil {
					first = err
				}
			}
			return err == nil
		})
		if fits < 0 {
			return fmt.Errorf("no entry fits the %d. expected: %w", i+1, first)
		}
		left = slices.Delete(left, fits, fits+1)
	}
	return nil
}

var names = regexp.MustCompile(`<<([^<>]+)>>`)

// text compares a text that may hold <<names>>: each stands for the same non-empty text everywhere in a case.
func (m *matcher) text(want string, got any) error {
	switch {
	case want == "<<any>>" && got == nil:
		return fmt.Errorf("missing")
	case want == "<<any>>":
		return nil
	case want == "<<datetime>>":
		return timeStamp(got)
	}
	text, ok := got.(string)
	if !ok {
		if n, number := got.(float64); number && names.FindString(want) == want {
			return m.bind(want, fmt.Sprint(n))
		}
		return fmt.Errorf("got %s, want %q", short(got), want)
	}
	return m.bind(want, text)
}

func (m *matcher) bind(want, text string) error {
	pattern, free := m.pattern(want)
	found := pattern.FindStringSubmatch(text)
	if found == nil {
		return fmt.Errorf("got %q, want %q", text, want)
	}
	fresh := map[string]string{}
	for i, n := range free {
		if known, ok := fresh[n]; ok && known != found[i+1] {
			return fmt.Errorf("got %q, want %q", text, want)
		}
		fresh[n] = found[i+1]
	}
	maps.Copy(m.bound, fresh)
	return nil
}

// pattern is the expression of a text with names, and the names that are still free.
func (m *matcher) pattern(want string) (*regexp.Regexp, []string) {
	var out strings.Builder
	out.WriteString(`^`)
	var free []string
	end := 0
	for _, at := range names.FindAllStringSubmatchIndex(want, -1) {
		out.WriteString(regexp.QuoteMeta(want[end:at[0]]))
		end = at[1]
		name := want[at[2]:at[3]]
		value, known := m.bound[name]
		switch {
		case name == "any" || name == "datetime":
			out.WriteString(`(?s:.+)`)
		case known:
			out.WriteString(regexp.QuoteMeta(value))
		default:
			out.WriteString(`((?s:.+))`)
			free = append(free, name)
		}
	}
	out.WriteString(regexp.QuoteMeta(want[end:]) + `$`)
	return regexp.MustCompile(out.String()), free
}

var timeForms = []string{time.RFC3339, time.RFC1123, "02/Jan/2006:15:04:05 -0700", "2006-01-02T15:04:05-0700", "2006-01-02 15:04:05-07:00"}

// timeStamp takes Unix time and the forms that AWS writes.
func timeStamp(got any) error {
	switch v := got.(type) {
	case float64:
		if v > 0 {
			return nil
		}
	case string:
		for _, form := range timeForms {
			if _, err := time.Parse(form, v); err == nil {
				return nil
			}
		}
	}
	return fmt.Errorf("got %s, want a time stamp", short(got))
}

const shortLength = 200

// short is a value for a line of the report.
func short(v any) string {
	text := compact(v)
	if v == nil {
		text = "nothing"
	}
	if len(text) > shortLength {
		text = text[:shortLength] + "…"
	}
	return text
}
