package sigv4

import (
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// BenchmarkPeer is AWS's own signer on the request of BenchmarkVerify: to check a signature is to make it again.
func BenchmarkPeer(b *testing.B) {
	req, err := http.NewRequest(http.MethodGet, "https://example.com/prod/pets/7?b=2&a=1", nil)
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("User-Agent", "bench")
	req.Header.Set("Accept", "*/*")
	credentials := aws.Credentials{AccessKeyID: "AKIDEXAMPLE", SecretAccessKey: alice.Secret}
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	signer := v4.NewSigner() // it keeps the signing key, as BenchmarkVerify/key does
	b.Run("aws-sdk-go-v2", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := signer.SignHTTP(b.Context(), credentials, req, empty, "execute-api", "us-east-1", noon); err != nil {
				b.Fatal(err)
			}
		}
	})
}
