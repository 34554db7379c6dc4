package wsconn

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"

	"github.com/limen-gateway/limen/platform/connections"
)

// listen opens the sockets of the configuration, and announces the one for relays.
func (s *Service) listen() ([]Socket, error) {
	out := append([]Socket(nil), s.deps.Sockets...)
	fail := func(err error) ([]Socket, error) {
		for _, s := range out {
			_ = s.Close()
		}
		return nil, fmt.Errorf("wsconn: %w", err)
	}
	if address := s.config.Address; address != "" {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return fail(err)
		}
		out = append(out, Socket{Listener: l})
	}
	if s.config.TLSAddress != "" {
		l, err := s.listenTLS()
		if err != nil {
			return fail(err)
		}
		out = append(out, l)
	}
	if address := s.config.RelayAddress; address != "" {
		listener := connections.RelayListener()
		l, err := listener.Listen(context.Background(), "tcp", address)
		if err != nil {
			return fail(err)
		}
		out = append(out, Socket{Listener: l, TLS: s.deps.RelayTLS, Relay: true})
	}
	for _, socket := range out {
		if socket.Relay {
			s.node.Announce(cmp.Or(s.config.RelayAdvertise, socket.Addr().String()))
		}
	}
	return out, nil
}

func (s *Service) listenTLS() (Socket, error) {
	cert, err := tls.LoadX509KeyPair(s.config.CertFile, s.config.KeyFile)
	if err != nil {
		return Socket{}, err
	}
	l, err := net.Listen("tcp", s.config.TLSAddress)
	// WebSockets over HTTP/2 are not offered (spec/websocket.md 2).
	cfg := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	return Socket{Listener: l, TLS: cfg}, err
}
