package sigv4

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Parse reads the signature a request carries. Faults come in AWS's order: form of the parameters, parts missing, date,
// host not signed, algorithm, credential (spec/rest.md 3.7).
func Parse(r *Request) (*Signature, *Error) {
	auth, _ := r.header("authorization")
	auth = strings.TrimSpace(auth)
	q := presignedOf(r.RawQuery)
	switch {
	case auth != "" && q.present:
		return nil, &Error{Type: Invalid, Message: "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header."}
	case auth != "":
		return parseHeader(r, auth)
	case q.present:
		return parseQuery(q)
	}
	return nil, &Error{Type: MissingToken, Message: "Missing Authentication Token"}
}

func parseHeader(r *Request, auth string) (*Signature, *Error) {
	p, err := splitAuthorization(auth)
	if err != nil {
		return nil, err
	}
	date, dated := r.header("x-amz-date")
	if !dated {
		date, dated = r.header("date")
	}
	if text := p.missing(dated); text != "" {
		return nil, &Error{Incomplete, text + "Authorization=" + p.lead, strings.TrimSpace(text)}
	}
	s := &Signature{signature: p.signature}
	s.SessionToken, _ = r.header("x-amz-security-token")
	s.Region, _ = r.header("x-amz-region-set")
	return s, s.fill(date, p.signedHeaders, p.algorithm, p.credential)
}

// parameters are those of an Authorization header. has tells an empty SignedHeaders from an absent one.
type parameters struct {
	lead          string // the header up to its first known parameter, as error texts repeat it
	algorithm     string
	credential    string
	signature     string
	signedHeaders string
	hasSigned     bool
}

func splitAuthorization(auth string) (parameters, *Error) {
	algorithm, rest, _ := strings.Cut(auth, " ")
	p := parameters{algorithm: algorithm, lead: auth}
	separator := func(c rune) bool { return c == ',' || c == ' ' || c == '\t' }
	known := false
	for pair := range strings.FieldsFuncSeq(rest, separator) {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return p, &Error{Incomplete, fmt.Sprintf("'%s' not a valid key=value pair (missing equal-sign) in Authorization header: '%s'.", pair, auth),
				"the Authorization header holds what is no key=value pair (missing equal-sign)."}
		}
		switch name {
		case "Credential":
			p.credential = value
		case "Signature":
			p.signature = value
		case "SignedHeaders":
			p.signedHeaders, p.hasSigned = value, true
		default:
			continue
		}
		if !known {
			p.lead = strings.TrimRight(auth[:strings.Index(auth, pair)], ", \t")
		}
		known = true
	}
	return p, nil
}

// missing lists the parts that are not there, in the order and with the blanks of AWS's text.
func (p parameters) missing(dated bool) string {
	text := ""
	if p.credential == "" {
		text += "Authorization header requires 'Credential' parameter. "
	}
	if p.signature == "" {
		text += "Authorization header requires 'Signature' parameter. "
	}
	if !p.hasSigned {
		text += "Authorization header requires 'SignedHeaders' parameter. "
	}
	if !dated {
		text += "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
	}
	return text
}

// presigned holds the decoded signature parameters of a query.
type presigned struct {
	present                                                                  bool
	algorithm, credential, date, expires, headers, signature, token, regions string
}

func presignedOf(rawQuery string) presigned {
	var p presigned
	// Almost no query is presigned: one search spares decoding all of them.
	if !strings.Contains(rawQuery, "X-Amz-") {
		return p
	}
	for pair := range strings.SplitSeq(rawQuery, "&") {
		name, value, _ := strings.Cut(pair, "=")
		var into *string
		switch name {
		case "X-Amz-Algorithm":
			into, p.present = &p.algorithm, true
		case "X-Amz-Credential":
			into = &p.credential
		case "X-Amz-Date":
			into = &p.date
		case "X-Amz-Expires":
			into = &p.expires
		case "X-Amz-SignedHeaders":
			into = &p.headers
		case "X-Amz-Signature":
			into, p.present = &p.signature, true
		case "X-Amz-Security-Token":
			into = &p.token
		case "X-Amz-Region-Set":
			into = &p.regions
		default:
			continue
		}
		*into = string(appendDecoded(nil, value))
	}
	return p
}

func parseQuery(q presigned) (*Signature, *Error) {
	text := ""
	for _, part := range []struct{ name, value string }{
		{"X-Amz-Algorithm", q.algorithm}, {"X-Amz-Credential", q.credential}, {"X-Amz-Signature", q.signature},
		{"X-Amz-SignedHeaders", q.headers}, {"X-Amz-Date", q.date},
	} {
		if part.value == "" {
			text += "AWS query-string parameters must include '" + part.name + "'. "
		}
	}
	if text != "" {
		return nil, &Error{Type: Incomplete, Message: text + "Re-examine the query-string parameters."}
	}
	s := &Signature{Presigned: true, SessionToken: q.token, Region: q.regions, signature: q.signature}
	if q.expires != "" {
		seconds, err := strconv.Atoi(q.expires)
		if err != nil || seconds < 1 || seconds > int(maxExpires/time.Second) {
			return nil, &Error{Type: Incomplete, Message: "X-Amz-Expires must be a number of seconds between 1 and 604800, got '" + q.expires + "'"}
		}
		s.Expires = time.Duration(seconds) * time.Second
	}
	return s, s.fill(q.date, q.headers, q.algorithm, q.credential)
}

// fill judges and stores what both forms share.
func (s *Signature) fill(date, signedHeaders, algorithm, credential string) *Error {
	at, ok := parseDate(date)
	if !ok {
		return &Error{Type: Incomplete, Message: "Date must be in ISO-8601 'basic format'. Got '" + date + "'. See http://en.wikipedia.org/wiki/ISO_8601"}
	}
	s.Time = at
	s.SignedHeaders = splitSignedHeaders(signedHeaders)
	if _, found := slices.BinarySearch(s.SignedHeaders, "host"); !found {
		return &Error{Type: Invalid, Message: "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization."}
	}
	if algorithm != Algorithm && algorithm != Asymmetric {
		return &Error{Type: Incomplete, Message: "Unsupported AWS 'algorithm': '" + algorithm + "'."}
	}
	s.Algorithm = algorithm
	// AWS ignores slashes at the end.
	part := strings.Split(strings.TrimRight(credential, "/"), "/")
	if n, example := elements(algorithm); len(part) != n {
		return &Error{Type: Incomplete, Message: fmt.Sprintf("Credential must have exactly %d slash-delimited elements, e.g. %s, got '%s'", n, example, credential)}
	}
	s.AccessKey, s.Day = part[0], part[1]
	if algorithm == Algorithm {
		s.Region = part[2]
	}
	s.Service, s.Terminator = part[len(part)-2], part[len(part)-1]
	return nil
}

// parseDate takes the form of X-Amz-Date, and for the Date header also that of HTTP.
func parseDate(s string) (time.Time, bool) {
	for _, layout := range []string{isoBasic, "Mon, 02 Jan 2006 15:04:05 GMT"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}

func splitSignedHeaders(s string) []string {
	names := strings.Split(strings.ToLower(s), ";")
	slices.Sort(names)
	return slices.Compact(names)
}
