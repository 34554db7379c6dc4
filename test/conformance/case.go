package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Case is one case of an area.
type Case struct {
	Name     string             `json:"name"`
	What     string             `json:"what"`
	Origin   string             `json:"origin"`
	Recorded string             `json:"recorded"`
	Evidence string             `json:"evidence"`
	Needs    []string           `json:"needs"`
	Backends map[string]Backend `json:"backends"`
	Steps    []Step             `json:"steps"`

	// Of cases without steps, which the engines judge.
	Input           json.RawMessage `json:"input"`
	Expect          json.RawMessage `json:"expect"`
	Engines         json.RawMessage `json:"engines"`
	Disputed        json.RawMessage `json:"disputed"`
	ExpectByVersion json.RawMessage `json:"expectByVersion"`
}

// Backend describes a fake that the case wants.
type Backend struct {
	Kind      string          `json:"kind"`
	Name      string          `json:"name"`
	Behaviour string          `json:"behaviour"`
	Describe  string          `json:"describe"`
	Payload   json.RawMessage `json:"payload"`
}

// Step is one of: a call, a request, a WebSocket script.
type Step struct {
	ID        string          `json:"id"`
	Call      string          `json:"call"`
	Params    json.RawMessage `json:"params"`
	Request   *Request        `json:"request"`
	WebSocket *Socket         `json:"websocket"`
	Script    []Entry         `json:"script"`
	Expect    *Expectation    `json:"expect"`
	Save      []Save          `json:"save"`
	Repeat    *Repeat         `json:"repeat"`
}

// Save takes a member of a list entry of the answer.
type Save struct {
	As    string          `json:"as"`
	List  string          `json:"list"`
	Where json.RawMessage `json:"where"`
	Take  string          `json:"take"`
}

// Repeat runs a step once for each entry.
type Repeat struct {
	Over string `json:"over"`
	As   string `json:"as"`
}

// Request is one request to an API.
type Request struct {
	API      string          `json:"api"`
	Method   string          `json:"method"`
	Path     string          `json:"path"`
	RawQuery *string         `json:"rawQuery"`
	Query    json.RawMessage `json:"query"`
	Headers  json.RawMessage `json:"headers"`
	Body     *Bytes          `json:"body"`
}

// Bytes spells a body or a message, sent or expected.
type Bytes struct {
	JSON     json.RawMessage `json:"json"`
	Text     *string         `json:"text"`
	Base64   *string         `json:"base64"`
	Contains []string        `json:"contains"`
	Repeat   json.RawMessage `json:"$repeat"`
	Frames   int             `json:"frames"`
}

// Socket says where a WebSocket is opened.
type Socket struct {
	API     string          `json:"api"`
	Stage   string          `json:"stage"`
	Headers json.RawMessage `json:"headers"`
	Query   json.RawMessage `json:"query"`
}

// Entry is one line of a script.
type Entry struct {
	ExpectOpen        *bool       `json:"expectOpen"`
	Status            *int        `json:"status"`
	Send              *Bytes      `json:"send"`
	Receive           *Bytes      `json:"receive"`
	ReceiveNothingFor *int        `json:"receiveNothingFor"`
	Close             *closing    `json:"close"`
	ExpectClosed      *bool       `json:"expectClosed"`
	Code              *int        `json:"code"`
	Manage            *Step       `json:"manage"`
	LambdaEvent       *EventCheck `json:"lambdaEvent"`
	LambdaEvents      *EventCheck `json:"lambdaEvents"`
}

// closing is true, or an object with a code.
type closing struct{ code int }

// UnmarshalJSON reads both forms.
func (c *closing) UnmarshalJSON(text []byte) error {
	c.code = 1000
	if string(text) == "true" {
		return nil
	}
	var form struct {
		Code *int `json:"code"`
	}
	if err := strict(text, &form); err != nil || form.Code == nil {
		return fmt.Errorf("close wants true or a code, is %s", text)
	}
	c.code = *form.Code
	return nil
}

// Expectation is what an answer must be.
type Expectation struct {
	Status        json.RawMessage `json:"status"`
	Error         *ErrorAnswer    `json:"error"`
	Output        json.RawMessage `json:"output"`
	Complete      bool            `json:"complete"`
	Checks        []Check         `json:"checks"`
	Absent        []string        `json:"absent"`
	AbsentJSON    []string        `json:"absentJson"`
	Headers       json.RawMessage `json:"headers"`
	HeaderChecks  []Check         `json:"headerChecks"`
	AbsentHeaders []string        `json:"absentHeaders"`
	Body          *Bytes          `json:"body"`
	LambdaEvent   *EventCheck     `json:"lambdaEvent"`
	LambdaEvents  *EventCheck     `json:"lambdaEvents"`
	NotCalled     []string        `json:"notCalled"`
}

// ErrorAnswer is an expected error; without members it is any error.
type ErrorAnswer struct {
	Code    *string         `json:"code"`
	Message *string         `json:"message"`
	Members json.RawMessage `json:"members"`
}

// Check looks at one place of an answer, with one operator or more.
type Check struct {
	Path            string          `json:"path"`
	Equals          json.RawMessage `json:"equals"`
	EqualsUnordered json.RawMessage `json:"equalsUnordered"`
	Contains        json.RawMessage `json:"contains"`
	Matches         *string         `json:"matches"`
	Not             json.RawMessage `json:"not"`
	LiteralKey      bool            `json:"literalKey"`
	IgnoreKeyCase   bool            `json:"ignoreKeyCase"`
}

// EventCheck looks at what a function got.
type EventCheck struct {
	Backend string          `json:"backend"`
	Which   string          `json:"which"`
	Checks  []Check         `json:"checks"`
	Absent  []string        `json:"absent"`
	Where   *Check          `json:"where"`
	Count   *int            `json:"count"`
	Collect *string         `json:"collect"`
	Equals  json.RawMessage `json:"equals"`
}

// strict decodes one JSON value and refuses members that the format does not have.
func strict(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one JSON value")
	}
	return nil
}

// readCase reads a case; its name is known even when the rest is wrong.
func readCase(text []byte) (Case, error) {
	var c Case
	if err := strict(text, &c); err != nil {
		var named struct{ Name string }
		_ = json.Unmarshal(text, &named) // an unnamed case fails without a name
		return Case{Name: named.Name}, fmt.Errorf("not a case of the format: %w", err)
	}
	return c, c.valid()
}

func (c *Case) valid() error {
	for _, s := range c.Steps {
		if err := s.valid(); err != nil {
			return fmt.Errorf("not a case of the format: step %s: %w", s.ID, err)
		}
	}
	return nil
}

func (s *Step) valid() error {
	kinds := 0
	for _, is := range []bool{s.Call != "", s.Request != nil, s.WebSocket != nil} {
		if is {
			kinds++
		}
	}
	switch {
	case kinds != 1:
		return errors.New("wants one of call, request and websocket")
	case s.WebSocket != nil && s.Expect != nil:
		return errors.New("a websocket has a script and no expect")
	case s.WebSocket == nil && s.Script != nil:
		return errors.New("only a websocket has a script")
	case s.Call == "" && (s.Params != nil || s.Save != nil):
		return errors.New("only a call has params and save")
	}
	return nil
}

// Area is a folder of cases.
type Area struct {
	Name string
	// Cases are as they are written; they are read one by one, so that a wrong one fails alone.
	Cases []json.RawMessage
	// Vectors are the names of the lines of cases.jsonl beside them, which have a format of their own.
	Vectors []string
}

// ReadAreas reads the areas of a folder, all or the one that is named.
func ReadAreas(dir, only string) ([]Area, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*", "cases.json*"))
	if err != nil {
		return nil, err
	}
	var folders []string
	for _, f := range files {
		folders = append(folders, filepath.Dir(f))
	}
	var out []Area
	for _, folder := range slices.Compact(folders) {
		if only != "" && filepath.Base(folder) != only {
			continue
		}
		a, err := readArea(folder)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s holds no cases of area %q", dir, only)
	}
	return out, nil
}

func readArea(folder string) (Area, error) {
	text, err := os.ReadFile(filepath.Join(folder, "cases.json"))
	if errors.Is(err, fs.ErrNotExist) { // there are vectors alone
		area := filepath.Base(folder)
		vectors, err := readVectors(filepath.Join(folder, "cases.jsonl"), area)
		return Area{Name: area, Vectors: vectors}, err
	}
	if err != nil {
		return Area{}, err
	}
	var file struct {
		Area   string            `json:"area"`
		Format int               `json:"format"`
		Cases  []json.RawMessage `json:"cases"`
	}
	if err := strict(text, &file); err != nil {
		return Area{}, fmt.Errorf("%s: %w", folder, err)
	}
	if file.Format != 1 || file.Area == "" {
		return Area{}, fmt.Errorf("%s: format %d of area %q is not known", folder, file.Format, file.Area)
	}
	vectors, err := readVectors(filepath.Join(folder, "cases.jsonl"), file.Area)
	return Area{file.Area, file.Cases, vectors}, err
}

func readVectors(path, area string) (names []string, err error) {
	lines, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for line := range bytes.Lines(lines) {
		var named struct{ Name string }
		_ = json.Unmarshal(line, &named) // an unnamed line fails without a name
		names = append(names, area+"/"+named.Name)
	}
	return names, nil
}

// Operation says how a control-plane call travels.
type Operation struct {
	Method          string            `json:"method"`
	Path            string            `json:"path"`
	Success         int               `json:"success"`
	URI             map[string]string `json:"uri"`
	Query           map[string]string `json:"query"`
	Header          map[string]string `json:"header"`
	Payload         string            `json:"payload"`
	OutputWireNames map[string]string `json:"outputWireNames"`
	OutputPayload   string            `json:"outputPayload"`
	OutputHeader    map[string]string `json:"outputHeader"`
}

// ReadOperations reads a file operations.json.
func ReadOperations(path string) (map[string]Operation, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		About      string               `json:"about"`
		Operations map[string]Operation `json:"operations"`
	}
	if err := strict(text, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return file.Operations, nil
}
