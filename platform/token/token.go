// Package token makes and checks the short-lived bearer tokens that gRPC callers send in place of a signature, so that a
// plain gRPC client can call what the AWS CLI calls with SigV4.
//
// A token is limen1.CLAIMS.MAC: claims are JSON in base64url, the MAC is HMAC-SHA256 over everything before it. The key
// is derived from the caller's secret access key, so that a token never helps to forge a SigV4 signature nor the other
// way round. A token proves who called; what the caller may do is decided elsewhere.
//
// The surprise: tokens cannot be withdrawn before they expire except by deleting the access key; hence MaxLifetime.
package token

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// Scheme is the word before the token in the authorization header.
	Scheme = "Bearer"
	// DefaultLifetime is how long a token is good for when nobody says.
	DefaultLifetime = 15 * time.Minute
	// MaxLifetime is the longest life that Mint gives and Verify accepts.
	MaxLifetime = 12 * time.Hour
	// skew is how far the clock of whoever minted may be ahead of ours.
	skew = time.Minute

	prefix  = "limen1."
	maxSize = 1024
)

// The reasons to refuse a token.
var (
	ErrForm       = errors.New("not a token")
	ErrUnknownKey = errors.New("access key is unknown")
	ErrSignature  = errors.New("signature does not match")
	ErrExpired    = errors.New("token has expired")
	ErrTooEarly   = errors.New("token is from the future")
	ErrLifetime   = fmt.Errorf("token lives longer than %s, or not at all", MaxLifetime)
)

// Claims is what a token says.
type Claims struct {
	AccessKeyID string
	IssuedAt    time.Time // whole seconds
	ExpiresAt   time.Time
}

// wire is the form of Claims inside a token.
type wire struct {
	AccessKeyID string `json:"kid"`
	IssuedAt    int64  `json:"iat"`
	ExpiresAt   int64  `json:"exp"`
}

// Mint makes a token for an access key, good from now for the lifetime; zero means DefaultLifetime.
func Mint(accessKeyID, secret string, now time.Time, lifetime time.Duration) (string, error) {
	if lifetime == 0 {
		lifetime = DefaultLifetime
	}
	if lifetime < time.Second || lifetime > MaxLifetime {
		return "", ErrLifetime
	}
	claims, err := json.Marshal(wire{accessKeyID, now.Unix(), now.Add(lifetime).Unix()})
	if err != nil {
		return "", err
	}
	signed := prefix + base64.RawURLEncoding.EncodeToString(claims)
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac(secret, signed)), nil
}

// Verify checks a token and returns its claims. secretOf returns the secret of an access key, and false when there is
// none. Nothing in the token is believed before its signature is.
func Verify(token string, secretOf func(accessKeyID string) (string, bool), now time.Time) (Claims, error) {
	i := strings.LastIndexByte(token, '.')
	if len(token) > maxSize || !strings.HasPrefix(token, prefix) || i < len(prefix) {
		return Claims{}, ErrForm
	}
	strict := base64.RawURLEncoding.Strict()
	text, err1 := strict.DecodeString(token[len(prefix):i])
	sum, err2 := strict.DecodeString(token[i+1:])
	var w wire
	if err1 != nil || err2 != nil || json.Unmarshal(text, &w) != nil || w.AccessKeyID == "" {
		return Claims{}, ErrForm
	}
	secret, ok := secretOf(w.AccessKeyID)
	if !ok {
		return Claims{}, ErrUnknownKey
	}
	if !hmac.Equal(sum, mac(secret, token[:i])) {
		return Claims{}, ErrSignature
	}
	c := Claims{w.AccessKeyID, time.Unix(w.IssuedAt, 0).UTC(), time.Unix(w.ExpiresAt, 0).UTC()}
	switch life := w.ExpiresAt - w.IssuedAt; {
	case life <= 0 || life > int64(MaxLifetime/time.Second):
		return Claims{}, ErrLifetime
	case c.IssuedAt.After(now.Add(skew)):
		return Claims{}, ErrTooEarly
	case !c.ExpiresAt.After(now):
		return Claims{}, ErrExpired
	}
	return c, nil
}

func mac(secret, signed string) []byte {
	h := hmac.New(sha256.New, []byte("limen1 token"+secret))
	h.Write([]byte(signed))
	return h.Sum(nil)
}
