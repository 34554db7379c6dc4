package openapi

import (
	"strconv"
	"strings"
)

// maxHops bounds a chain of references; a longer one is a circle.
const maxHops = 32

// resolve follows the reference that a node may be. Only references into the document are followed: AWS reads no other.
// A nil result has been reported; what names the thing for the report.
func (p *parser) resolve(n *node, what string) *node {
	for range maxHops {
		ref := n.get("$ref")
		if !ref.is(text) {
			return n
		}
		if !p.spend(len(ref.text)) {
			return nil
		}
		if n = p.lookup(ref.text); n == nil {
			p.fault("Unable to resolve the reference '%s' of %s", ref.shown(), what)
			return nil
		}
	}
	p.fault("The reference '%s' of %s leads in a circle", n.get("$ref").shown(), what)
	return nil
}

// lookup finds the value that a local JSON pointer names.
func (p *parser) lookup(ref string) *node {
	pointer, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil
	}
	n := p.root
	for _, segment := range strings.Split(pointer, "/") {
		segment = unescape(segment)
		if n.is(array) {
			i, err := strconv.Atoi(segment)
			if err != nil || i < 0 || i >= len(n.items) {
				return nil
			}
			n = n.items[i]
			continue
		}
		if n = n.get(segment); n == nil {
			return nil
		}
	}
	return n
}

// unescape reads one segment of a JSON pointer in a URI fragment.
func unescape(segment string) string {
	if strings.Contains(segment, "%") {
		var b strings.Builder
		for i := 0; i < len(segment); i++ {
			if segment[i] == '%' && i+2 < len(segment) {
				if c, err := strconv.ParseUint(segment[i+1:i+3], 16, 8); err == nil {
					b.WriteByte(byte(c))
					i += 2
					continue
				}
			}
			b.WriteByte(segment[i])
		}
		segment = b.String()
	}
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(segment)
}

// modelName is the name of the model that a reference between schemas means; false when it means anything else.
func modelName(ref string) (string, bool) {
	for _, prefix := range []string{"#/definitions/", "#/components/schemas/"} {
		if name, ok := strings.CutPrefix(ref, prefix); ok && !strings.Contains(name, "/") {
			return unescape(name), true
		}
	}
	return "", false
}
