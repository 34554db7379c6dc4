package sigv4

import (
	"strings"
	"testing"
)

func TestRegionSets(t *testing.T) {
	tests := []struct {
		set     string
		regions string
		want    bool
	}{
		{"*", "eu-west-1", true}, {"eu-west-1", "eu-west-1", true}, {"eu-*", "eu-west-1", true}, {"*-1", "eu-west-1", true}, {"eu*west*1", "eu-west-1", true},
		{"us-east-1, eu-west-1", "eu-west-1", true}, {"us-*", "eu-west-1,us-east-1", true}, {"**", "x", true}, {"anything", "", true}, {"*", "", true},
		{"us-*", "eu-west-1", false}, {"eu-west", "eu-west-1", false}, {"eu-west-12", "eu-west-1", false}, {"*west*2", "eu-west-1", false}, {"*x*", "eu-west-1", false},
		{"", "eu-west-1", false}, {"", "", false}, {",", "", false},
		{strings.Repeat("*a", 5000), strings.Repeat("a", 4000), false},
	}
	for _, tt := range tests {
		s := &Signature{Algorithm: Asymmetric, Region: tt.set}
		var regions []string
		if tt.regions != "" {
			regions = strings.Split(tt.regions, ",")
		}
		if got := s.inRegions(regions); got != tt.want {
			t.Errorf("%.20q in %.20q: %v", tt.regions, tt.set, got)
		}
	}
}

func TestAsymmetricRefused(t *testing.T) {
	parse := func(credential, signature string) (*Signature, *Request, *Error) {
		r := get("/", "", "X-Amz-Date", "20260301T120000Z", "X-Amz-Region-Set", "*",
			"Authorization", Asymmetric+" Credential="+credential+", SignedHeaders=host;x-amz-date;x-amz-region-set, Signature="+signature)
		s, err := Parse(r)
		return s, r, err
	}
	if _, _, err := parse("a/20260301/eu-west-1/execute-api/aws4_request", "00"); err == nil || err.Message != "Credential must have exactly 4 slash-delimited elements, e.g. keyid/date/service/term, got 'a/20260301/eu-west-1/execute-api/aws4_request'" {
		t.Errorf("a region in the credential gives %v", err)
	}
	for _, signature := range []string{"00", "nohex"} {
		s, r, err := parse("a/20260301/execute-api/aws4_request", signature)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Verify(r, "secret", rules); err == nil || err.Type != Invalid {
			t.Errorf("signature %q gives %v", signature, err)
		}
		if s.verifies(Key{}, nil) {
			t.Error("verified without a key")
		}
	}
}
