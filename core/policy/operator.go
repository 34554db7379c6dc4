package policy

import (
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// operator is a condition operator without its prefix and suffix. Those with wildcards match a pattern, the others prepare the
// text of the policy once and compare it with each value of the request.
type operator struct {
	negated   bool
	null      bool
	wildcards bool
	pattern   func(want *operand, got string, c *Context) bool
	prepare   func(text string) form
	match     func(want *form, got string) bool
}

// form is the text of a policy as its operator understands it; not ok when it cannot, and then it matches nothing.
type form struct {
	ok     bool
	text   string
	number float64
	moment time.Time
	prefix netip.Prefix
}

// operators are all that the service knows (spec/rest.md 3.8).
var operators = map[string]*operator{
	"StringEquals":              {prepare: asText, match: sameText},
	"StringNotEquals":           {prepare: asText, match: sameText, negated: true},
	"StringEqualsIgnoreCase":    {prepare: asText, match: sameFolded},
	"StringNotEqualsIgnoreCase": {prepare: asText, match: sameFolded, negated: true},
	"StringLike":                {wildcards: true, pattern: like},
	"StringNotLike":             {wildcards: true, pattern: like, negated: true},
	"NumericEquals":             {prepare: asNumber, match: number(func(n int) bool { return n == 0 })},
	"NumericNotEquals":          {prepare: asNumber, match: number(func(n int) bool { return n == 0 }), negated: true},
	"NumericLessThan":           {prepare: asNumber, match: number(func(n int) bool { return n < 0 })},
	"NumericLessThanEquals":     {prepare: asNumber, match: number(func(n int) bool { return n <= 0 })},
	"NumericGreaterThan":        {prepare: asNumber, match: number(func(n int) bool { return n > 0 })},
	"NumericGreaterThanEquals":  {prepare: asNumber, match: number(func(n int) bool { return n >= 0 })},
	"DateEquals":                {prepare: asMoment, match: moment(func(n int) bool { return n == 0 })},
	"DateNotEquals":             {prepare: asMoment, match: moment(func(n int) bool { return n == 0 }), negated: true},
	"DateLessThan":              {prepare: asMoment, match: moment(func(n int) bool { return n < 0 })},
	"DateLessThanEquals":        {prepare: asMoment, match: moment(func(n int) bool { return n <= 0 })},
	"DateGreaterThan":           {prepare: asMoment, match: moment(func(n int) bool { return n > 0 })},
	"DateGreaterThanEquals":     {prepare: asMoment, match: moment(func(n int) bool { return n >= 0 })},
	"Bool":                      {prepare: asText, match: sameFolded},
	"BinaryEquals":              {prepare: asBinary, match: sameBinary},
	"IpAddress":                 {prepare: asAddress, match: within},
	"NotIpAddress":              {prepare: asAddress, match: within, negated: true},
	"ArnEquals":                 {wildcards: true, pattern: likeARN},
	"ArnLike":                   {wildcards: true, pattern: likeARN},
	"ArnNotEquals":              {wildcards: true, pattern: likeARN, negated: true},
	"ArnNotLike":                {wildcards: true, pattern: likeARN, negated: true},
	"Null":                      {prepare: asText, null: true},
}

func asText(text string) form                { return form{ok: true, text: text} }
func sameText(want *form, got string) bool   { return want.text == got }
func sameFolded(want *form, got string) bool { return strings.EqualFold(want.text, got) }
func like(want *operand, got string, c *Context) bool {
	return want.pattern.match(got, c, false)
}

// likeARN compares part by part: a wildcard does not reach over a colon, except in the last part, which may hold colons.
func likeARN(want *operand, got string, c *Context) bool {
	if len(want.pattern) == 1 && want.pattern[0].kind == many {
		return true
	}
	if len(want.parts) != arnParts {
		return false
	}
	last := arnParts - 1
	for i := range last {
		part, rest, ok := strings.Cut(got, ":")
		if !ok || !want.parts[i].match(part, c, false) {
			return false
		}
		got = rest
	}
	return want.parts[last].match(got, c, false)
}

const arnParts = 6

// splitARN cuts a pattern at its first five colons outside of variables.
func splitARN(p pattern) []pattern {
	parts := make([]pattern, 1, arnParts)
	for _, t := range p {
		for t.kind == literal && len(parts) < arnParts {
			left, right, found := strings.Cut(t.text, ":")
			if !found {
				break
			}
			if left != "" {
				last := &parts[len(parts)-1]
				*last = append(*last, token{kind: literal, text: left})
			}
			parts = append(parts, nil)
			t.text = right
		}
		if t.kind != literal || t.text != "" {
			last := &parts[len(parts)-1]
			*last = append(*last, t)
		}
	}
	return parts
}

func asNumber(text string) form {
	n, err := strconv.ParseFloat(text, 64)
	return form{ok: err == nil, number: n}
}

func number(accept func(int) bool) func(*form, string) bool {
	return func(want *form, got string) bool {
		n, err := strconv.ParseFloat(got, 64)
		switch {
		case err != nil || n != n || want.number != want.number:
			return false
		case n < want.number:
			return accept(-1)
		case n > want.number:
			return accept(1)
		}
		return accept(0)
	}
}

// layouts are the forms of W3C's profile of ISO 8601.
var layouts = [...]string{"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01", "2006"}

// asMoment reads a date, or seconds since 1970, which have more digits than a year.
func asMoment(text string) form {
	if len(text) != 4 {
		if seconds, err := strconv.ParseFloat(text, 64); err == nil {
			if seconds < -1e11 || seconds > 1e12 || seconds != seconds {
				return form{}
			}
			return form{ok: true, moment: time.UnixMilli(int64(seconds * 1000)).UTC()}
		}
	}
	for _, l := range layouts {
		if t, err := time.Parse(l, text); err == nil {
			return form{ok: true, moment: t.UTC()}
		}
	}
	return form{}
}

func moment(accept func(int) bool) func(*form, string) bool {
	return func(want *form, got string) bool {
		f := asMoment(got)
		return f.ok && accept(f.moment.Compare(want.moment))
	}
}

// asBinary takes base64; what is none stands for itself.
func asBinary(text string) form {
	if b, err := base64.StdEncoding.DecodeString(text); err == nil {
		text = string(b)
	}
	return form{ok: true, text: text}
}

func sameBinary(want *form, got string) bool {
	f := asBinary(got)
	return f.text == want.text
}

// asAddress reads an address, or a block of them; bits of the address beyond the block do not count.
func asAddress(text string) form {
	if p, err := netip.ParsePrefix(text); err == nil {
		return form{ok: true, prefix: p.Masked()}
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return form{}
	}
	a = a.Unmap().WithZone("")
	return form{ok: true, prefix: netip.PrefixFrom(a, a.BitLen())}
}

func within(want *form, got string) bool {
	a, err := netip.ParseAddr(got)
	return err == nil && want.prefix.Contains(a.Unmap().WithZone(""))
}
