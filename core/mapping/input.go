package mapping

import (
	"github.com/limen-gateway/limen/core/jsonpath"
	"github.com/limen-gateway/limen/core/vtl"
)

// input is $input (spec/vtl.md 9.1).
type input struct {
	values   Input
	paths    *paths
	document document
	params   *vtl.Map // made when all of them are asked for
}

// Property: only the body, as text.
func (in *input) Property(name string) (vtl.Value, bool) {
	if name != "body" {
		return vtl.Value{}, false
	}
	return vtl.StringValue(in.document.text), true
}

// Call is path, json and params.
func (in *input) Call(name string, args []vtl.Value) (vtl.Value, bool, error) {
	if len(args) == 0 {
		switch name {
		case "params":
			return vtl.MapValue(in.all()), true, nil
		case "json":
			return in.json("$")
		}
		return vtl.Value{}, false, nil
	}
	text, ok := args[0].Text()
	if !ok || len(args) > 1 {
		return vtl.Value{}, false, nil
	}
	switch name {
	case "path":
		v, err := in.document.find(in.paths, text)
		return borrow(v), true, err
	case "json":
		return in.json(text)
	case "params":
		return vtl.StringValue(in.param(text)), true, nil
	}
	return vtl.Value{}, false, nil
}

// json is compact JSON; of what is missing two quotes.
func (in *input) json(path string) (vtl.Value, bool, error) {
	if path == "$" {
		if text, ok := in.document.compact(); ok && text != "null" {
			return vtl.StringValue(text), true, nil
		}
	}
	v, err := in.document.find(in.paths, path)
	if err != nil || v.IsNull() {
		return vtl.StringValue(`""`), true, err
	}
	return vtl.StringValue(string(v.AppendJSON(nil, jsonpath.Plain))), true, nil
}

// param looks in the path, then in the query string, then in the headers.
func (in *input) param(name string) string {
	for place := InPath; place <= InHeader; place++ {
		value, found := "", false
		for n, v := range in.values.Parameters(place) {
			if n == name {
				value, found = v, true // the last of several
			}
		}
		if found {
			return value
		}
	}
	return ""
}

func (in *input) all() *vtl.Map {
	if in.params != nil {
		return in.params
	}
	in.params = vtl.NewMap(len(placeNames))
	for place := InPath; place <= InHeader; place++ {
		m := vtl.NewMap(8)
		for name, value := range in.values.Parameters(place) {
			m.Put(name, vtl.StringValue(value))
		}
		in.params.Put(placeNames[place], vtl.MapValue(m))
	}
	return in.params
}
