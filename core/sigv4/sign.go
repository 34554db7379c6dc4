package sigv4

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Credentials sign. SessionToken is "" for long-lived ones.
type Credentials struct {
	AccessKey    string
	Secret       string
	SessionToken string
}

// Scope is where and for what a signature holds.
type Scope struct {
	Region  string
	Service string
}

// Sign returns the headers to add to a request: X-Amz-Date, Authorization, and X-Amz-Security-Token when there is one.
// Every header the request has is signed, so leave out those that change under way; Host must be among them.
func Sign(r *Request, c Credentials, scope Scope, at time.Time) []Header {
	s := scope.signature(c, at)
	added := []Header{{Name: "X-Amz-Date", Value: s.Time.Format(isoBasic)}}
	if c.SessionToken != "" {
		added = append(added, Header{Name: "X-Amz-Security-Token", Value: c.SessionToken})
	}
	signed := *r
	signed.Headers = slices.Concat(r.Headers, added)
	s.SignedHeaders = names(signed.Headers)
	_, _, sum := s.compute(&signed, NewKey(c.Secret, s.Day, s.Region, s.Service), form{})
	return append(added, Header{Name: "Authorization", Value: Algorithm + " Credential=" + s.credential() +
		", SignedHeaders=" + strings.Join(s.SignedHeaders, ";") + ", Signature=" + string(sum[:])})
}

// Presign returns the raw query that carries the signature, the request's own parameters included.
func Presign(r *Request, c Credentials, scope Scope, at time.Time, expires time.Duration) string {
	s := scope.signature(c, at)
	s.Presigned, s.Expires, s.SignedHeaders = true, expires, names(r.Headers)
	query := []byte(r.RawQuery)
	add := func(name, value string) {
		if len(query) > 0 {
			query = append(query, '&')
		}
		query = append(append(query, name...), '=')
		for i := range len(value) {
			query = appendEncodedByte(query, value[i])
		}
	}
	add("X-Amz-Algorithm", Algorithm)
	add("X-Amz-Credential", s.credential())
	add("X-Amz-Date", s.Time.Format(isoBasic))
	add("X-Amz-SignedHeaders", strings.Join(s.SignedHeaders, ";"))
	add("X-Amz-Expires", strconv.Itoa(int(expires/time.Second)))
	if c.SessionToken != "" {
		add("X-Amz-Security-Token", c.SessionToken)
	}
	signed := *r
	signed.RawQuery = string(query)
	_, _, sum := s.compute(&signed, NewKey(c.Secret, s.Day, s.Region, s.Service), form{})
	add("X-Amz-Signature", string(sum[:]))
	return string(query)
}

func (sc Scope) signature(c Credentials, at time.Time) *Signature {
	at = at.UTC()
	return &Signature{Algorithm: Algorithm, AccessKey: c.AccessKey, Day: at.Format(isoDay), Region: sc.Region, Service: sc.Service, Terminator: terminator, Time: at}
}

func (s *Signature) credential() string {
	return string(s.appendScope(append([]byte(s.AccessKey), '/')))
}

func names(headers []Header) []string {
	out := make([]string, 0, len(headers))
	for i := range headers {
		out = append(out, strings.ToLower(headers[i].Name))
	}
	slices.Sort(out)
	return slices.Compact(out)
}
