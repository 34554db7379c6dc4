package patch

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/limen-gateway/limen/core/fault"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
)

// text sets a string member; a missing value clears it.
func text[T any](field func(T) **string) func(T, Op) *fault.Error {
	return func(noun T, op Op) *fault.Error {
		*field(noun) = op.Value
		return nil
	}
}

// optionalText is text, where an empty value clears the member too.
func optionalText[T any](field func(T) **string) func(T, Op) *fault.Error {
	return func(noun T, op Op) *fault.Error {
		*field(noun) = op.Value
		if op.Op == "remove" || op.Text() == "" {
			*field(noun) = nil
		}
		return nil
	}
}

// oneOf is text with a closed set of values.
func oneOf[T any](field func(T) **string, member string, values ...string) func(T, Op) *fault.Error {
	return func(noun T, op Op) *fault.Error {
		if !slices.Contains(values, op.Text()) {
			return fault.BadRequest("Invalid %s specified. Valid options are %s", member, strings.Join(values, ","))
		}
		*field(noun) = op.Value
		return nil
	}
}

// truth is how AWS reads a boolean: anything but true is false, without an error.
func truth(op Op) bool { return strings.EqualFold(op.Text(), "true") }

func flag[T any](field func(T) **bool) func(T, Op) *fault.Error {
	return func(noun T, op Op) *fault.Error {
		v := truth(op)
		*field(noun) = &v
		return nil
	}
}

// number sets an integer between lo and hi; refusal is the text of any other value. A missing or empty value clears the
// member when clears is set.
func number[T any](field func(T) **int32, lo, hi int64, clears bool, refusal string) func(T, Op) *fault.Error {
	return func(noun T, op Op) *fault.Error {
		if clears && op.Text() == "" {
			*field(noun) = nil
			return nil
		}
		n, ok := whole(op.Text())
		if !ok || n < lo || n > hi {
			return fault.BadRequest("%s", refusal)
		}
		v := int32(n)
		*field(noun) = &v
		return nil
	}
}

// whole reads an integer; Terraform writes 10.000000 for 10.
func whole(text string) (int64, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n, true
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
		return 0, false
	}
	return int64(f), true
}

// element adds to or removes from a set-like list on its member path; the element is the value.
func element[T any](field func(T) **apigatewayv1.StringList) func(T, Op) *fault.Error {
	return func(noun T, op Op) *fault.Error {
		list := field(noun)
		items := (*list).GetItems()
		i := slices.Index(items, op.Text())
		switch {
		case op.Op == "add" && i < 0:
			*list = &apigatewayv1.StringList{Items: append(slices.Clone(items), op.Text())}
		case op.Op == "remove" && i >= 0:
			*list = &apigatewayv1.StringList{Items: slices.Delete(slices.Clone(items), i, i+1)}
		}
		return nil
	}
}

// keyed addresses a list like a map: the element is the last token. Replace drops it and appends the value at the end.
func keyed[T any](field func(T) **apigatewayv1.StringList) func(T, Op) *fault.Error {
	return func(noun T, op Op) *fault.Error {
		list := field(noun)
		items := slices.Clone((*list).GetItems())
		if i := slices.Index(items, op.Last()); i >= 0 && op.Op != "add" {
			items = slices.Delete(items, i, i+1)
		}
		switch {
		case op.Op == "replace" && op.Value != nil:
			items = append(items, op.Text())
		case op.Op == "replace", op.Op == "add":
			if !slices.Contains(items, op.Last()) {
				items = append(items, op.Last())
			}
		}
		*list = nil
		if len(items) > 0 {
			*list = &apigatewayv1.StringList{Items: items}
		}
		return nil
	}
}

// Refusals of map members whose key is missing. spec/control-plane.md 6.1.
const (
	noParameter   = "Invalid parameter name specified"
	noContentType = "Content-Type specified was not found"
)

// entry changes a map of strings by the key in the path; missing is the text for a key that is not there.
func entry[T any](field func(T) **apigatewayv1.StringMap, missing string) func(T, Op) *fault.Error {
	return func(noun T, op Op) *fault.Error {
		m := field(noun)
		entries := (*m).GetEntries()
		if _, ok := entries[op.Last()]; !ok && op.Op != "add" {
			return fault.NotFound("%s", missing)
		}
		if op.Op == "remove" {
			delete(entries, op.Last())
			if len(entries) == 0 {
				*m = nil
			}
			return nil
		}
		if *m == nil {
			*m = &apigatewayv1.StringMap{}
		}
		if (*m).Entries == nil {
			(*m).Entries = map[string]string{}
		}
		(*m).Entries[op.Last()] = op.Text()
		return nil
	}
}

// boolEntry is entry for a map of booleans.
func boolEntry[T any](field func(T) **apigatewayv1.BoolMap, missing string) func(T, Op) *fault.Error {
	return func(noun T, op Op) *fault.Error {
		m := field(noun)
		entries := (*m).GetEntries()
		if _, ok := entries[op.Last()]; !ok && op.Op != "add" {
			return fault.NotFound("%s", missing)
		}
		if op.Op == "remove" {
			delete(entries, op.Last())
			if len(entries) == 0 {
				*m = nil
			}
			return nil
		}
		if *m == nil {
			*m = &apigatewayv1.BoolMap{}
		}
		if (*m).Entries == nil {
			(*m).Entries = map[string]bool{}
		}
		(*m).Entries[op.Last()] = truth(op)
		return nil
	}
}
