package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// request is what a load asks of a program over and over.
type request struct {
	Address string // host:port
	Secure  bool   // over TLS
	HTTP2   bool
	Host    string   // the Host header; the address when empty
	Paths   []string // in turn
	Keys    []string // the X-Api-Key headers, in turn; none when empty
	Body    int      // bytes of JSON that are posted; a GET without
}

// The ways from one request to that of another job.

func (r request) at(paths ...string) request { r.Paths = paths; return r }

func (r request) keyed(keys []string) request { r.Keys = keys; return r }

func (r request) posting(bytes int) request { r.Body = bytes; return r }

func (r request) secure(address string) request { r.Address, r.Secure = address, true; return r }

func (r request) http2(address string) request { r.Address, r.HTTP2 = address, true; return r }

func (r request) host() string {
	if r.Host == "" {
		return r.Address
	}
	return r.Host
}

func (r request) method() string {
	if r.Body > 0 {
		return http.MethodPost
	}
	return http.MethodGet
}

func (r request) url() string {
	scheme := "http"
	if r.Secure {
		scheme = "https"
	}
	return scheme + "://" + r.Address + r.Paths[0]
}

// single says whether all requests are the same.
func (r request) single() bool { return len(r.Paths) == 1 && len(r.Keys) <= 1 }

// path and key are those of the request of this number.
func (r request) path(i int) string { return r.Paths[i%len(r.Paths)] }

func (r request) key(i int) string {
	if len(r.Keys) == 0 {
		return ""
	}
	return r.Keys[i%len(r.Keys)]
}

// bodyOf is JSON of so many bytes.
func bodyOf(length int) []byte {
	const head, end = `{"note":"`, `"}`
	return []byte(head + strings.Repeat("x", max(0, length-len(head)-len(end))) + end)
}

// check refuses a program that does not answer as the upstream does.
func (r request) check(ctx context.Context) error {
	out, err := http.NewRequestWithContext(ctx, r.method(), r.url(), nil)
	if err != nil {
		return err
	}
	out.Host = r.Host
	if r.Body > 0 {
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(bodyOf(r.Body))), int64(r.Body)
		out.Header.Set("Content-Type", "application/json")
	}
	if len(r.Keys) > 0 {
		out.Header.Set("X-Api-Key", r.Keys[0])
	}
	response, err := r.client().Do(out)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK || !bytes.Equal(body, answerBody()) || (response.ProtoMajor == 2) != r.HTTP2 {
		return fmt.Errorf("%s answers %s %d and not what the upstream says: %.200s", r.url(), response.Proto, response.StatusCode, body)
	}
	return nil
}

// client speaks the one protocol that the request is for.
func (r request) client() *http.Client {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!r.HTTP2)
	protocols.SetHTTP2(r.HTTP2 && r.Secure)
	protocols.SetUnencryptedHTTP2(r.HTTP2 && !r.Secure)
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		Protocols: protocols, DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
}

// await asks until the program answers as the upstream does, and says how long that took.
func (r request) await(ctx context.Context, p *process) (time.Duration, error) {
	begin := time.Now()
	for {
		err := r.check(ctx)
		took := time.Since(begin)
		switch {
		case err == nil:
			return took, nil
		case took > startTimeout || ctx.Err() != nil:
			return 0, fmt.Errorf("%s: %w", p.name, err)
		}
		select {
		case <-p.ended:
			return 0, fmt.Errorf("%s ended: %w", p.name, err)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// script is the request in wrk's Lua. JSON's strings are Lua's too, of what stands in paths and keys.
func (r request) script(bodyFile string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "wrk.method = %q\nwrk.headers[\"Host\"] = %q\n", r.method(), r.host())
	if r.Body > 0 {
		fmt.Fprintf(&b, "wrk.headers[\"Content-Type\"] = \"application/json\"\nlocal f = io.open(%q, \"rb\")\nwrk.body = f:read(\"*a\")\nf:close()\n", bodyFile)
	}
	if len(r.Keys) > 0 {
		fmt.Fprintf(&b, "wrk.headers[\"X-Api-Key\"] = %q\n", r.Keys[0])
	}
	if r.single() {
		return b.String()
	}
	fmt.Fprintf(&b, "local paths, keys, requests, n = %s, %s, {}, 0\n", luaList(r.Paths), luaList(r.Keys))
	fmt.Fprintf(&b, `function init()
  for i = 0, %d do
    if #keys > 0 then wrk.headers["X-Api-Key"] = keys[i %% #keys + 1] end
    requests[i + 1] = wrk.format(nil, paths[i %% #paths + 1])
  end
end
function request()
  n = n %% #requests + 1
  return requests[n]
end
`, max(len(r.Paths), len(r.Keys))-1)
	return b.String()
}

func luaList(values []string) string {
	text, _ := json.Marshal(values) // strings always can
	return "{" + strings.Trim(strings.TrimSuffix(string(text), "null"), "[]") + "}"
}

// h2loadArgs are those of h2load that say what is asked.
func (r request) h2loadArgs(bodyFile string) []string {
	args := []string{"-H", ":authority: " + r.host()}
	if r.Body > 0 {
		args = append(args, "-d", bodyFile, "-H", "content-type: application/json")
	}
	for _, key := range r.Keys[:min(1, len(r.Keys))] {
		args = append(args, "-H", "x-api-key: "+key)
	}
	for _, path := range r.Paths {
		u := url.URL{Scheme: "http", Host: r.Address}
		if r.Secure {
			u.Scheme = "https"
		}
		args = append(args, u.String()+path)
	}
	return args
}
