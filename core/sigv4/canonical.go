package sigv4

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// form chooses among the canonical requests that honest signers make of one and the same request.
type form struct {
	rawPath bool // path as received; otherwise dot segments and empty ones are removed first
	noToken bool // presigned only: the token was added after signing
}

// forms lists the forms that can differ for a request: with the path normalised, as AWS does and botocore and curl too,
// or as it stands, as the Go SDK does; with the token of a presigned query, or without. The first is AWS's own. Every one
// of them binds method, host, path and query, so accepting all gives nothing away.
func forms(r *Request, s *Signature) []form {
	out := make([]form, 1, 4)
	if r.Path != "" && needsNormalising(r.Path) {
		for _, f := range out {
			f.rawPath = true
			out = append(out, f)
		}
	}
	if s.Presigned && s.SessionToken != "" {
		for _, f := range out {
			f.noToken = true
			out = append(out, f)
		}
	}
	return out
}

// appendCanonical writes the canonical request (spec/rest.md 3.7).
func appendCanonical(dst []byte, r *Request, s *Signature, f form) []byte {
	dst = append(append(dst, r.Method...), '\n')
	if f.rawPath {
		dst = appendPath(dst, r.Path)
	} else {
		dst = appendNormalPath(dst, r.Path)
	}
	dst = append(dst, '\n')
	dst = appendQuery(dst, r.RawQuery, s.Presigned, f)
	dst = append(dst, '\n')
	for _, name := range s.SignedHeaders {
		dst = append(append(dst, name...), ':')
		dst = appendHeader(dst, r.Headers, name)
		dst = append(dst, '\n')
	}
	dst = append(dst, '\n')
	for i, name := range s.SignedHeaders {
		if i > 0 {
			dst = append(dst, ';')
		}
		dst = append(dst, name...)
	}
	dst = append(dst, '\n')
	return hex.AppendEncode(dst, r.BodySHA256[:])
}

// appendStringToSign writes the string to sign for a canonical request.
func (s *Signature) appendStringToSign(dst, canonical []byte) []byte {
	dst = append(append(dst, s.Algorithm...), '\n')
	dst = s.Time.AppendFormat(dst, isoBasic)
	dst = append(dst, '\n')
	dst = s.appendScope(dst)
	dst = append(dst, '\n')
	sum := sha256.Sum256(canonical)
	return hex.AppendEncode(dst, sum[:])
}

func (s *Signature) appendScope(dst []byte) []byte {
	dst = append(append(dst, s.Day...), '/')
	if s.Algorithm != Asymmetric {
		dst = append(append(dst, s.Region...), '/')
	}
	dst = append(append(dst, s.Service...), '/')
	return append(dst, s.Terminator...)
}

const upperHex = "0123456789ABCDEF"

func unreserved(c byte) bool {
	return c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~'
}

func appendEncodedByte(dst []byte, c byte) []byte {
	if unreserved(c) {
		return append(dst, c)
	}
	return append(dst, '%', upperHex[c>>4], upperHex[c&15])
}

// appendPath encodes a path that may already be encoded: its percent signs become %25 (spec/control-plane.md 1.2).
func appendPath(dst []byte, path string) []byte {
	if path == "" {
		return append(dst, '/')
	}
	for i := range len(path) {
		if path[i] == '/' {
			dst = append(dst, '/')
			continue
		}
		dst = appendEncodedByte(dst, path[i])
	}
	return dst
}

// appendNormalPath is appendPath after the removal of "." and ".." segments and of empty ones. A slash at the end stays.
func appendNormalPath(dst []byte, path string) []byte {
	if !needsNormalising(path) {
		return appendPath(dst, path)
	}
	var kept []string
	for segment := range strings.SplitSeq(path, "/") {
		switch segment {
		case "", ".":
		case "..":
			kept = kept[:max(len(kept)-1, 0)]
		default:
			kept = append(kept, segment)
		}
	}
	for _, segment := range kept {
		dst = append(dst, '/')
		dst = appendPath(dst, segment)
	}
	if len(kept) == 0 || strings.HasSuffix(path, "/") {
		dst = append(dst, '/')
	}
	return dst
}

func needsNormalising(path string) bool {
	return !strings.HasPrefix(path, "/") || strings.Contains(path, "//") || strings.Contains(path, "/.")
}

// appendQuery writes parameters encoded, sorted by name, then by value.
func appendQuery(dst []byte, rawQuery string, presigned bool, f form) []byte {
	if rawQuery == "" {
		return dst
	}
	pairs := make([]pair, 0, strings.Count(rawQuery, "&")+1)
	for raw := range strings.SplitSeq(rawQuery, "&") {
		name, value, _ := strings.Cut(raw, "=")
		if raw == "" || presigned && (name == "X-Amz-Signature" || f.noToken && name == "X-Amz-Security-Token") {
			continue
		}
		pairs = append(pairs, pair{reencode(name), reencode(value)})
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if c := strings.Compare(a.name, b.name); c != 0 {
			return c
		}
		return strings.Compare(a.value, b.value)
	})
	for i, p := range pairs {
		if i > 0 {
			dst = append(dst, '&')
		}
		dst = append(dst, p.name...)
		dst = append(dst, '=')
		dst = append(dst, p.value...)
	}
	return dst
}

// pair is one query parameter in its canonical spelling.
type pair struct{ name, value string }

// reencode gives a query name or value its one canonical spelling; most have it already and are not copied.
func reencode(s string) string {
	if isCanonical(s) {
		return s
	}
	var small [64]byte
	decoded := appendDecoded(small[:0], s)
	out := make([]byte, 0, len(s)+16)
	for _, c := range decoded {
		out = appendEncodedByte(out, c)
	}
	return string(out)
}

func isCanonical(s string) bool {
	for i := 0; i < len(s); i++ {
		if unreserved(s[i]) {
			continue
		}
		if s[i] != '%' || i+2 >= len(s) || !isUpperHex(s[i+1]) || !isUpperHex(s[i+2]) || unreserved(unhex(s[i+1])<<4|unhex(s[i+2])) {
			return false
		}
		i += 2
	}
	return true
}

// appendDecoded takes a plus for a space; a percent sign that begins no escape stands for itself.
func appendDecoded(dst []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '+':
			dst = append(dst, ' ')
		case c == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			dst = append(dst, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

func isUpperHex(c byte) bool { return c >= '0' && c <= '9' || c >= 'A' && c <= 'F' }

func isHex(c byte) bool { return isUpperHex(c) || c >= 'a' && c <= 'f' }

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// appendHeader joins all values of a header, each trimmed and with its runs of white space made one space.
func appendHeader(dst []byte, headers []Header, name string) []byte {
	first := true
	for i := range headers {
		if !equalFold(headers[i].Name, name) {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = appendCollapsed(dst, headers[i].Value)
	}
	return dst
}

func appendCollapsed(dst []byte, value string) []byte {
	start := len(dst)
	gap := false
	for i := range len(value) {
		if c := value[i]; c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			if gap && len(dst) > start {
				dst = append(dst, ' ')
			}
			gap = false
			dst = append(dst, c)
			continue
		}
		gap = true
	}
	return dst
}
