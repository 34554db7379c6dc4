package event

import "strings"

// shape says which of the two maps of headers or parameters is written.
type shape int

const (
	single shape = iota // the last value of each name
	multi               // all values of each name
)

// appendMaps writes a single-value and a multi-value map; both are null when there is nothing.
func appendMaps(dst []byte, singleName, multiName string, fields []Field) []byte {
	dst = append(appendString(dst, singleName), ':')
	if len(fields) == 0 {
		dst = append(appendString(append(dst, "null,"...), multiName), ':')
		return append(dst, "null"...)
	}
	dst = appendObject(dst, fields, single)
	dst = append(appendString(append(dst, ','), multiName), ':')
	return appendObject(dst, fields, multi)
}

// appendMap writes a single-value map, null when there is nothing.
func appendMap(dst []byte, fields []Field) []byte {
	if len(fields) == 0 {
		return append(dst, "null"...)
	}
	return appendObject(dst, fields, single)
}

// fewFields is up to where comparing every pair of names is cheaper than a table of them.
const fewFields = 48

// appendObject writes fields as an object, names in the order of their first appearance.
func appendObject(dst []byte, fields []Field, as shape) []byte {
	if len(fields) > fewFields {
		return appendLarge(dst, fields, as)
	}
	dst = append(dst, '{')
	var done uint64 // bit i: field i is written already, as part of an earlier name
	for i := range fields {
		if done&(1<<i) != 0 {
			continue
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		name, last := fields[i].Name, i
		dst = append(appendString(dst, name), ':')
		if as == multi {
			dst = appendString(append(dst, '['), fields[i].Value)
		}
		for j := i + 1; j < len(fields); j++ {
			if fields[j].Name != name {
				continue
			}
			done |= 1 << j
			last = j
			if as == multi {
				dst = appendString(append(dst, ','), fields[j].Value)
			}
		}
		if as == multi {
			dst = append(dst, ']')
			continue
		}
		dst = appendString(dst, fields[last].Value)
	}
	return append(dst, '}')
}

// appendLarge does the same in linear time, since a hostile query can hold thousands of parameters.
func appendLarge(dst []byte, fields []Field, as shape) []byte {
	places := make(map[string][]int, len(fields))
	for i := range fields {
		places[fields[i].Name] = append(places[fields[i].Name], i)
	}
	dst = append(dst, '{')
	for i := range fields {
		at := places[fields[i].Name]
		if at[0] != i {
			continue
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, fields[i].Name), ':')
		if as == single {
			dst = appendString(dst, fields[at[len(at)-1]].Value)
			continue
		}
		dst = append(dst, '[')
		for k, j := range at {
			if k > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, fields[j].Value)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}')
}

// AppendQuery appends the parameters of a raw query, decoded: plus is a space, a semicolon separates like an ampersand, a
// name without equal sign has the empty value (spec/rest.md 1.4). An escape that is none stays as it is.
func AppendQuery(dst []Field, raw string) []Field {
	for raw != "" {
		pair := raw
		if i := strings.IndexAny(raw, "&;"); i >= 0 {
			pair, raw = raw[:i], raw[i+1:]
		} else {
			raw = ""
		}
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		dst = append(dst, Field{unescape(name), unescape(value)})
	}
	return dst
}

func unescape(s string) string {
	i := strings.IndexAny(s, "%+")
	if i < 0 {
		return s
	}
	out := append(make([]byte, 0, len(s)), s[:i]...)
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			out = append(out, ' ')
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			out = append(out, c)
		}
	}
	return string(out)
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' || c >= 'a' && c <= 'f'
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}
