package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// peer is one measured program, at one of the things that it does: a row of the table.
type peer struct {
	name    string
	process *process
	address string
	path    string
	host    string // the Host header; the address when empty
	key     string // the X-Api-Key header; none when empty
}

// at is another row of the same program.
func (p *peer) at(name, path, key string) *peer {
	out := *p
	out.name, out.path, out.key = p.name+", "+name, path, key
	return &out
}

// The request of every measurement goes to a route in the middle of the plan.
func (s *site) requestPath() string {
	return fmt.Sprintf("/prod/service%d/orders/4711", s.options.routes/2)
}

// check refuses a peer that does not answer as the upstream does.
func (p *peer) check(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+p.path, nil)
	if err != nil {
		return err
	}
	if p.host != "" {
		request.Host = p.host
	}
	if p.key != "" {
		request.Header.Set("X-Api-Key", p.key)
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	}
	if response.StatusCode != http.StatusOK || string(body) != string(answerBody()) {
		return fmt.Errorf("%s answers %d and not what the upstream says: %.200s", p.name, response.StatusCode, body)
	}
	return nil
}

// nginxConfig does limen's job: it finds one of so many routes, rewrites the path, passes request id and client address
// on, keeps connections to the upstream, and logs about the same fields, a write for each request as is its default. Two more
// locations do what limen's other rows do, as far as nginx has the like.
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
  limit_req_zone $http_x_api_key zone=keys:1m rate=1000000r/s;
  proxy_cache_path %[1]s/nginx-cache keys_zone=answers:1m;
  server {
    listen %[4]s backlog=4096;
%[5]s    location /keyed/ { limit_req zone=keys burst=100000 nodelay; proxy_pass http://orders/; }
    location /cached/ { proxy_cache answers; proxy_cache_valid 200 1h; proxy_pass http://orders/; }
  }
}
`

func (s *site) startNginx(ctx context.Context) ([]*peer, error) {
	path, err := find("nginx", "nginx")
	if err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	var routes strings.Builder
	for i := range s.options.routes {
		fmt.Fprintf(&routes, "    location /prod/service%d/orders/ { proxy_pass http://orders/orders/; }\n", i)
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;" // the worker must reach the run's folder
	}
	file := filepath.Join(s.dir, "nginx.conf")
	text := fmt.Sprintf(nginxConfig, s.dir, user, s.upstream.address, address, routes.String())
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		return nil, err
	}
	p, err := s.start("nginx", s.options.peerCPU, nil, nil, path, "-p", s.dir, "-c", file)
	if err != nil {
		return nil, err
	}
	p.address = address
	out := &peer{name: "nginx", process: p, address: address, path: s.requestPath()}
	if err := p.awaitPort(ctx); err != nil {
		p.stop()
		return nil, err
	}
	return []*peer{out, out.at("limit_req by a key", "/keyed/orders/4711", "bench"), out.at("proxy_cache", "/cached/orders/4711", "")}, nil
}

func (s *site) startReverseProxy(ctx context.Context) ([]*peer, error) {
	env := []string{upstreamVariable + "=" + s.upstream.address, logVariable + "=" + filepath.Join(s.dir, "reverseproxy-access.log")}
	p, err := s.startSelf(ctx, roleReverse, s.options.peerCPU, env...)
	if err != nil {
		return nil, err
	}
	return []*peer{{name: "httputil.ReverseProxy", process: p, address: p.address, path: s.requestPath()}}, nil
}
