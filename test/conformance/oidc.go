package conformance

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"
)

const keyID = "conformance"

// signingKey is made once in a process; making one takes long.
var signingKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

// issuer is an OpenID Connect issuer with one RS256 key.
type issuer struct{}

// newIssuer makes one with the discovery document and the keys that it serves.
func newIssuer(address string) (*issuer, http.Handler) {
	mux := http.NewServeMux()
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]any{"issuer": address, "jwks_uri": address + "/keys", "id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		key, err := signingKey()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{"keys": []any{map[string]any{
			"kty": "RSA", "use": "sig", "alg": "RS256", "kid": keyID,
			"n": encoded(key.N.Bytes()), "e": encoded(big.NewInt(int64(key.E)).Bytes()),
		}}})
	})
	return &issuer{}, mux
}

func encoded(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// token signs claims given as name=value; issuer and expiry are filled in unless given. A value that is JSON is that value.
func (*issuer) token(address string, claims []string) (string, error) {
	now := time.Now().Unix()
	body := map[string]any{"iss": address, "iat": now, "exp": now + 3600}
	for _, c := range claims {
		name, value, ok := strings.Cut(c, "=")
		if !ok {
			return "", fmt.Errorf("the claim %q has no value", c)
		}
		var parsed any = value
		if json.Unmarshal([]byte(value), &parsed) != nil {
			parsed = value
		}
		body[name] = parsed
	}
	key, err := signingKey()
	if err != nil {
		return "", err
	}
	head := compact(map[string]any{"alg": "RS256", "typ": "JWT", "kid": keyID})
	text := encoded([]byte(head)) + "." + encoded([]byte(compact(body)))
	hash := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, hash[:])
	return text + "." + encoded(signature), err
}
