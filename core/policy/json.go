package policy

import (
	"encoding/json"
	"io"
	"strings"
	"unicode/utf8"
)

// Limits of a document. The service takes 8192 characters for a resource policy; documents of authorizers may be larger.
const (
	maxLength = 256 << 10
	maxDepth  = 8
)

// node is a JSON value with its place, so that errors can name it and the shorthand of resources can be replaced in the text.
type node struct {
	kind     byte // 's', 'n', 'b', '0', '[' or '{'
	text     string
	items    []node
	names    []string
	from, to int
}

// reader makes nodes of the tokens of encoding/json.
type reader struct {
	text    string
	decoder *json.Decoder
}

func read(text string) (node, *Error) {
	switch {
	case len(text) > maxLength:
		return node{}, &Error{Position: maxLength, Message: "document is too long"}
	case !utf8.ValidString(text):
		return node{}, &Error{Position: validPrefix(text), Message: "document is not UTF-8"}
	}
	r := reader{text: text, decoder: json.NewDecoder(strings.NewReader(text))}
	r.decoder.UseNumber()
	n, err := r.value(0)
	if err != nil {
		return node{}, err
	}
	if _, err := r.decoder.Token(); err != io.EOF {
		return node{}, r.fail("text after the document")
	}
	return n, nil
}

func validPrefix(s string) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(s)
}

func (r *reader) fail(message string) *Error {
	return &Error{Position: int(r.decoder.InputOffset()), Message: message}
}

// next is the next token and where it begins.
func (r *reader) next() (json.Token, int, *Error) {
	t, err := r.decoder.Token()
	if err != nil {
		return nil, 0, r.fail("document is not JSON")
	}
	to := int(r.decoder.InputOffset())
	return t, to, nil
}

func (r *reader) value(depth int) (node, *Error) {
	if depth > maxDepth {
		return node{}, r.fail("document is nested too deeply")
	}
	before := int(r.decoder.InputOffset())
	t, to, err := r.next()
	if err != nil {
		return node{}, err
	}
	n := node{from: before + strings.IndexFunc(r.text[before:], isToken), to: to}
	switch t := t.(type) {
	case string:
		n.kind, n.text = 's', t
	case json.Number:
		n.kind, n.text = 'n', t.String()
	case bool:
		n.kind, n.text = 'b', "false"
		if t {
			n.text = "true"
		}
	case json.Delim:
		n.kind = byte(t)
		err = r.nested(&n, depth)
	default:
		n.kind = '0'
	}
	return n, err
}

// isToken: between tokens stand blanks, commas and colons.
func isToken(c rune) bool { return !strings.ContainsRune(" \t\r\n,:", c) }

func (r *reader) nested(n *node, depth int) *Error {
	seen := map[string]bool{}
	for r.decoder.More() {
		if n.kind == '{' {
			name, err := r.value(depth + 1)
			if err != nil {
				return err
			}
			if seen[name.text] {
				return &Error{Position: name.from, Message: "the key " + name.text + " stands twice"}
			}
			seen[name.text] = true
			n.names = append(n.names, name.text)
		}
		item, err := r.value(depth + 1)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, to, err := r.next()
	n.to = to
	return err
}
