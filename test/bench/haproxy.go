package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// haproxyConfig does the same as nginxConfig. A request's line in the log is a write of its own.
const haproxyConfig = `global
  nbthread 1
  maxconn 4096
  log stderr format raw local0 info
  tune.bufsize 32768
defaults
  mode http
  log global
  option httplog
  option http-keep-alive
  http-reuse always
  timeout connect 5s
  timeout client 3600s
  timeout server 3600s
  timeout http-request 30s
  timeout http-keep-alive 3600s
  unique-id-format %%{+X}o%%ci:%%cp_%%fi:%%fp_%%Ts_%%rt:%%pid
cache answers
  total-max-size 64
  max-object-size 65536
  max-age 3600
frontend plain
  bind %[2]s backlog 4096
  bind %[3]s ssl crt %[6]s.pem alpn h2,http/1.1 backlog 4096
  bind %[4]s proto h2 backlog 4096
  option forwardfor
  http-request set-header X-Request-Id %%[unique-id]
  http-response set-header x-amzn-RequestId %%[unique-id]
  http-request deny deny_status 404 if !{ path,map_beg(%[1]s/haproxy.routes) -m found }
  http-request replace-path ^/prod/[^/]+/(.*) /\1
  default_backend orders
frontend keyed
  bind %[7]s backlog 4096
  option forwardfor
  http-request deny deny_status 403 if !{ req.hdr(x-api-key),map_str(%[1]s/haproxy.keys) -m found }
  http-request track-sc0 req.hdr(x-api-key) table rates
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt 100000000 }
  http-response set-header x-amzn-RequestId %%[unique-id]
  default_backend orders
frontend cached
  bind %[8]s backlog 4096
  option forwardfor
  http-request cache-use answers
  http-response cache-store answers
  http-response set-header x-amzn-RequestId %%[unique-id]
  default_backend orders
backend orders
  server upstream %[5]s pool-max-conn 1024 pool-purge-delay 1h
backend rates
  stick-table type string len 48 size 100k expire 10m store http_req_rate(10s)
`

// haproxySite is one haproxy and what its configuration is made of.
type haproxySite struct {
	file                              string
	plain, secure, h2c, keyed, cached string // addresses
	upstream, cert                    string
}

func (s *site) newHAProxy() (*haproxySite, error) {
	h := &haproxySite{file: filepath.Join(s.dir, "haproxy.cfg"), upstream: s.upstream.address, cert: s.cert}
	return h, freeAddresses(&h.plain, &h.secure, &h.h2c, &h.keyed, &h.cached)
}

// write describes so many routes.
func (h *haproxySite) write(routes int) error {
	dir := filepath.Dir(h.file)
	var paths, keys strings.Builder
	for i := range routes {
		fmt.Fprintf(&paths, "/prod/service%d/orders/ orders\n", i)
	}
	for _, key := range apiKeys(planThrottled, throttledKeys) {
		fmt.Fprintf(&keys, "%s 1\n", key)
	}
	text := fmt.Sprintf(haproxyConfig, dir, h.plain, h.secure, h.h2c, h.upstream, h.cert, h.keyed, h.cached)
	for name, text := range map[string]string{"haproxy.routes": paths.String(), "haproxy.keys": keys.String(), "haproxy.cfg": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (h *haproxySite) start(s *site) (*process, error) {
	path, err := find("haproxy", "haproxy")
	if err != nil {
		return nil, err
	}
	// A master process reads the configuration anew at a signal.
	return s.start("haproxy", s.options.peerCPU, nil, nil, path, "-W", "-db", "-f", h.file)
}

func (s *site) startHAProxy(context.Context) (*program, error) {
	h, err := s.newHAProxy()
	if err != nil {
		return nil, err
	}
	if err := h.write(s.options.routes); err != nil {
		return nil, err
	}
	p, err := h.start(s)
	if err != nil {
		return nil, err
	}
	jobs := s.sharedJobs("", h.plain, h.secure, h.h2c)
	jobs[jobKey] = request{Address: h.keyed}.at("/orders/4711").keyed(apiKeys(planThrottled, throttledKeys))
	jobs[jobQuota] = jobs[jobKey]
	jobs[jobCache] = request{Address: h.cached}.at(cachedPaths("")...)
	return &program{nameHAProxy, p, jobs}, nil
}

const varnishConfig = `vcl 4.1;
backend default { .host = "%s"; .port = "%s"; }
sub vcl_backend_response { set beresp.ttl = 1h; }
sub vcl_deliver { set resp.http.x-amzn-RequestId = req.xid; }
`

// startVarnish starts a cache of answers, which does nothing else.
func (s *site) startVarnish(context.Context) (*program, error) {
	path, err := find("varnishd", "varnish")
	if err != nil {
		return nil, err
	}
	host, port, _ := strings.Cut(s.upstream.address, ":")
	file, err := s.written("varnish.vcl", fmt.Appendf(nil, varnishConfig, host, port))
	if err != nil {
		return nil, err
	}
	var address string
	if err := freeAddresses(&address); err != nil {
		return nil, err
	}
	p, err := s.start("varnish", s.options.peerCPU, nil, nil, path, "-F", "-j", "none", "-n", filepath.Join(s.dir, "varnish"), "-a", address,
		"-f", file, "-s", "malloc,64m", "-p", "thread_pools=1", "-p", "timeout_idle=3600")
	if err != nil {
		return nil, err
	}
	return &program{nameVarnish, p, map[job]request{jobCache: request{Address: address}.at(cachedPaths("")...)}}, nil
}
