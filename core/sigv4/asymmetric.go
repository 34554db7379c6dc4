package sigv4

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/big"
	"slices"
	"strings"
)

// Asymmetric is the name of Signature Version 4A: an ECDSA signature that holds in a set of regions. Its credential has no
// region; a signed header or parameter names the set (spec/rest.md 3.7).
const Asymmetric = "AWS4-ECDSA-P256-SHA256"

// elements of a credential, and how AWS words that they are not.
func elements(algorithm string) (n int, example string) {
	if algorithm == Asymmetric {
		return 4, "keyid/date/service/term"
	}
	return 5, "keyid/date/region/service/term"
}

// inRegions reports whether one of the regions is in the signature's scope. No regions means any.
func (s *Signature) inRegions(regions []string) bool {
	if s.Algorithm != Asymmetric {
		return s.Region != "" && (len(regions) == 0 || slices.Contains(regions, s.Region))
	}
	for pattern := range strings.SplitSeq(s.Region, ",") {
		pattern = strings.TrimSpace(pattern)
		if pattern != "" && (len(regions) == 0 || slices.ContainsFunc(regions, func(r string) bool { return matches(pattern, r) })) {
			return true
		}
	}
	return false
}

// matches knows the one wildcard of region sets: a star for any run of characters. It never goes back, since the pattern
// is a stranger's: what stands between stars is taken at its first place.
func matches(pattern, region string) bool {
	head, rest, star := strings.Cut(pattern, "*")
	region, ok := strings.CutPrefix(region, head)
	if !ok || !star {
		return ok && region == ""
	}
	for {
		part, more, again := strings.Cut(rest, "*")
		if !again {
			return strings.HasSuffix(region, rest)
		}
		i := strings.Index(region, part)
		if i < 0 {
			return false
		}
		region, rest = region[i+len(part):], more
	}
}

// newAsymmetricKey derives the private key that belongs to an access key pair: the counter mode of NIST SP 800-108 over
// the secret, tried again in the rare case that its result is no scalar of the curve.
func newAsymmetricKey(accessKey, secret string) (key Key) {
	limit := new(big.Int).Sub(elliptic.P256().Params().N, big.NewInt(2))
	for counter := byte(1); counter != 0; counter++ {
		h := hmac.New(sha256.New, []byte("AWS4A"+secret))
		input := binary.BigEndian.AppendUint32(nil, 1) // of the only block
		input = append(input, Asymmetric...)
		input = append(input, 0)
		input = append(append(input, accessKey...), counter)
		input = binary.BigEndian.AppendUint32(input, 256) // bits wanted
		h.Write(input)
		if c := new(big.Int).SetBytes(h.Sum(nil)); c.Cmp(limit) < 0 {
			c.Add(c, big.NewInt(1)).FillBytes(key[:])
			return key
		}
	}
	return Key{} // no scalar, so nothing verifies
}

// verifies reports whether the signature is one of the string to sign.
func (s *Signature) verifies(key Key, toSign []byte) bool {
	signature, err := hex.DecodeString(s.signature)
	if err != nil {
		return false
	}
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), key[:])
	if err != nil {
		return false
	}
	sum := sha256.Sum256(toSign)
	return ecdsa.VerifyASN1(&private.PublicKey, sum[:], signature)
}
