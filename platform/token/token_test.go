package token

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

const (
	id     = "AKIAAAAAAAAAAAAAAAAA"
	secret = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
)

func secretOf(k string) (string, bool) { return secret, k == id }

func mint(t *testing.T, key, sec string, at time.Time, life time.Duration) string {
	t.Helper()
	tok, err := Mint(key, sec, at, life)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// forge signs claims that Mint would not sign.
func forge(claims string) string {
	signed := prefix + base64.RawURLEncoding.EncodeToString([]byte(claims))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac(secret, signed))
}

func TestVerifyAcceptsWhatMintMade(t *testing.T) {
	tok := mint(t, id, secret, now, 0)
	for _, at := range []time.Time{now, now.Add(-30 * time.Second), now.Add(DefaultLifetime - time.Second)} {
		got, err := Verify(tok, secretOf, at)
		want := Claims{id, now, now.Add(DefaultLifetime)}
		if err != nil || got != want {
			t.Errorf("at %v: %v, %v", at, got, err)
		}
	}
	if strings.ContainsAny(tok, " =+/,") {
		t.Errorf("token %s does not fit into a header as it is", tok)
	}
}

func TestVerifyRefuses(t *testing.T) {
	good := mint(t, id, secret, now, time.Hour)
	parts := strings.Split(good, ".")
	swapped := strings.Join([]string{parts[0], strings.Split(mint(t, id, secret, now, 2*time.Hour), ".")[1], parts[2]}, ".")
	tests := []struct {
		name, token string
		at          time.Time
		want        error
	}{
		{"expired", good, now.Add(time.Hour), ErrExpired},
		{"from the future", good, now.Add(-2 * time.Minute), ErrTooEarly},
		{"other secret", mint(t, id, secret+"x", now, 0), now, ErrSignature},
		{"other claims", swapped, now, ErrSignature},
		{"no signature", parts[0] + "." + parts[1] + ".", now, ErrSignature},
		{"unknown key", mint(t, "AKIABBBBBBBBBBBBBBBB", secret, now, 0), now, ErrUnknownKey},
		{"too long a life", forge(`{"kid":"` + id + `","iat":1772600767,"exp":9772600767}`), now, ErrLifetime},
		{"ends before it begins", forge(`{"kid":"` + id + `","iat":1772600767,"exp":1772600766}`), now, ErrLifetime},
		{"no claims", forge(`{}`), now, ErrForm},
		{"no JSON", forge(`kid`), now, ErrForm},
		{"empty", "", now, ErrForm},
		{"prefix only", prefix, now, ErrForm},
		{"two parts", parts[0] + "." + parts[1], now, ErrForm},
		{"other version", "limen2" + good[6:], now, ErrForm},
		{"padding bits", good[:len(good)-1] + string(good[len(good)-1]+1), now, ErrForm},
		{"too big", good + strings.Repeat("A", maxSize), now, ErrForm},
		{"a JWT", "eyJhbGciOiJub25lIn0.eyJraWQiOiJ4In0.", now, ErrForm},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if c, err := Verify(tt.token, secretOf, tt.at); !errors.Is(err, tt.want) || c != (Claims{}) {
				t.Errorf("%v, %v, want %v", c, err, tt.want)
			}
		})
	}
}

func TestMintRefusesALongLife(t *testing.T) {
	for _, life := range []time.Duration{-time.Second, time.Millisecond, MaxLifetime + time.Second} {
		if _, err := Mint(id, secret, now, life); !errors.Is(err, ErrLifetime) {
			t.Errorf("%v: %v", life, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	tok, err := Mint(id, secret, now, 0)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(tok)
	f.Add(forge(`{"kid":null}`))
	f.Fuzz(func(t *testing.T, token string) {
		if c, err := Verify(token, secretOf, now); err == nil && c.AccessKeyID != id {
			t.Errorf("%q verifies as %v", token, c)
		}
	})
}
