package conformance

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// answer is what came back of a call or a request.
type answer struct {
	status int
	header http.Header
	raw    []byte
	// body is the JSON of raw, or its text. For a call it has the names of the SDKs.
	body any
}

// bodyOf reads a body as JSON, or takes it as text.
func bodyOf(raw []byte) any {
	var out any
	if json.Unmarshal(raw, &out) != nil {
		return string(raw)
	}
	return out
}

// judge compares answers of one case.
type judge struct {
	*scope
	*matcher
}

// expect compares an answer with what a step expects.
func (j *judge) expect(e *Expectation, a *answer) error {
	if e == nil {
		return succeeded(a)
	}
	if err := j.status(e, a); err != nil {
		return err
	}
	if err := j.errorAnswer(e.Error, a); err != nil {
		return err
	}
	if e.Output != nil {
		want, err := j.fill(e.Output)
		if err != nil {
			return err
		}
		if err := j.match(want, a.body, e.Complete); err != nil {
			return fmt.Errorf("output: %w", err)
		}
	}
	if err := j.absent(a.body, slices.Concat(e.Absent, e.AbsentJSON)); err != nil {
		return err
	}
	if err := j.checks(e.Checks, a.body); err != nil {
		return err
	}
	if err := j.headers(e, a.header); err != nil {
		return err
	}
	if err := j.bytes(e.Body, a.raw, e.Complete); err != nil {
		return fmt.Errorf("body: %w", err)
	}
	return nil
}

func succeeded(a *answer) error {
	if a.status/100 != 2 {
		return fmt.Errorf("got %d %s", a.status, short(a.body))
	}
	return nil
}

// status looks at the status.
func (j *judge) status(e *Expectation, a *answer) error {
	if e.Status == nil {
		return nil
	}
	j.looked++
	var number int
	var class string
	switch {
	case json.Unmarshal(e.Status, &number) == nil:
		if a.status != number {
			return fmt.Errorf("status %d %s, want %d", a.status, short(a.body), number)
		}
	case json.Unmarshal(e.Status, &class) == nil && (class == "2xx" || class == "not-2xx"):
		if (a.status/100 == 2) != (class == "2xx") {
			return fmt.Errorf("status %d %s, want %s", a.status, short(a.body), class)
		}
	default:
		return fmt.Errorf("the format has no status %s", e.Status)
	}
	return nil
}

func (j *judge) errorAnswer(e *ErrorAnswer, a *answer) error {
	if e == nil {
		return nil
	}
	j.looked++
	if a.status < 300 {
		return fmt.Errorf("got %d %s, want an error", a.status, short(a.body))
	}
	if e.Code != nil {
		got, _, _ := strings.Cut(a.header.Get("x-amzn-ErrorType"), ":")
		if err := j.match(*e.Code, got, false); err != nil {
			return fmt.Errorf("error code: %w (%s)", err, short(a.body))
		}
	}
	if e.Message != nil {
		if err := j.message(*e.Message, a.body); err != nil {
			return fmt.Errorf("message: %w", err)
		}
	}
	want, err := j.fill(e.Members)
	if err != nil || want == nil {
		return err
	}
	if err := j.match(want, a.body, false); err != nil {
		return fmt.Errorf("error: %w", err)
	}
	return nil
}

func (j *judge) message(want string, body any) error {
	want, err := j.scope.text(want)
	if err != nil {
		return err
	}
	got, ok := at(body, "message", true)
	if text, isText := got.(string); ok && isText {
		return j.match(sortedSets(want), sortedSets(text), false)
	}
	return j.match(want, got, false)
}

var valueSet = regexp.MustCompile(`value set: \[([^\]]*)\]`)

// sortedSets puts the enumerations of a message into one order: AWS prints them in its own.
func sortedSets(text string) string {
	return valueSet.ReplaceAllStringFunc(text, func(set string) string {
		values := strings.Split(valueSet.FindStringSubmatch(set)[1], ", ")
		slices.Sort(values)
		return "value set: [" + strings.Join(values, ", ") + "]"
	})
}

func (j *judge) absent(body any, paths []string) error {
	for _, path := range paths {
		j.looked++
		path, err := j.scope.text(path)
		if err != nil {
			return err
		}
		if v, ok := at(body, path, false); ok && !empty(v) {
			return fmt.Errorf("%s is there: %s", path, short(v))
		}
	}
	return nil
}

func empty(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case map[string]any:
		return len(v) == 0
	case []any:
		return len(v) == 0
	}
	return false
}

func (j *judge) checks(list []Check, body any) error {
	for i := range list {
		if err := j.check(&list[i], body); err != nil {
			return fmt.Errorf("%q: %w", list[i].Path, err)
		}
	}
	return nil
}

func (j *judge) check(c *Check, body any) error {
	path, err := j.scope.text(c.Path)
	if err != nil {
		return err
	}
	got := c.find(body, path)
	operators := []struct {
		want  json.RawMessage
		judge func(want, got any) error
	}{
		{c.Equals, func(want, got any) error { return j.match(want, got, false) }},
		{c.EqualsUnordered, j.unordered},
		{c.Contains, j.contains},
		{c.Not, j.not},
	}
	used := 0
	for _, o := range operators {
		if o.want == nil {
			continue
		}
		used++
		want, err := j.fill(o.want)
		if err != nil {
			return err
		}
		if err := o.judge(want, got); err != nil {
			return err
		}
	}
	if c.Matches != nil {
		used++
		if err := j.matches(*c.Matches, got); err != nil {
			return err
		}
	}
	if used == 0 {
		return errors.New("the check has no operator")
	}
	return nil
}

// find is what a check looks at; nil when nothing is there.
func (c *Check) find(body any, path string) any {
	if c.LiteralKey {
		object, _ := body.(map[string]any)
		return named(object, path, c.IgnoreKeyCase)
	}
	v, _ := at(body, path, c.IgnoreKeyCase)
	return v
}

func (j *judge) unordered(want, got any) error {
	list, ok := want.([]any)
	if !ok {
		return fmt.Errorf("equalsUnordered wants a list, is %s", short(want))
	}
	j.looked++
	return j.list(list, got, false, true)
}

// contains looks for a text in a text, in an entry of a list, or in the JSON of anything else.
func (j *judge) contains(want, got any) error {
	j.looked++
	if list, ok := got.([]any); ok && slices.ContainsFunc(list, func(item any) bool { return reflect.DeepEqual(item, want) }) {
		return nil
	}
	if got == nil || !strings.Contains(plain(got), plain(want)) {
		return fmt.Errorf("%s does not contain %s", short(got), short(want))
	}
	return nil
}

func (j *judge) matches(expression string, got any) error {
	j.looked++
	expression, err := j.scope.text(expression)
	if err != nil {
		return err
	}
	pattern, err := regexp.Compile(expression)
	if err != nil {
		return err
	}
	if got == nil || !pattern.MatchString(plain(got)) {
		return fmt.Errorf("%s does not match %s", short(got), expression)
	}
	return nil
}

// not wants anything else; what <<names>> would have matched is not kept.
func (j *judge) not(want, got any) error {
	before := j.bound
	defer func() { j.bound = before }()
	j.bound = maps.Clone(before)
	if j.match(want, got, false) == nil {
		return fmt.Errorf("got %s, want anything else", short(got))
	}
	return nil
}

func (j *judge) headers(e *Expectation, header http.Header) error {
	want, err := j.fill(e.Headers)
	if err != nil {
		return err
	}
	expected, _ := want.(map[string]any)
	for _, name := range sorted(expected) {
		if err := j.header(expected[name], header.Values(name)); err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
	}
	for _, name := range e.AbsentHeaders {
		j.looked++
		if got := header.Values(name); got != nil {
			return fmt.Errorf("header %s is there: %s", name, short(got))
		}
	}
	if e.HeaderChecks == nil {
		return nil
	}
	return j.checkHeaders(e.HeaderChecks, header)
}

// header compares the lines of one header.
func (j *judge) header(want any, got []string) error {
	if list, ok := want.([]any); ok {
		j.looked++
		return j.list(list, anyOf(got), false, false)
	}
	if len(got) == 0 {
		return fmt.Errorf("missing, want %s", short(want))
	}
	return j.match(want, strings.Join(got, ", "), false)
}

// checkHeaders looks headers up without case, as the names of one object.
func (j *judge) checkHeaders(list []Check, header http.Header) error {
	object := map[string]any{}
	for name, lines := range header {
		object[name] = strings.Join(lines, ", ")
	}
	for _, c := range list {
		c.LiteralKey, c.IgnoreKeyCase = true, true
		if err := j.check(&c, object); err != nil {
			return fmt.Errorf("header %s: %w", c.Path, err)
		}
	}
	return nil
}

// bytes compares a body or a message.
func (j *judge) bytes(want *Bytes, got []byte, complete bool) error {
	if want == nil {
		return nil
	}
	if want.Frames != 0 || want.Repeat != nil {
		return errors.New("frames and $repeat are for what is sent")
	}
	if want.JSON == nil && want.Text == nil && want.Base64 == nil && want.Contains == nil {
		return errors.New("the expectation has no member")
	}
	if want.JSON != nil {
		if err := j.bytesJSON(want.JSON, got, complete); err != nil {
			return err
		}
	}
	if want.Text != nil {
		text, err := j.scope.text(*want.Text)
		if err != nil {
			return err
		}
		if err := j.match(text, string(got), false); err != nil {
			return err
		}
	}
	if err := j.bytesBase64(want.Base64, got); err != nil {
		return err
	}
	for _, part := range want.Contains {
		part, err := j.scope.text(part)
		if err != nil {
			return err
		}
		if err := j.contains(part, string(got)); err != nil {
			return err
		}
	}
	return nil
}

func (j *judge) bytesJSON(raw json.RawMessage, got []byte, complete bool) error {
	want, err := j.fill(raw)
	if err != nil {
		return err
	}
	var parsed any
	if err := json.Unmarshal(got, &parsed); err != nil {
		return fmt.Errorf("got %q, want JSON %s", got, short(want))
	}
	return j.match(want, parsed, complete)
}

func (j *judge) bytesBase64(text *string, got []byte) error {
	if text == nil {
		return nil
	}
	j.looked++
	want, err := base64.StdEncoding.DecodeString(*text)
	if err != nil {
		return err
	}
	if !bytes.Equal(want, got) {
		return fmt.Errorf("got the bytes %s, want %s", short(base64.StdEncoding.EncodeToString(got)), short(*text))
	}
	return nil
}
