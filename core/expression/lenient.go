package expression

import "strings"

// strictJSON rewrites the leniencies that AWS's parser takes (names without quotes, single quotes, commas at the end) into
// JSON. It is used for routing only: the integration gets the message as it came. ok is false for what is too far off; the
// result may still be no JSON.
func strictJSON(s string) (string, bool) {
	var out strings.Builder
	out.Grow(len(s) + 16)
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case c == '"' || c == '\'':
			end := endOfString(s, i)
			if end < 0 {
				return "", false
			}
			writeQuoted(&out, s[i+1:end], c)
			i = end + 1
		case c == ',' && closes(s[i+1:]):
			i++
		case isBareStart(c):
			end := i
			for end < len(s) && (isBareStart(s[end]) || '0' <= s[end] && s[end] <= '9') {
				end++
			}
			writeBare(&out, s[i:end])
			i = end
		case '0' <= c && c <= '9', c == '-':
			// A number whole, so that the e of an exponent is not taken for a name.
			end := i
			for end < len(s) && strings.IndexByte("+-.eE0123456789", s[end]) >= 0 {
				end++
			}
			out.WriteString(s[i:end])
			i = end
		default:
			out.WriteByte(c)
			i++
		}
	}
	return out.String(), true
}

func isBareStart(c byte) bool {
	return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' || c == '$' || c >= 0x80
}

func writeBare(out *strings.Builder, word string) {
	switch word {
	case "true", "false", "null":
		out.WriteString(word)
	default:
		out.WriteByte('"')
		out.WriteString(word)
		out.WriteByte('"')
	}
}

// endOfString is where the string that begins at s[i] ends; -1 when it does not.
func endOfString(s string, i int) int {
	for j := i + 1; j < len(s); j++ {
		switch s[j] {
		case '\\':
			j++
		case s[i]:
			return j
		}
	}
	return -1
}

// writeQuoted writes a string's inside between double quotes.
func writeQuoted(out *strings.Builder, inside string, quote byte) {
	out.WriteByte('"')
	if quote == '"' {
		out.WriteString(inside)
	} else {
		for i := 0; i < len(inside); i++ {
			switch {
			case inside[i] == '\\' && i+1 < len(inside) && inside[i+1] == '\'':
				// \' is no escape of JSON
			case inside[i] == '"':
				out.WriteString(`\"`)
			case inside[i] == '\\' && i+1 < len(inside):
				out.WriteString(inside[i : i+2])
				i++
			default:
				out.WriteByte(inside[i])
			}
		}
	}
	out.WriteByte('"')
}

// closes reports whether the next thing is the end of an object or a list.
func closes(rest string) bool {
	rest = strings.TrimLeft(rest, " \t\r\n")
	return rest != "" && (rest[0] == '}' || rest[0] == ']')
}
