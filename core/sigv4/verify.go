package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Check judges scope and time: all that can be said before the secret is known.
func (s *Signature) Check(rules Rules) *Error {
	if err := s.checkTime(rules.Now); err != nil {
		return err
	}
	text := ""
	if !s.inRegions(rules.Regions) {
		text += "Credential should be scoped to a valid region, not '" + s.Region + "'. "
	}
	if !slices.Contains(rules.Services, s.Service) {
		text += "Credential should be scoped to correct service: '" + first(rules.Services) + "'. "
	}
	if s.Terminator != terminator {
		text += "Credential should be scoped with a valid terminator: '" + terminator + "', not '" + s.Terminator + "'. "
	}
	if day := s.Time.Format(isoDay); s.Day != day {
		text += fmt.Sprintf("Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
			s.Day, day, s.Time.Format(isoBasic))
	}
	if text != "" {
		return &Error{Type: Invalid, Message: text}
	}
	return nil
}

func first(s []string) string {
	if len(s) == 0 {
		return ""
	}
	return s[0]
}

// checkTime: five minutes either way; a presigned request may be as old as it says itself.
func (s *Signature) checkTime(now time.Time) *Error {
	now = now.UTC().Truncate(time.Second)
	age := maxSkew
	if s.Expires > 0 {
		age = s.Expires
	}
	if oldest := now.Add(-age); s.Time.Before(oldest) {
		return &Error{Type: Invalid, Message: fmt.Sprintf("Signature expired: %s is now earlier than %s (%s - %s)",
			s.Time.Format(isoBasic), oldest.Format(isoBasic), now.Format(isoBasic), span(age))}
	}
	if newest := now.Add(maxSkew); s.Time.After(newest) {
		return &Error{Type: Invalid, Message: fmt.Sprintf("Signature not yet current: %s is still later than %s (%s + %s)",
			s.Time.Format(isoBasic), newest.Format(isoBasic), now.Format(isoBasic), span(maxSkew))}
	}
	return nil
}

func span(d time.Duration) string {
	if d%time.Minute == 0 {
		return fmt.Sprintf("%d min.", d/time.Minute)
	}
	return fmt.Sprintf("%d sec.", d/time.Second)
}

// Key is a signing key: a secret narrowed to one day, region and service. It may be kept for as long as the secret is
// valid, and spares most of the work of Verify.
type Key [sha256.Size]byte

// NewKey derives the signing key of a scope of Version 4.
func NewKey(secret, day, region, service string) Key {
	k := mac([]byte("AWS4"+secret), day)
	k = mac(k[:], region)
	k = mac(k[:], service)
	return mac(k[:], terminator)
}

func mac(key []byte, text string) (sum Key) {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	h.Sum(sum[:0])
	return sum
}

// Key derives the signing key of the signature's own scope; it depends on AccessKey, Day, Region, Service and Algorithm.
func (s *Signature) Key(secret string) Key {
	if s.Algorithm == Asymmetric {
		return newAsymmetricKey(s.AccessKey, secret)
	}
	return NewKey(secret, s.Day, s.Region, s.Service)
}

// Verify judges the whole signature against the secret of its access key. The request must be the one that was parsed.
func (s *Signature) Verify(r *Request, secret string, rules Rules) *Error {
	if err := s.Check(rules); err != nil {
		return err
	}
	return s.match(r, s.Key(secret), rules)
}

// VerifyKey is Verify with a key that Signature.Key, or NewKey for the same scope, has made.
func (s *Signature) VerifyKey(r *Request, key Key, rules Rules) *Error {
	if err := s.Check(rules); err != nil {
		return err
	}
	return s.match(r, key, rules)
}

// match tries the canonical requests that an honest signer may have made.
func (s *Signature) match(r *Request, key Key, rules Rules) *Error {
	for _, f := range forms(r, s) {
		_, toSign, sum := s.compute(r, key, f)
		if s.Algorithm == Asymmetric && s.verifies(key, toSign) {
			return nil
		}
		if subtle.ConstantTimeCompare(sum[:], []byte(s.signature)) == 1 {
			return nil
		}
	}
	return s.mismatch(r, key, rules.HideCanonical)
}

// compute makes the signature of a request in one form, as hexadecimal digits.
func (s *Signature) compute(r *Request, key Key, f form) (canonical, toSign []byte, sum [2 * sha256.Size]byte) {
	canonical = appendCanonical(make([]byte, 0, 1024), r, s, f)
	toSign = s.appendStringToSign(make([]byte, 0, 192), canonical)
	h := hmac.New(sha256.New, key[:])
	h.Write(toSign)
	var raw [sha256.Size]byte
	hex.Encode(sum[:], h.Sum(raw[:0]))
	return canonical, toSign, sum
}

func (s *Signature) mismatch(r *Request, key Key, hide bool) *Error {
	var b strings.Builder
	b.WriteString("The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.")
	if !hide {
		canonical, toSign, _ := s.compute(r, key, form{})
		fmt.Fprintf(&b, "\n\nThe Canonical String for this request should have been\n'%s'\n\nThe String-to-Sign should have been\n'%s'\n", canonical, toSign)
	}
	return &Error{Invalid, b.String(), s.different(r)}
}

// different names what may differ. Of the body it is known where the signer has told its hash.
func (s *Signature) different(r *Request) string {
	told, _ := r.header("x-amz-content-sha256")
	switch {
	case told == hex.EncodeToString(r.BodySHA256[:]) && told != "":
		return "it does not match; the body is the one that was signed, so the secret, the method, the path, the query or a signed header (" + strings.Join(s.SignedHeaders, ";") + ") differs."
	case len(told) == 2*sha256.Size:
		return "it does not match: the body is not the one that was signed, by its X-Amz-Content-Sha256."
	case told != "":
		return "it does not match: X-Amz-Content-Sha256 is " + told + ", and the hash of the body must be signed."
	}
	return "it does not match: the secret, the method, the path, the query, a signed header (" + strings.Join(s.SignedHeaders, ";") + ") or the body differs."
}
