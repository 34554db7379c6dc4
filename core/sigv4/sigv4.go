// Package sigv4 verifies AWS Signature Versions 4 and 4A on requests, in an Authorization header or in a presigned query,
// and answers with AWS's own exception names and texts. It also signs (Version 4), for clients of ours.
//
// It holds no credentials and no clock. A caller goes in three steps, so that it may look the secret up between them and
// still report faults in AWS's order: Parse (what is claimed), Signature.Check (scope and time), Signature.Verify (the
// signature itself; it repeats Check, so leaving out the second step is safe).
//
// The surprise: execute-api and the control plane sign the path percent-encoded once more, exactly as it stands on the
// wire. A request whose path was decoded, cleaned or re-encoded on its way here cannot be verified any more.
package sigv4

import "time"

// Algorithm is the name of Signature Version 4 in headers and queries.
const Algorithm = "AWS4-HMAC-SHA256"

const (
	terminator = "aws4_request"
	isoBasic   = "20060102T150405Z"
	isoDay     = "20060102"
	maxSkew    = 5 * time.Minute
	maxExpires = 7 * 24 * time.Hour
)

// AWS's exception names. All of them travel with status 403.
const (
	MissingToken     = "MissingAuthenticationTokenException"
	Incomplete       = "IncompleteSignatureException"
	Invalid          = "InvalidSignatureException"
	UnrecognizedUser = "UnrecognizedClientException"
	Expired          = "ExpiredTokenException"
)

// Error is a refusal as AWS words it: Type is the exception name.
type Error struct {
	Type    string
	Message string

	brief string // "": Message itself
}

func (e *Error) Error() string { return e.Type + ": " + e.Message }

// Brief says what is wrong in a line that may be kept. Message is for the sender of the request alone: it may repeat all that
// was signed, and an Authorization header that holds a secret of another kind.
func (e *Error) Brief() string {
	if e.brief != "" {
		return e.brief
	}
	return e.Message
}

// UnknownKey is the answer to an access key that does not exist and to a session token that does not belong to it.
func UnknownKey() *Error {
	return &Error{Type: UnrecognizedUser, Message: "The security token included in the request is invalid."}
}

// ExpiredToken is the answer to a session token past its end. AWS ends this text without a full stop.
func ExpiredToken() *Error {
	return &Error{Type: Expired, Message: "The security token included in the request is expired"}
}

// Header is one header line. The type is an alias, so that any slice of such pairs fits without being copied.
type Header = struct{ Name, Value string }

// Request is what a signature covers.
type Request struct {
	Method     string
	Path       string   // as on the wire: still encoded, stage or base path included, without the query
	RawQuery   string   // as on the wire, without the question mark
	Headers    []Header // in order of arrival; must hold Host (over HTTP/2: the :authority, under the name host)
	BodySHA256 [32]byte // of the body as received; sha256.Sum256(nil) when there is none
}

// Rules is what a service demands of a signature beyond its being right.
type Rules struct {
	Now      time.Time
	Services []string // accepted services of the scope; error texts name the first; at least one
	Regions  []string // accepted regions of the scope; empty accepts all
	// HideCanonical leaves the canonical string and the string to sign out of the text of a mismatch. AWS echoes them;
	// they repeat every signed header, session tokens included.
	HideCanonical bool
}

// Signature is what a request claims about itself. Nothing of it is proven until Verify has returned nil.
type Signature struct {
	Algorithm     string // Algorithm or Asymmetric
	AccessKey     string
	Day           string // YYYYMMDD of the scope
	Region        string // of the scope; for Asymmetric the set of regions, as sent: us-east-1,eu-*
	Service       string
	Terminator    string
	Time          time.Time
	SignedHeaders []string // lower case, sorted, without duplicates
	SessionToken  string   // "" without one
	Presigned     bool
	Expires       time.Duration // presigned only; 0 when the query does not say

	signature string
}

// header returns the first header of that name (given in lower case).
func (r *Request) header(name string) (string, bool) {
	for i := range r.Headers {
		if equalFold(r.Headers[i].Name, name) {
			return r.Headers[i].Value, true
		}
	}
	return "", false
}

// equalFold reports whether name in lower case is lower; ASCII only, as header names are.
func equalFold(name, lower string) bool {
	if len(name) != len(lower) {
		return false
	}
	for i := range len(name) {
		if toLower(name[i]) != lower[i] {
			return false
		}
	}
	return true
}

func toLower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
