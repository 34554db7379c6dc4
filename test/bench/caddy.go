package main

import (
	"context"
	"fmt"
	"path/filepath"
)

// caddyConfig passes all requests on, as the ReverseProxy does.
const caddyConfig = `{
	admin off
	auto_https off
	storage file_system %[1]s/caddy
	servers {
		protocols h1 h2 h2c
	}
}
(proxy) {
	bind 127.0.0.1
	log {
		output file %[1]s/caddy-access.log
	}
	header x-amzn-RequestId {http.request.uuid}
	reverse_proxy %[2]s {
		header_up X-Request-Id {http.request.uuid}
		transport http {
			keepalive 10m
			keepalive_idle_conns 1024
			keepalive_idle_conns_per_host 1024
			compression off
		}
	}
}
http://%[3]s {
	import proxy
}
https://%[4]s {
	tls %[5]s.crt %[5]s.key
	import proxy
}
`

func (s *site) startCaddy(context.Context) (*program, error) {
	path, err := find("caddy", "caddy")
	if err != nil {
		return nil, err
	}
	var plain, secure string
	if err := freeAddresses(&plain, &secure); err != nil {
		return nil, err
	}
	file, err := s.written("Caddyfile", fmt.Appendf(nil, caddyConfig, s.dir, s.upstream.address, plain, secure, s.cert))
	if err != nil {
		return nil, err
	}
	home := filepath.Join(s.dir, "caddy")
	p, err := s.start("caddy", s.options.peerCPU, []string{"HOME=" + home, "XDG_DATA_HOME=" + home, "XDG_CONFIG_HOME=" + home}, nil,
		path, "run", "--adapter", "caddyfile", "--config", file)
	if err != nil {
		return nil, err
	}
	return &program{nameCaddy, p, s.sharedJobs("", plain, secure, plain)}, nil
}
