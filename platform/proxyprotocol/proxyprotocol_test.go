package proxyprotocol

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func ends(source, destination string) Addresses {
	return Addresses{netip.MustParseAddrPort(source), netip.MustParseAddrPort(destination)}
}

const v2 = "\r\n\r\n\x00\r\nQUIT\n"

func TestParse(t *testing.T) {
	v4, v6 := ends("192.0.2.1:4000", "198.51.100.7:443"), ends("[2001:db8::1]:4000", "[2001:db8::2]:443")
	tests := []struct {
		name, in string
		want     Addresses
		n        int
		err      error
	}{
		{"no header", "GET / HTTP/1.1\r\n", Addresses{}, 0, nil},
		{"nothing", "", Addresses{}, 0, nil},
		{"a leading empty line is HTTP's", "\r\nGET / HTTP/1.1\r\n", Addresses{}, 0, nil},
		{"a method that begins like it", "PROPFIND / HTTP/1.1\r\n", Addresses{}, 0, nil},
		{"v1 TCP4", "PROXY TCP4 192.0.2.1 198.51.100.7 4000 443\r\nGET", v4, 44, nil},
		{"v1 TCP6", "PROXY TCP6 2001:db8::1 2001:db8::2 4000 443\r\n", v6, 45, nil},
		{"v1 UNKNOWN", "PROXY UNKNOWN\r\nGET", Addresses{}, 15, nil},
		{"v1 UNKNOWN with more", "PROXY UNKNOWN ffff::1 ffff::1 65535 65535\r\n", Addresses{}, 43, nil},
		{"v1 cut", "PROXY TCP4 192.0.2.1 198.", Addresses{}, 26, ErrShort},
		{"v1 of one byte", "P", Addresses{}, 2, ErrShort},
		{"v1 without end", "PROXY TCP4 " + strings.Repeat("1", 100), Addresses{}, 0, ErrMalformed},
		{"v1 of another family", "PROXY TCP6 192.0.2.1 198.51.100.7 4000 443\r\n", Addresses{}, 0, ErrMalformed},
		{"v1 with a word too many", "PROXY TCP4 192.0.2.1 198.51.100.7 4000 443 1\r\n", Addresses{}, 0, ErrMalformed},
		{"v1 with two spaces", "PROXY TCP4  192.0.2.1 198.51.100.7 4000 443\r\n", Addresses{}, 0, ErrMalformed},
		{"v1 with a port too large", "PROXY TCP4 192.0.2.1 198.51.100.7 65536 443\r\n", Addresses{}, 0, ErrMalformed},
		{"v1 with a padded port", "PROXY TCP4 192.0.2.1 198.51.100.7 0443 443\r\n", Addresses{}, 0, ErrMalformed},
		{"v1 UDP4", "PROXY UDP4 192.0.2.1 198.51.100.7 4000 443\r\n", Addresses{}, 0, ErrMalformed},
		{"v2 TCP4", string(v4.Append(nil)) + "GET", v4, 28, nil},
		{"v2 TCP6", string(v6.Append(nil)), v6, 52, nil},
		{"v2 LOCAL", string(Addresses{}.Append(nil)) + "GET", Addresses{}, 16, nil},
		{"v2 with extensions", v2 + "\x21\x11\x00\x10\xc0\x00\x02\x01\xc6\x33\x64\x07\x0f\xa0\x01\xbb\x04\x00\x01z", v4, 32, nil},
		{"v2 UNIX", v2 + "\x21\x31\x00\x01z", Addresses{}, 17, nil},
		{"v2 of no family", v2 + "\x21\x00\x00\x00", Addresses{}, 16, nil},
		{"v2 cut in the signature", v2[:5], Addresses{}, 16, ErrShort},
		{"v2 cut in the addresses", v2 + "\x21\x11\x00\x0c\xc0", Addresses{}, 28, ErrShort},
		{"v2 too short for its addresses", v2 + "\x21\x11\x00\x04\x01\x02\x03\x04", Addresses{}, 0, ErrMalformed},
		{"v2 of version 3", v2 + "\x31\x11\x00\x00", Addresses{}, 0, ErrMalformed},
		{"v2 with an unknown command", v2 + "\x22\x11\x00\x00", Addresses{}, 0, ErrMalformed},
		{"v2 too long", v2 + "\x21\x11\xff\xff", Addresses{}, 0, ErrMalformed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, n, err := Parse([]byte(tt.in))
			if got != tt.want || n != tt.n || !errors.Is(err, tt.err) {
				t.Errorf("%v %d %v, want %v %d %v", got, n, err, tt.want, tt.n, tt.err)
			}
		})
	}
}

func TestAppend_mixedFamiliesAreIPv6(t *testing.T) {
	a := ends("192.0.2.1:1", "[2001:db8::2]:2")
	if got, n, err := Parse(a.Append(nil)); got != a || n != 52 || err != nil {
		t.Errorf("%v %d %v", got, n, err)
	}
}

// arriving is a connection on which the pieces arrive one after the other.
func arriving(t *testing.T, pieces ...string) net.Conn {
	t.Helper()
	ours, theirs := net.Pipe()
	t.Cleanup(func() { _ = ours.Close() })
	go func() {
		for _, p := range pieces {
			_, _ = io.WriteString(theirs, p)
		}
		_ = theirs.Close()
	}()
	return ours
}

func TestRead(t *testing.T) {
	a := ends("192.0.2.1:4000", "198.51.100.7:443")
	header2, header1 := string(a.Append(nil)), "PROXY TCP4 192.0.2.1 198.51.100.7 4000 443\r\n"
	const request = "GET / HTTP/1.1\r\nHost: h\r\n\r\n"
	tests := []struct {
		name   string
		pieces []string
		want   Addresses
		rest   string
	}{
		{"version 2", []string{header2, request}, a, request},
		{"version 2 in one piece with a request", []string{header2 + request}, a, request},
		{"version 2 byte by byte", strings.Split(header2+request, ""), a, request},
		{"version 1", []string{header1, request}, a, request},
		{"version 1 in one piece with a request", []string{header1 + request}, a, request},
		{"version 1 byte by byte", strings.Split(header1+request, ""), a, request},
		{"UNKNOWN before the shortest request", []string{"PROXY UNKNOWN\r\nG", "ET"}, Addresses{}, "GET"},
		{"no header", []string{request}, Addresses{}, request},
		{"less than a header before the end", []string{"PRO"}, Addresses{}, "PRO"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, rest, err := Read(arriving(t, tt.pieces...))
			if err != nil || got != tt.want {
				t.Fatalf("%v %v", got, err)
			}
			if text, err := io.ReadAll(rest); string(text) != tt.rest || err != nil {
				t.Errorf("behind it %q %v", text, err)
			}
		})
	}
	t.Run("a silent end", func(t *testing.T) {
		if _, _, err := Read(arriving(t)); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
	t.Run("version 2 leaves the connection as it is", func(t *testing.T) {
		c := arriving(t, header2+request)
		if _, rest, _ := Read(c); rest != c {
			t.Error("it is wrapped")
		}
	})
	t.Run("the deadline of the caller holds", func(t *testing.T) {
		ours, theirs := net.Pipe()
		defer ours.Close()
		defer theirs.Close()
		_ = ours.SetReadDeadline(time.Unix(1, 0))
		var timeout net.Error
		if _, _, err := Read(ours); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Error(err)
		}
	})
}

// from is a connection with the addresses of a peer.
func from(c net.Conn, source string) net.Conn {
	return ends(source, "127.0.0.1:1").Conn(c)
}

func TestTrusted(t *testing.T) {
	var nobody *Trusted
	if nobody.Trusts(arriving(t)) || nobody.Malformed() != 0 || Trust(nil, nil) != nil {
		t.Error("without networks somebody is trusted")
	}
	var log bytes.Buffer
	trusted := Trust(Networks{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	for source, want := range map[string]bool{"10.1.2.3:1": true, "11.1.2.3:1": false, "[2001:db8::1]:1": true, "[::ffff:10.1.2.3]:1": true} {
		if got := trusted.Trusts(from(arriving(t), source)); got != want {
			t.Errorf("%s: %v", source, got)
		}
	}
	if trusted.Trusts(arriving(t)) {
		t.Error("a connection without an address is trusted")
	}
	if _, _, err := trusted.Read(from(arriving(t, "PROXY TCP4 nonsense here 1 1\r\n"), "10.1.2.3:1")); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	if trusted.Malformed() != 1 || !strings.Contains(log.String(), "remote=10.1.2.3:1") {
		t.Errorf("%d %s", trusted.Malformed(), log.String())
	}
}

func TestNetworks_Check(t *testing.T) {
	if err := (Networks{netip.MustParsePrefix("10.0.0.0/8")}).Check("x"); err != nil {
		t.Error(err)
	}
	err := (Networks{netip.MustParsePrefix("10.0.0.1/8")}).Check("x")
	if err == nil || err.Error() != "x must be networks such as 10.0.0.0/8 or 10.1.2.3/32; 10.0.0.1/8 is 10.0.0.0/8" {
		t.Error(err)
	}
}

func TestConn_keepsItsHalves(t *testing.T) {
	c := arriving(t)
	if (Addresses{}).Conn(c) != c {
		t.Error("without addresses it is another connection")
	}
	half := from(c, "10.1.2.3:1").(interface{ CloseWrite() error })
	if err := half.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, in []byte) {
		a, n, err := Parse(in)
		switch {
		case errors.Is(err, ErrShort) && n <= len(in):
			t.Errorf("%d bytes are too few, yet %d would do", len(in), n)
		case err != nil && !errors.Is(err, ErrShort) && !errors.Is(err, ErrMalformed):
			t.Error(err)
		case err == nil && n > len(in):
			t.Errorf("%d bytes of %d", n, len(in))
		case err != nil || !a.Source.IsValid():
			return
		}
		again, _, err := Parse(a.Append(nil))
		if err != nil || again != a {
			t.Errorf("%v is written as %v, %v", a, again, err)
		}
		for i := range n {
			if _, _, err := Parse(in[:i]); i > 0 && !errors.Is(err, ErrShort) {
				t.Errorf("cut behind %d of %d: %v", i, n, err)
			}
		}
	})
}
