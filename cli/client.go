package cli

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/core/sigv4"
	"github.com/limen-gateway/limen/platform/rootkeys"
)

// client calls operations of our own on the REST face, signed like AWS's.
type client struct {
	endpoint string
	region   string
	key      rootkeys.Key
}

// clientFlags adds the flags of commands that call a running limen. Without them the AWS environment is used.
func clientFlags(c *cobra.Command) func() (*client, error) {
	endpoint := c.Flags().String("endpoint-url", "", "where limen is (AWS_ENDPOINT_URL, else http://127.0.0.1:4566)")
	dataDir := c.Flags().String("data-dir", "", "take a root key from this data folder instead of the environment")
	account := c.Flags().String("account", "", "with --data-dir: the account, the first when empty")
	return func() (*client, error) {
		key, err := accessKey(*dataDir, *account)
		if err != nil {
			return nil, err
		}
		return &client{firstOf(*endpoint, os.Getenv("AWS_ENDPOINT_URL"), "http://127.0.0.1:4566"),
			firstOf(os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1"), key}, nil
	}
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// call sends one signed request with a message as its body, nil for none, and reads the answer into out.
func (c *client) call(ctx context.Context, method, path string, in, out proto.Message) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = protojson.Marshal(in); err != nil {
			return err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.endpoint, "/")+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	signed := &sigv4.Request{Method: method, Path: req.URL.EscapedPath(), RawQuery: req.URL.RawQuery,
		Headers: []sigv4.Header{{Name: "Host", Value: req.URL.Host}}, BodySHA256: sha256.Sum256(body)}
	credentials := sigv4.Credentials{AccessKey: c.key.AccessKeyID, Secret: c.key.SecretAccessKey}
	for _, h := range sigv4.Sign(signed, credentials, sigv4.Scope{Region: c.region, Service: "apigateway"}, time.Now()) {
		req.Header.Set(h.Name, h.Value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode >= 300 {
		return refused(res, text)
	}
	return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(text, out)
}

func refused(res *http.Response, text []byte) error {
	var body struct{ Message string }
	if err := json.Unmarshal(text, &body); err != nil || body.Message == "" {
		return errors.New(res.Status)
	}
	return fmt.Errorf("%s: %s", res.Header.Get("x-amzn-ErrorType"), body.Message)
}
