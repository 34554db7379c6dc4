package awsjson

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/limen-gateway/limen/proto/aws"
)

// constrain notes a violation of the model. v is a string, int32, int64 or float64.
func (d *decoder) constrain(c *constraint, v any, path string) {
	if c == nil {
		return
	}
	if rule := c.violated(v); rule != "" {
		d.violations = append(d.violations, fmt.Sprintf("Value '%v' at '%s' failed to satisfy constraint: %s", v, path, rule))
	}
}

// violated is the rule that a value breaks, in AWS's words, or "".
func (c *constraint) violated(v any) string {
	switch v := v.(type) {
	case string:
		return c.violatedText(v)
	case int32:
		return c.violatedNumber(float64(v))
	case int64:
		return c.violatedNumber(float64(v))
	case float64:
		return c.violatedNumber(v)
	}
	return ""
}

func (c *constraint) violatedText(s string) string {
	if len(c.Enum) > 0 && !slices.Contains(c.Enum, s) {
		return "Member must satisfy enum value set: [" + strings.Join(c.Enum, ", ") + "]"
	}
	if c.pattern != nil && !c.pattern.MatchString(s) {
		return "Member must satisfy regular expression pattern: " + c.Pattern
	}
	length := float64(len(utf16.Encode([]rune(s)))) // Java counts UTF-16 units
	if c.Min != nil && length < *c.Min {
		return "Member must have length greater than or equal to " + whole(*c.Min)
	}
	if c.Max != nil && length > *c.Max {
		return "Member must have length less than or equal to " + whole(*c.Max)
	}
	return ""
}

func (c *constraint) violatedNumber(n float64) string {
	if c.Min != nil && n < *c.Min {
		return "Member must have value greater than or equal to " + whole(*c.Min)
	}
	if c.Max != nil && n > *c.Max {
		return "Member must have value less than or equal to " + whole(*c.Max)
	}
	return ""
}

func whole(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// listViolation is the rule that any string of a list breaks; AWS reports the list as a whole.
func listViolation(c *constraint, array []any) string {
	if c == nil {
		return ""
	}
	for _, e := range array {
		if s, ok := e.(string); ok {
			if rule := c.violatedText(s); rule != "" {
				return rule
			}
		}
	}
	return ""
}

// required notes members that the model asks for and the request lacks, in nested structures too.
func (d *decoder) required(msg protoreflect.Message, s *structure, path string) {
	for _, m := range s.members {
		name := path + "." + m.Wire
		if m.Place != aws.Body {
			name = m.Name // statusCode, although the path says status_code
		}
		if !msg.Has(m.field) {
			if m.Required {
				d.violations = append(d.violations, fmt.Sprintf("Value null at '%s' failed to satisfy constraint: Member must not be null", name))
			}
			continue
		}
		d.requiredInside(msg.Get(m.field), m.value, name)
	}
}

// requiredInside walks to the structures that a value holds.
func (d *decoder) requiredInside(v protoreflect.Value, t *valueType, path string) {
	switch t.kind {
	case "struct":
		d.required(v.Message(), t.structure, path)
	case "list":
		list := v.Message().Get(onlyField(v.Message(), "items")).List()
		for i := range list.Len() {
			d.requiredInside(list.Get(i), t.elem, fmt.Sprintf("%s.%d.member", path, i+1))
		}
	case "map":
		entries := v.Message().Get(onlyField(v.Message(), "entries")).Map()
		for _, k := range entryKeys(entries) {
			d.requiredInside(entries.Get(protoreflect.ValueOfString(k).MapKey()), t.elem, path+"."+k+".member")
		}
	}
}
