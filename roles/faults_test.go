package roles

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/core/sigv4"
	"github.com/limen-gateway/limen/platform/rootkeys"
	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/settings"
	"github.com/limen-gateway/limen/platform/telemetry"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	snapshotv1 "github.com/limen-gateway/limen/proto/snapshot/v1"
	storev1 "github.com/limen-gateway/limen/proto/store/v1"
)

// whole is a process that plays every role, with a look at its store.
type whole struct {
	t         *testing.T
	url       string
	key       rootkeys.Key
	etcd      *clientv3.Client
	http      *http.Client
	telemetry *telemetry.Telemetry
}

// startWhole runs every role in dir until the test ends, or stop is called.
func startWhole(t *testing.T, dir string) (w *whole, stop func()) {
	t.Helper()
	return startWholeWith(t, Config{DataDir: dir})
}

// startWholeWith is startWhole with settings.
func startWholeWith(t *testing.T, c Config) (w *whole, stop func()) {
	t.Helper()
	dir := c.DataDir
	c.Listen = "127.0.0.1:0"
	settings.Defaults(&c)
	tel, err := telemetry.New(c.Telemetry, "limen-test", "0")
	if err != nil {
		t.Fatal(err)
	}
	w = &whole{t: t, telemetry: tel, http: &http.Client{Transport: &http.Transport{}, Timeout: 30 * time.Second}}
	dev, err := Dev(c, tel)
	if err != nil {
		t.Fatal(err)
	}
	g := run.New(tel.Log, dev.Services...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	select {
	case <-g.Ready():
	case err := <-done:
		cancel()
		t.Fatal(err)
	}
	keys, err := rootkeys.Load(filepath.Join(dir, "root-keys"))
	if err != nil {
		t.Fatal(err)
	}
	w.url, w.key, w.etcd = "http://"+dev.Address(), keys[0], dev.house.etcd
	stop = sync.OnceFunc(func() {
		w.http.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return w, stop
}

// call signs and sends a request to the control plane.
func (w *whole) call(method, target, body string) map[string]any {
	w.t.Helper()
	req, err := http.NewRequest(method, w.url+target, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	signed := &sigv4.Request{Method: method, Path: req.URL.EscapedPath(), RawQuery: req.URL.RawQuery,
		Headers: []sigv4.Header{{Name: "Host", Value: req.URL.Host}}, BodySHA256: sha256.Sum256([]byte(body))}
	for _, h := range sigv4.Sign(signed, sigv4.Credentials{AccessKey: w.key.AccessKeyID, Secret: w.key.SecretAccessKey},
		sigv4.Scope{Region: "us-east-1", Service: "apigateway"}, time.Now()) {
		req.Header.Set(h.Name, h.Value)
	}
	res, err := w.http.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		w.t.Fatalf("%s %s: %d %s %v", method, target, res.StatusCode, text, err)
	}
	var out map[string]any
	if len(text) > 0 {
		if err := json.Unmarshal(text, &out); err != nil {
			w.t.Fatal(err)
		}
	}
	return out
}

// get asks a stage.
func (w *whole) get(api, stage string) string {
	w.t.Helper()
	res, err := w.http.Get(w.url + "/_aws/execute-api/" + api + "/" + stage + "/pets")
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", res.StatusCode, text)
}

func answering(text string) string {
	return fmt.Sprintf(`{"openapi":"3.0.1","info":{"title":"a","version":"1"},"paths":{"/pets":{"get":{"responses":{"200":{"description":"ok"}},
		"x-amazon-apigateway-integration":{"type":"mock","requestTemplates":{"application/json":"{\"statusCode\": 200}"},
		"responses":{"default":{"statusCode":"200","responseTemplates":{"application/json":%q}}}}}}}}`, text)
}

// create makes an API deployed to the stage live.
func (w *whole) create(text string) string {
	w.t.Helper()
	api := w.call("POST", "/restapis?mode=import", answering(text))["id"].(string)
	w.call("POST", "/restapis/"+api+"/deployments", `{"stageName":"live"}`)
	return api
}

// replaceContent lets the deployment of an API's stage name other bytes as its content, stored under a hash, as a damaged
// store or a newer admin might.
func (w *whole) replaceContent(api, hash string, chunk []byte) {
	w.t.Helper()
	ctx := w.t.Context()
	prefix := "/limen/us-east-1/" + w.key.Account + "/"
	var ops []clientv3.Op
	if chunk != nil {
		ops = append(ops, clientv3.OpPut(prefix+"frozen/"+api+"/"+hash+"/00000", string(chunk)))
	}
	res, err := w.etcd.Get(ctx, prefix+"deployments/"+api+"/", clientv3.WithPrefix())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, kv := range res.Kvs {
		r := &storev1.Record{}
		if err := proto.Unmarshal(kv.Value, r); err != nil {
			w.t.Fatal(err)
		}
		r.ContentHash = hash
		value, err := proto.Marshal(r)
		if err != nil {
			w.t.Fatal(err)
		}
		ops = append(ops, clientv3.OpPut(string(kv.Key), string(value)))
	}
	if _, err := w.etcd.Txn(ctx).Then(ops...).Commit(); err != nil {
		w.t.Fatal(err)
	}
}

func hashOf(b []byte) string { sum := sha256.Sum256(b); return hex.EncodeToString(sum[:]) }

// TestStageThatDoesNotCompileKeepsItsLastGoodPlan: whatever is wrong with what a stage publishes, it goes on serving what
// it served, limen wait says why, and other stages change as ever.
func TestStageThatDoesNotCompileKeepsItsLastGoodPlan(t *testing.T) {
	uncompilable, err := proto.Marshal(&snapshotv1.Deployment{Resources: []*apigatewayv1.Resource{{Id: proto.String("r"), Path: proto.String("/pets"),
		ResourceMethods: &apigatewayv1.MethodMap{Entries: map[string]*apigatewayv1.Method{"GET": {HttpMethod: proto.String("GET")}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	noise := []byte("\xff\xff not a deployment")
	tests := []struct {
		name, hash string
		chunk      []byte
		why        string
	}{
		{"does not compile", hashOf(uncompilable), uncompilable, "GET /pets: the method has no integration"},
		{"cannot be decoded", hashOf(noise), noise, "the content of the deployment cannot be read"},
		{"has other bytes than its hash says", hashOf([]byte("other")), noise, "has not arrived"},
		{"is gone", hashOf([]byte("gone")), nil, "has not arrived"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w, _ := startWhole(t, t.TempDir())
			bad, good := w.create("one"), w.create("good")
			w.replaceContent(bad, tt.hash, tt.chunk)
			var pending string
			for deadline := time.Now().Add(time.Minute); !strings.Contains(pending, tt.why); {
				if time.Now().After(deadline) {
					t.Fatalf("limen wait says %q, want %q", pending, tt.why)
				}
				pending = fmt.Sprint(w.call("POST", "/_limen/v1/wait", `{"apiId":"`+bad+`","stage":"live","timeoutMillis":"200"}`)["pending"])
			}
			if !strings.Contains(pending, "keeps the last good plan: ") {
				t.Errorf("limen wait says %q", pending)
			}
			for _, want := range []string{`limen_configuration_failing{role="edge"} 1`, `limen_configuration_followed{role="edge"} 1`} {
				if page := metrics(t, w.telemetry); !strings.Contains(page, "\n"+want+"\n") {
					t.Errorf("no %s in\n%s", want, page)
				}
			}
			if got := w.get(bad, "live"); got != "200 one" {
				t.Errorf("the stage serves %s", got)
			}
			w.call("PUT", "/restapis/"+good+"?mode=overwrite", answering("better"))
			w.call("POST", "/restapis/"+good+"/deployments", `{"stageName":"live"}`)
			if got := w.get(good, "live"); got != "200 better" {
				t.Errorf("another stage serves %s", got)
			}
			w.call("PUT", "/restapis/"+bad+"?mode=overwrite", answering("two"))
			w.call("POST", "/restapis/"+bad+"/deployments", `{"stageName":"live"}`)
			if got := w.get(bad, "live"); got != "200 two" {
				t.Errorf("mended, the stage serves %s", got)
			}
		})
	}
}

// TestSecretsAreNowhereInTheClear searches the store and all files of a process for planted secrets.
func TestSecretsAreNowhereInTheClear(t *testing.T) {
	dir := t.TempDir()
	w, stop := startWhole(t, dir)
	const value = "planted-value-of-an-api-key-0123456789"
	w.call("POST", "/apikeys", `{"name":"k","enabled":true,"value":"`+value+`"}`)
	w.create("one")
	if got := fmt.Sprint(w.call("GET", "/apikeys?includeValues=true", "")); !strings.Contains(got, value) {
		t.Errorf("the value is not kept: %s", got)
	}
	secrets := map[string]string{"value of an API key": value, "secret access key": w.key.SecretAccessKey}
	res, err := w.etcd.Get(t.Context(), "", clientv3.WithPrefix())
	if err != nil || len(res.Kvs) == 0 {
		t.Fatalf("%v, %v", res, err)
	}
	for _, kv := range res.Kvs {
		for what, secret := range secrets {
			if bytes.Contains(kv.Value, []byte(secret)) || bytes.Contains(kv.Key, []byte(secret)) {
				t.Errorf("the %s stands in the store under %s", what, kv.Key)
			}
		}
	}
	copies := searchFiles(t, dir, secrets)
	stop()
	searchFiles(t, dir, secrets)
	if copies == 0 {
		t.Error("there is no copy of the configuration")
	}
	t.Logf("%d keys of the store and %d sealed copies searched", len(res.Kvs), copies)
}

// searchFiles looks for secrets in every file but the one of root keys; it counts the copies of followers.
func searchFiles(t *testing.T, dir string, secrets map[string]string) (copies int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a running process moves its files
		}
		if err != nil || !d.Type().IsRegular() || path == filepath.Join(dir, "root-keys") {
			return err
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if strings.Contains(path, "snapshots-edge") {
			copies++
			plain := map[string]string{"configuration": "requestTemplates", "name of a stage": "live"}
			for what, word := range plain {
				if bytes.Contains(text, []byte(word)) {
					t.Errorf("the %s stands in the copy %s", what, path)
				}
			}
		}
		for what, secret := range secrets {
			if bytes.Contains(text, []byte(secret)) {
				t.Errorf("the %s stands in %s", what, path)
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return copies
}
