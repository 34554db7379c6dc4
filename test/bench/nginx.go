package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// nginxConfig does limen's job: it finds one of so many routes, rewrites the path, passes request id and client address
// on, keeps connections to the upstream, and logs about the same fields, a write for each request as is its default. Two more
// locations do what limen does for API keys and with its cache, as far as nginx has the like.
const nginxConfig = `daemon off;
pid %[1]s/nginx.pid;
error_log stderr crit;
worker_processes 1;
%[2]s
events { worker_connections 4096; }
http {
  log_format limen '$time_iso8601 request_id=$request_id method=$request_method path=$uri status=$status bytes=$body_bytes_sent '
                   'latency=$request_time backend=$upstream_response_time source_ip=$remote_addr';
  access_log %[1]s/nginx-access.log limen buffer=64k flush=100ms;
  server_tokens off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  client_body_buffer_size 256k;
  client_body_temp_path %[1]s/nginx-body;
  proxy_temp_path %[1]s/nginx-proxy;
  fastcgi_temp_path %[1]s/nginx-fastcgi;
  uwsgi_temp_path %[1]s/nginx-uwsgi;
  scgi_temp_path %[1]s/nginx-scgi;
  upstream orders { server %[3]s; keepalive 512; keepalive_requests 1000000000; }
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
  proxy_set_header X-Request-Id $request_id;
  add_header x-amzn-RequestId $request_id;
  map_hash_max_size 65536;
  map_hash_bucket_size 128;
  map $http_x_api_key $known { default 0; include %[1]s/nginx.keys; }
  limit_req_zone $http_x_api_key zone=keys:16m rate=1000000r/s;
  open_file_cache max=20000 inactive=1h;
  open_file_cache_valid 1h;
  proxy_cache_path %[1]s/nginx-cache levels=1:2 keys_zone=answers:16m;
  server {
    listen %[4]s backlog=4096;
    listen %[5]s backlog=4096 ssl http2;
    listen %[6]s backlog=4096 http2;
    ssl_certificate %[7]s.crt;
    ssl_certificate_key %[7]s.key;
    ssl_protocols TLSv1.2 TLSv1.3;
%[8]s    location /keyed/ { if ($known = 0) { return 403; } limit_req zone=keys burst=100000 nodelay; proxy_pass http://orders/; }
    location /cached/ { proxy_cache answers; proxy_cache_valid 200 1h; proxy_pass http://orders/; }
  }
}
`

// nginxSite is one nginx and what its configuration is made of.
type nginxSite struct {
	file                 string
	plain, secure, h2c   string // addresses
	upstream, cert, user string
}

func (s *site) newNginx() (*nginxSite, error) {
	n := &nginxSite{file: filepath.Join(s.dir, "nginx.conf"), upstream: s.upstream.address, cert: s.cert}
	if os.Geteuid() == 0 {
		n.user = "user root;" // the worker must reach the run's folder
	}
	return n, freeAddresses(&n.plain, &n.secure, &n.h2c)
}

// write describes so many routes.
func (n *nginxSite) write(routes int) error {
	dir := filepath.Dir(n.file)
	var locations, keys strings.Builder
	for i := range routes {
		fmt.Fprintf(&locations, "    location /prod/service%d/orders/ { proxy_pass http://orders/orders/; }\n", i)
	}
	for _, key := range apiKeys(planThrottled, throttledKeys) {
		fmt.Fprintf(&keys, "%s 1;\n", key)
	}
	if err := os.WriteFile(filepath.Join(dir, "nginx.keys"), []byte(keys.String()), 0o600); err != nil {
		return err
	}
	text := fmt.Sprintf(nginxConfig, dir, n.user, n.upstream, n.plain, n.secure, n.h2c, n.cert, locations.String())
	return os.WriteFile(n.file, []byte(text), 0o600)
}

func (n *nginxSite) start(s *site) (*process, error) {
	path, err := find("nginx", "nginx")
	if err != nil {
		return nil, err
	}
	return s.start("nginx", s.options.peerCPU, nil, nil, path, "-p", s.dir, "-c", n.file)
}

func (s *site) startNginx(context.Context) (*program, error) {
	n, err := s.newNginx()
	if err != nil {
		return nil, err
	}
	if err := n.write(s.options.routes); err != nil {
		return nil, err
	}
	p, err := n.start(s)
	if err != nil {
		return nil, err
	}
	jobs := s.sharedJobs("", n.plain, n.secure, n.h2c)
	jobs[jobKey] = jobs[jobPlain].at("/keyed/orders/4711").keyed(apiKeys(planThrottled, throttledKeys))
	jobs[jobQuota] = jobs[jobKey]
	jobs[jobCache] = jobs[jobPlain].at(cachedPaths("/cached")...)
	return &program{nameNginx, p, jobs}, nil
}
