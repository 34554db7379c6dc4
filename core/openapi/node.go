package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"strconv"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Bounds of a document. The first is AWS's (spec/rest.md 14); the others keep a hostile document of that size from
// taking the house down, and are far beyond what a document holds that people or generators write.
const (
	maxDocument = 6 << 20
	maxDepth    = 100
	maxNodes    = 1_000_000
	maxText     = 32 << 20  // bytes of all texts, aliases expanded
	maxMarks    = 1_500_000 // bytes of a YAML document that may begin or end a node
	maxWork     = 64 << 20  // see parser.spend
)

type kind uint8

const (
	null kind = iota
	boolean
	number
	text
	array
	object
)

// node is a value of the document, whether it was written in JSON or in YAML. All its methods take nil for a value that
// is not there.
type node struct {
	kind   kind
	text   string // of a scalar, as it is written
	items  []*node
	keys   []string // in the order of the document
	fields map[string]*node
}

func (n *node) get(key string) *node {
	if n == nil {
		return nil
	}
	return n.fields[key]
}

func (n *node) is(k kind) bool { return n != nil && n.kind == k }

// scalar is the text of a scalar, whatever its type: documents write versions and statuses as numbers.
func (n *node) scalar() string {
	if n == nil || n.kind == object || n.kind == array {
		return ""
	}
	return n.text
}

// isTrue reads a flag, which documents also write as text.
func (n *node) isTrue() bool { return n.scalar() == "true" }

// integer reads a number, which documents also write as text.
func (n *node) integer() (int32, bool) {
	if !n.is(number) && !n.is(text) {
		return 0, false
	}
	i, err := strconv.ParseInt(n.text, 10, 32)
	return int32(i), err == nil
}

// shown is the value as warnings quote it.
func (n *node) shown() string {
	switch {
	case n == nil || n.kind == null:
		return "null"
	case n.kind == object:
		return "{...}"
	case n.kind == array:
		return "[...]"
	}
	const most = 200
	if len(n.text) > most {
		cut := most
		for !utf8.RuneStart(n.text[cut]) {
			cut--
		}
		return n.text[:cut] + "..."
	}
	return n.text
}

// spend pays for work. A value may be referred to from everywhere, so that following all references of a small document
// can be endless; false tells that it has cost enough.
func (p *parser) spend(cost int) bool {
	if p.left >= 0 {
		p.left -= cost
	}
	return p.left >= 0
}

// members walks over the members of an object, as long as the document may cost more.
func (p *parser) members(n *node) iter.Seq2[string, *node] {
	return func(yield func(string, *node) bool) {
		if n == nil {
			return
		}
		for _, key := range n.keys {
			if !p.spend(16+len(key)) || !yield(key, n.fields[key]) {
				return
			}
		}
	}
}

// builder makes nodes within the bounds.
type builder struct{ nodes, bytes int }

var errBounds = Faults{"The document is too large: it is nested too deeply or it has too many values."}

func (b *builder) make(k kind, s string, depth int) (*node, error) {
	b.nodes++
	b.bytes += len(s)
	if depth > maxDepth || b.nodes > maxNodes || b.bytes > maxText {
		return nil, errBounds
	}
	return &node{kind: k, text: s}, nil
}

func (b *builder) set(n *node, key string, v *node) {
	b.bytes += len(key)
	if n.fields == nil {
		n.fields = map[string]*node{}
	}
	if _, ok := n.fields[key]; !ok {
		n.keys = append(n.keys, key)
	}
	n.fields[key] = v
}

// decode reads a document of either form: the form is told by the text, for clients send any content type
// (spec/control-plane.md 13, trap 37).
func decode(document []byte) (*node, error) {
	if len(document) > maxDocument+maxDocument/4 { // substitution may have made it longer
		return nil, errBounds
	}
	document = bytes.TrimPrefix(document, []byte("\xef\xbb\xbf"))
	var root *node
	err := ErrInvalid
	if b := bytes.TrimLeft(document, " \t\r\n"); len(b) > 0 && b[0] == '{' {
		root, err = decodeJSON(b)
	}
	if errors.Is(err, ErrInvalid) {
		root, err = decodeYAML(document)
	}
	if err == nil && root.kind != object {
		err = ErrInvalid
	}
	return root, err
}

func decodeJSON(document []byte) (*node, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	root, err := new(builder).json(d, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, ErrInvalid
	}
	return root, nil
}

func (b *builder) json(d *json.Decoder, depth int) (*node, error) {
	token, err := d.Token()
	if err != nil {
		return nil, ErrInvalid
	}
	switch v := token.(type) {
	case json.Delim:
		return b.jsonContainer(d, v, depth)
	case string:
		return b.make(text, v, depth)
	case json.Number:
		return b.make(number, v.String(), depth)
	case bool:
		return b.make(boolean, strconv.FormatBool(v), depth)
	}
	return b.make(null, "", depth)
}

func (b *builder) jsonContainer(d *json.Decoder, open json.Delim, depth int) (*node, error) {
	k := array
	if open == '{' {
		k = object
	}
	n, err := b.make(k, "", depth)
	if err != nil {
		return nil, err
	}
	for d.More() {
		key := ""
		if k == object {
			token, err := d.Token()
			name, ok := token.(string)
			if err != nil || !ok {
				return nil, ErrInvalid
			}
			key = name
		}
		v, err := b.json(d, depth+1)
		if err != nil {
			return nil, err
		}
		if k == object {
			b.set(n, key, v)
		} else {
			n.items = append(n.items, v)
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, ErrInvalid
	}
	return n, nil
}

func decodeYAML(document []byte) (root *node, err error) {
	marks := 0
	for _, c := range document {
		switch c {
		case '\n', ',', ':', '[', '{', '*':
			marks++
		}
	}
	if marks > maxMarks {
		return nil, errBounds
	}
	// The library has panicked on malformed documents before; such a document is invalid, and no more than that.
	defer func() {
		if recover() != nil {
			root, err = nil, ErrInvalid
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(document))
	var y, second yaml.Node
	if err := d.Decode(&y); err != nil || len(y.Content) != 1 {
		return nil, ErrInvalid
	}
	if err := d.Decode(&second); err != io.EOF {
		return nil, ErrInvalid
	}
	return new(builder).yaml(y.Content[0], 0)
}

// yaml makes a node; an alias is made anew wherever it stands, so that the bounds count what it stands for.
func (b *builder) yaml(y *yaml.Node, depth int) (*node, error) {
	switch y.Kind {
	case yaml.AliasNode:
		if depth > maxDepth {
			return nil, errBounds
		}
		return b.yaml(y.Alias, depth+1)
	case yaml.SequenceNode:
		n, err := b.make(array, "", depth)
		for i := 0; err == nil && i < len(y.Content); i++ {
			var v *node
			if v, err = b.yaml(y.Content[i], depth+1); err == nil {
				n.items = append(n.items, v)
			}
		}
		return n, err
	case yaml.MappingNode:
		return b.yamlMapping(y, depth)
	}
	return b.yamlScalar(y, depth)
}

func (b *builder) yamlMapping(y *yaml.Node, depth int) (*node, error) {
	n, err := b.make(object, "", depth)
	if err != nil {
		return nil, err
	}
	var merged []*node
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := y.Content[i]
		if key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		v, err := b.yaml(y.Content[i+1], depth+1)
		switch {
		case err != nil:
			return nil, err
		case key.Kind != yaml.ScalarNode:
			return nil, ErrInvalid
		case key.Tag == "!!merge" && v.kind == array:
			merged = append(merged, v.items...)
		case key.Tag == "!!merge":
			merged = append(merged, v)
		default:
			b.set(n, key.Value, v)
		}
	}
	for _, m := range merged {
		for _, key := range m.keys {
			if n.fields[key] == nil {
				b.set(n, key, m.fields[key])
			}
		}
	}
	return n, nil
}

func (b *builder) yamlScalar(y *yaml.Node, depth int) (*node, error) {
	switch y.ShortTag() {
	case "!!null":
		return b.make(null, "", depth)
	case "!!bool":
		var v bool
		if y.Decode(&v) == nil {
			return b.make(boolean, strconv.FormatBool(v), depth)
		}
	case "!!int", "!!float":
		if json.Valid([]byte(y.Value)) {
			return b.make(number, y.Value, depth)
		}
		// 0x10, 1_000 and their like are numbers only in YAML.
		var v int64
		if y.ShortTag() == "!!int" && y.Decode(&v) == nil {
			return b.make(number, strconv.FormatInt(v, 10), depth)
		}
	}
	return b.make(text, y.Value, depth)
}
