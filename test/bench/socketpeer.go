package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// roleGorilla is a bare gorilla/websocket server, what a Go programmer writes: every message goes back to its sender, and a
// POST to /push/{id} sends one. With a certificate it answers over TLS.
const (
	roleGorilla  = "gorilla"
	certVariable = "LIMEN_BENCH_CERT"
)

// whoAmI is the message that is answered with the connection's id, as {"id":"…"}.
const whoAmI = `{"action":"id"}`

type gorilla struct {
	upgrader websocket.Upgrader

	mu    sync.RWMutex // guards what follows
	conns map[string]*gorillaConn
	last  int
}

type gorillaConn struct {
	mu sync.Mutex // one writer at a time
	*websocket.Conn
}

func (c *gorillaConn) write(text []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.WriteMessage(websocket.TextMessage, text)
}

func serveGorilla(l net.Listener) error {
	g := &gorilla{conns: map[string]*gorillaConn{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /push/{id}", g.push)
	mux.HandleFunc("/", g.serve)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 30 * time.Second}
	if prefix := os.Getenv(certVariable); prefix != "" {
		return server.ServeTLS(l, prefix+".crt", prefix+".key")
	}
	return server.Serve(l)
}

func (g *gorilla) serve(w http.ResponseWriter, r *http.Request) {
	ws, err := g.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer ws.Close()
	c := &gorillaConn{Conn: ws}
	g.mu.Lock()
	g.last++
	id := strconv.Itoa(g.last)
	g.conns[id] = c
	g.mu.Unlock()
	defer func() {
		g.mu.Lock()
		delete(g.conns, id)
		g.mu.Unlock()
	}()
	for {
		_, text, err := ws.ReadMessage()
		if err != nil {
			return
		}
		if string(text) == whoAmI {
			text = []byte(`{"id":"` + id + `"}`)
		}
		if c.write(text) != nil {
			return
		}
	}
}

func (g *gorilla) push(w http.ResponseWriter, r *http.Request) {
	text, err := io.ReadAll(r.Body)
	g.mu.RLock()
	c := g.conns[r.PathValue("id")]
	g.mu.RUnlock()
	if err != nil || c == nil || c.write(text) != nil {
		w.WriteHeader(http.StatusGone)
	}
}

// writeCertificate makes a certificate for every peer; the result is the files' names without .crt, .key and
// .pem, which is both.
func writeCertificate(dir string) (prefix string, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour), DNSNames: []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", err
	}
	prefix = filepath.Join(dir, "peer")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
	for suffix, text := range map[string][]byte{".crt": certPEM, ".key": keyPEM, ".pem": slices.Concat(certPEM, keyPEM)} {
		if err := os.WriteFile(prefix+suffix, text, 0o600); err != nil {
			return "", err
		}
	}
	return prefix, nil
}

// dialer connects to any peer, with buffers that do not count.
func dialer() *websocket.Dialer {
	return &websocket.Dialer{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ReadBufferSize: 512, WriteBufferSize: 512, HandshakeTimeout: time.Minute}
}

// socketURL is the URL of a WebSocket, or of HTTP when it is not secure.
func socketURL(secure bool, address, path string) string {
	scheme := "ws"
	if secure {
		scheme = "wss"
	}
	return scheme + "://" + address + "/" + strings.TrimPrefix(path, "/")
}
