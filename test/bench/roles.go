package main

import (
	"bufio"
	"bytes"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// This program starts itself in more roles, so that each has cores and a garbage collector of its own.
const (
	roleVariable = "LIMEN_BENCH_ROLE"

	roleUpstream = "upstream"
	roleReverse  = "reverseproxy"
	roleLoad     = "load"
)

func serveRole(role string) {
	loads := map[string]func() error{roleLoad: serveLoad, roleSocketLoad: serveSocketLoad, roleSocketHold: serveSocketHold}
	if load := loads[role]; load != nil {
		if err := load(); err != nil {
			log.Fatal(err)
		}
		return
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Addr())
	switch role {
	case roleUpstream:
		log.Fatal(serveUpstream(l))
	case roleReverse:
		log.Fatal(serveReverseProxy(l))
	case roleGorilla:
		log.Fatal(serveGorilla(l))
	}
	log.Fatalf("no role %q", role)
}

// answerBody is 1 KiB of JSON.
func answerBody() []byte {
	var b bytes.Buffer
	b.WriteString(`{"id":"ord-4711","customer":{"name":"Zoë Example","tier":"gold","city":"Łódź"},"items":[`)
	for i := 0; b.Len() < 900; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"sku":"SKU-%04d","quantity":%d,"price":%d.%02d,"stock":true}`, i, i%7+1, 10+i, i*7%100)
	}
	b.WriteString(`],"note":"`)
	b.WriteString(strings.Repeat("x", 1024-b.Len()-2))
	b.WriteString(`"}`)
	return b.Bytes()
}

// serveUpstream answers every request with the same JSON. It looks for nothing but the end of a head and the length of a
// body: it must not be what limits the measured program.
func serveUpstream(l net.Listener) error {
	body := answerBody()
	answer := fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nServer: upstream\r\nDate: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nCache-Control: public, max-age=3600\r\n\r\n%s",
		time.Now().UTC().Format(http.TimeFormat), len(body), body)
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go answerAll(c, answer)
	}
}

// answerAll serves a connection until it ends, or until a head is longer than the buffer.
func answerAll(c net.Conn, answer []byte) {
	defer c.Close()
	r := bufio.NewReaderSize(c, 32<<10)
	for {
		length, err := readHead(r)
		if err != nil {
			return
		}
		if _, err := r.Discard(length); err != nil {
			return
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

// readHead reads a request up to its body, and says how long that is.
func readHead(r *bufio.Reader) (length int, err error) {
	const field = "content-length:"
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		switch {
		case len(line) <= 2:
			return length, nil
		case len(line) > len(field) && (line[0] == 'C' || line[0] == 'c') && strings.EqualFold(string(line[:len(field)]), field):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(field):]))); err != nil {
				return 0, err
			}
		}
	}
}
