package admin_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/limen-gateway/limen/platform/etcdtest"
	"github.com/limen-gateway/limen/platform/rootkeys"
)

// The recorded cases of the control plane, from a folder beside the project: a test reads them where LIMEN_CONFORMANCE names
// that folder. A case that sends requests needs an edge; its calls are run here and it is counted as open.

const conformanceRegion = "us-east-1"

// conformanceAreas with the number of cases that must pass: it only goes up.
var conformanceAreas = []struct {
	name  string
	floor int
}{{"control-plane", 39}, {"api-keys", 6}, {"gateway-responses", 3}, {"stages-deployments", 8}, {"openapi", 8}, {"websocket", 5}}

type (
	conformanceCase struct {
		Name  string `json:"name"`
		Steps []step `json:"steps"`
	}
	step struct {
		ID     string         `json:"id"`
		Call   string         `json:"call"`
		Params map[string]any `json:"params"`
		Expect *expectation   `json:"expect"`
		Save   []struct {
			As, List, Take string
			Where          map[string]any
		} `json:"save"`
		Repeat *struct{ Over, As string } `json:"repeat"`
	}
	expectation struct {
		Status any `json:"status"`
		Error  *struct {
			Code    string         `json:"code"`
			Message *string        `json:"message"`
			Members map[string]any `json:"members"`
		} `json:"error"`
		Output   map[string]any   `json:"output"`
		Complete bool             `json:"complete"`
		Checks   []map[string]any `json:"checks"`
		Absent   []string         `json:"absent"`
	}
	wireOperation struct {
		Method, Path    string
		URI             map[string]string
		Query, Header   map[string]string
		Payload         string
		OutputWireNames map[string]string
		OutputPayload   string
	}
)

func readJSON(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

func TestConformance(t *testing.T) {
	folder := os.Getenv("LIMEN_CONFORMANCE")
	if folder == "" {
		t.Skip("LIMEN_CONFORMANCE does not name the folder of recorded cases")
	}
	var wire struct{ Operations map[string]wireOperation }
	readJSON(t, filepath.Join(folder, "operations.json"), &wire)
	for _, area := range conformanceAreas {
		var file struct{ Cases []conformanceCase }
		readJSON(t, filepath.Join(folder, area.name, "cases.json"), &file)
		keys := []rootkeys.Key{}
		for i := range file.Cases { // each case starts from an empty account
			keys = append(keys, rootkeys.Key{Account: fmt.Sprintf("%012d", 300000000000+i), AccessKeyID: fmt.Sprintf("AKIACASE%012d", i), SecretAccessKey: "case-secret"})
		}
		p := startPlane(t, etcdtest.Start(t).Client, keys...)
		passed := 0
		var open []string
		for i, c := range file.Cases {
			r := &caseRun{p: p, key: keys[i], wire: wire.Operations, values: map[string]any{"region": conformanceRegion,
				"account": keys[i].Account, "role": "arn:aws:iam::" + keys[i].Account + ":role/limen"}, bound: map[string]string{}}
			if err := r.run(c); err != nil {
				open = append(open, fmt.Sprintf("%s: %v", c.Name, err))
			} else {
				passed++
			}
		}
		t.Logf("%s: %d of %d cases\n  %s", area.name, passed, len(file.Cases), strings.Join(open, "\n  "))
		if passed < area.floor {
			t.Errorf("%s: %d cases passed, %d did before", area.name, passed, area.floor)
		}
	}
}

// caseRun is one case under way.
type caseRun struct {
	p      *plane
	key    rootkeys.Key
	wire   map[string]wireOperation
	values map[string]any    // what placeholders stand for
	bound  map[string]string // what <<names>> matched
}

func (r *caseRun) run(c conformanceCase) error {
	requests := 0
	for _, s := range c.Steps {
		if s.Call == "" {
			requests++
			continue
		}
		if err := r.step(s); err != nil {
			return fmt.Errorf("%s %s: %w", s.ID, s.Call, err)
		}
	}
	if requests > 0 {
		return fmt.Errorf("all calls as recorded, %d requests need an edge", requests)
	}
	return nil
}

func (r *caseRun) step(s step) error {
	if s.Repeat == nil {
		return r.once(s)
	}
	items, _ := r.fill(s.Repeat.Over).([]any)
	for _, item := range items {
		r.values[s.Repeat.As] = item
		if err := r.once(s); err != nil {
			return err
		}
	}
	return nil
}

func (r *caseRun) once(s step) error {
	op, ok := r.wire[s.Call]
	if !ok || !strings.HasPrefix(s.Call, "apigateway.") && !strings.HasPrefix(s.Call, "apigatewayv2.") {
		return fmt.Errorf("no call of this control plane")
	}
	answer := r.send(op, r.fill(s.Params).(map[string]any))
	for member, name := range op.OutputWireNames {
		if v, ok := answer.body[name]; ok {
			delete(answer.body, name)
			answer.body[member] = v
		}
	}
	if op.OutputPayload != "" {
		answer.body = map[string]any{op.OutputPayload: answer.text}
	}
	r.values[s.ID] = answer.body
	if err := r.check(s.Expect, answer); err != nil {
		return err
	}
	for _, save := range s.Save {
		list, _ := answer.body[save.List].([]any)
		for _, item := range list {
			if r.same(r.fill(save.Where), item, false) == nil {
				r.values[save.As] = item.(map[string]any)[save.Take]
			}
		}
	}
	return nil
}

// send puts the members where the operation has them and signs the request.
func (r *caseRun) send(op wireOperation, params map[string]any) reply {
	target, rawQuery, _ := strings.Cut(op.Path, "?")
	query := []string{}
	if rawQuery != "" {
		query = append(query, rawQuery)
	}
	body := ""
	rest := map[string]any{}
	for name, v := range params {
		switch {
		case op.URI[name] != "":
			target = strings.ReplaceAll(target, "{"+op.URI[name]+"}", url.PathEscape(fmt.Sprint(v)))
		case op.Query[name] != "":
			query = append(query, queryOf(op.Query[name], v)...)
		case op.Header[name] != "":
		case name == "integrationHttpMethod": // the name in the SDKs, another on the wire (spec/control-plane.md 13, trap 52)
			rest["httpMethod"] = v
		case name == op.Payload:
			body, _ = v.(string)
		default:
			rest[lowerFirst(name)] = v // the second model's names are capital in the SDKs (spec/control-plane.md 1)
		}
	}
	if op.Payload == "" && op.Method != "GET" && op.Method != "DELETE" {
		text, _ := json.Marshal(rest)
		body = string(text)
	}
	slices.Sort(query)
	if len(query) > 0 {
		target += "?" + strings.Join(query, "&")
	}
	return r.p.call(r.key, op.Method, target, body)
}

func queryOf(name string, v any) (out []string) {
	switch v := v.(type) {
	case map[string]any:
		for k, each := range v {
			out = append(out, url.QueryEscape(k)+"="+url.QueryEscape(fmt.Sprint(each)))
		}
	case []any:
		for _, each := range v {
			out = append(out, name+"="+url.QueryEscape(fmt.Sprint(each)))
		}
	default:
		out = append(out, name+"="+url.QueryEscape(fmt.Sprint(v)))
	}
	return out
}

var placeholder = regexp.MustCompile(`\{\{([^{}]+)\}\}`)

// fill replaces placeholders and unwraps wrapped values.
func (r *caseRun) fill(v any) any {
	switch v := v.(type) {
	case string:
		if m := placeholder.FindStringSubmatch(v); m != nil && m[0] == v {
			return r.lookup(m[1])
		}
		return placeholder.ReplaceAllStringFunc(v, func(p string) string { return fmt.Sprint(r.lookup(p[2 : len(p)-2])) })
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = r.fill(v[i])
		}
		return out
	case map[string]any:
		if len(v) == 1 {
			if out, ok := r.unwrap(v); ok {
				return out
			}
		}
		out := map[string]any{}
		for k, each := range v {
			out[fmt.Sprint(r.fill(k))] = r.fill(each)
		}
		return out
	}
	return v
}

func (r *caseRun) unwrap(v map[string]any) (any, bool) {
	if x, ok := v["$json"]; ok {
		text, _ := json.Marshal(r.fill(x))
		return string(text), true
	}
	if x, ok := v["$text"]; ok {
		return r.fill(x), true
	}
	if x, ok := v["$base64"].(string); ok {
		b, _ := base64.StdEncoding.DecodeString(x)
		return string(b), true
	}
	if x, ok := v["$repeat"].([]any); ok {
		return strings.Repeat(x[0].(string), int(x[1].(float64))), true
	}
	return nil, false
}

func (r *caseRun) lookup(name string) any {
	if rest, ok := strings.CutPrefix(name, "upper:"); ok {
		return strings.ToUpper(fmt.Sprint(r.lookup(rest)))
	}
	if rest, ok := strings.CutPrefix(name, "backend."); ok {
		id, member, _ := strings.Cut(rest, ".")
		switch member {
		case "arn":
			return "arn:aws:lambda:" + conformanceRegion + ":" + r.key.Account + ":function:" + id
		case "url":
			return "http://" + id + ".example.com"
		}
		return id
	}
	first, rest, _ := strings.Cut(name, ".")
	return at(r.values[first], rest)
}

func lowerFirst(name string) string {
	if name == "" {
		return ""
	}
	return strings.ToLower(name[:1]) + name[1:]
}

// at walks a dotted path; names of members may be those of the SDKs.
func at(v any, path string) any {
	if path == "" {
		return v
	}
	first, rest, _ := strings.Cut(path, ".")
	switch n := v.(type) {
	case map[string]any:
		if _, ok := n[first]; !ok {
			first = lowerFirst(first)
		}
		return at(n[first], rest)
	case []any:
		if i, err := strconv.Atoi(first); err == nil && i < len(n) {
			return at(n[i], rest)
		}
	case string:
		var parsed any
		if first == "json()" && json.Unmarshal([]byte(n), &parsed) == nil {
			return at(parsed, rest)
		}
	}
	return nil
}

func (r *caseRun) check(e *expectation, a reply) error {
	if e == nil {
		if a.status >= 300 {
			return fmt.Errorf("got %d %s", a.status, a.text)
		}
		return nil
	}
	if want, ok := e.Status.(float64); ok && int(want) != a.status {
		return fmt.Errorf("status %d %s, want %v", a.status, a.text, want)
	}
	if e.Error != nil {
		return r.checkError(e, a)
	}
	if a.status >= 300 && e.Status == nil {
		return fmt.Errorf("got %d %s", a.status, a.text)
	}
	if e.Output != nil {
		if err := r.same(r.fill(e.Output), any(a.body), e.Complete); err != nil {
			return err
		}
	}
	for _, path := range e.Absent {
		if v := at(a.body, path); v != nil && !reflect.ValueOf(v).IsZero() {
			return fmt.Errorf("%s is there: %v", path, v)
		}
	}
	for _, check := range e.Checks {
		if err := r.checkOne(check, a.body); err != nil {
			return err
		}
	}
	return nil
}

func (r *caseRun) checkError(e *expectation, a reply) error {
	if a.status < 300 {
		return fmt.Errorf("got %d, want an error", a.status)
	}
	if got := a.header.Get("x-amzn-ErrorType"); e.Error.Code != "" && got != e.Error.Code {
		return fmt.Errorf("got %s %s, want %s", got, a.text, e.Error.Code)
	}
	if e.Error.Message == nil {
		return nil
	}
	got := a.body["message"]
	want := r.fill(*e.Error.Message).(string)
	if err := r.same(sortedSets(want), any(sortedSets(fmt.Sprint(got))), false); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	return nil
}

var valueSet = regexp.MustCompile(`value set: \[([^\]]*)\]`)

// sortedSets puts enumerations of a text into one order: AWS prints them in its own.
func sortedSets(text string) string {
	return valueSet.ReplaceAllStringFunc(text, func(set string) string {
		values := strings.Split(valueSet.FindStringSubmatch(set)[1], ", ")
		slices.Sort(values)
		return "value set: [" + strings.Join(values, ", ") + "]"
	})
}

func (r *caseRun) checkOne(check map[string]any, body any) error {
	path := check["path"].(string)
	got := at(body, path)
	if m, ok := body.(map[string]any); ok && check["literalKey"] == true {
		got = m[path]
	}
	if want, ok := check["equals"]; ok {
		if err := r.same(r.fill(want), got, false); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	if want, ok := check["contains"].(string); ok && !strings.Contains(fmt.Sprint(got), want) {
		return fmt.Errorf("%s: %v does not contain %s", path, got, want)
	}
	return nil
}

// same compares an expectation with an answer; complete refuses further members.
func (r *caseRun) same(want, got any, complete bool) error {
	text, isText := got.(string)
	switch w := want.(type) {
	case map[string]any, []any:
		var parsed any
		if isText {
			if json.Unmarshal([]byte(text), &parsed) != nil {
				return fmt.Errorf("got %q, want %v", text, want)
			}
			return r.same(want, parsed, false)
		}
		if object, ok := w.(map[string]any); ok {
			return r.sameObject(object, got, complete)
		}
		return r.sameList(w.([]any), got, complete, false)
	case string:
		return r.sameText(w, got)
	}
	if !reflect.DeepEqual(want, got) {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}

func (r *caseRun) sameObject(want map[string]any, got any, complete bool) error {
	g, ok := got.(map[string]any)
	if !ok && (got != nil || len(want) > 0) {
		return fmt.Errorf("got %v, want an object", got)
	}
	for _, k := range sortedNames(want) {
		var err error
		if list, ok := want[k].([]any); ok && slices.Contains([]string{"items", "Items", "item", "required"}, k) {
			err = r.sameList(list, g[k], complete, true)
		} else if _, there := g[k]; !there && want[k] != nil {
			err = fmt.Errorf("missing")
		} else {
			err = r.same(want[k], g[k], complete)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", k, err)
		}
	}
	for _, k := range sortedNames(g) {
		if _, expected := want[k]; complete && !expected && g[k] != nil && !slices.Contains(sinceRecorded, k) {
			return fmt.Errorf("%s: not expected: %v", k, g[k])
		}
	}
	return nil
}

// sinceRecorded holds members that AWS answers today and did not when the cases were recorded (spec/control-plane.md 5.1).
var sinceRecorded = []string{"apiStatus", "securityPolicy", "ipAddressType"}

func sortedNames(m map[string]any) []string {
	out := []string{}
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func (r *caseRun) sameList(want []any, got any, complete, anyOrder bool) error {
	g, ok := got.([]any)
	if !ok || len(g) != len(want) {
		return fmt.Errorf("got %v, want a list of %d", got, len(want))
	}
	left := slices.Clone(g)
	for i := range want {
		if !anyOrder {
			if err := r.same(want[i], g[i], complete); err != nil {
				return fmt.Errorf("%d: %w", i, err)
			}
			continue
		}
		var first error
		at := slices.IndexFunc(left, func(item any) bool {
			before := r.snapshot()
			err := r.same(want[i], item, complete)
			if err != nil {
				r.bound = before
				if first == nil {
					first = err
				}
			}
			return err == nil
		})
		if at < 0 {
			return fmt.Errorf("no item fits the %d. expected: %w", i+1, first)
		}
		left = slices.Delete(left, at, at+1)
	}
	return nil
}

func (r *caseRun) snapshot() map[string]string {
	out := map[string]string{}
	for k, v := range r.bound {
		out[k] = v
	}
	return out
}

var name = regexp.MustCompile(`<<([^<>]+)>>`)

// sameText compares a text that may hold <<names>>: each stands for the same text everywhere in a case.
func (r *caseRun) sameText(want string, got any) error {
	if want == "<<any>>" || want == "<<datetime>>" {
		if got == nil {
			return fmt.Errorf("missing")
		}
		return nil
	}
	text, ok := got.(string)
	if !ok {
		return fmt.Errorf("got %v, want %q", got, want)
	}
	parts := name.FindAllStringSubmatch(want, -1)
	pattern := "^"
	var free []string
	end := 0
	for i, at := range name.FindAllStringIndex(want, -1) {
		pattern += regexp.QuoteMeta(want[end:at[0]])
		end = at[1]
		if value, ok := r.bound[parts[i][1]]; ok {
			pattern += regexp.QuoteMeta(value)
			continue
		}
		pattern += "(?s:(.+))"
		free = append(free, parts[i][1])
	}
	m := regexp.MustCompile(pattern + regexp.QuoteMeta(want[end:]) + "$").FindStringSubmatch(text)
	if m == nil {
		return fmt.Errorf("got %q, want %q", text, want)
	}
	for i, n := range free {
		if known, ok := r.bound[n]; ok && known != m[i+1] {
			return fmt.Errorf("got %q, want %q", text, want)
		}
		r.bound[n] = m[i+1]
	}
	return nil
}
