package http1

import "strings"

// AppendField appends one header line. Values may come from percent-decoded parameters or from functions: a name that is
// no token is left out whole, and line ends inside a value become spaces, so that nobody can add lines of their own.
func AppendField(dst []byte, name, value string) []byte {
	for i := range len(name) {
		if !tokens[name[i]] {
			return dst
		}
	}
	if name == "" {
		return dst
	}
	dst = append(append(dst, name...), ": "...)
	return append(AppendValue(dst, value), '\r', '\n')
}

// AppendValue appends a header value without line ends and NUL bytes.
func AppendValue(dst []byte, value string) []byte {
	if strings.IndexByte(value, '\r') < 0 && strings.IndexByte(value, '\n') < 0 && strings.IndexByte(value, 0) < 0 {
		return append(dst, value...)
	}
	for i := range len(value) {
		switch c := value[i]; c {
		case '\r', '\n', 0:
			dst = append(dst, ' ')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}
