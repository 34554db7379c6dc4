// Package proxyprotocol passes the address of a client through a TCP proxy: versions 1 (text) and 2 (binary) of HAProxy's
// PROXY protocol are read, version 2 is written.
//
// The header is the first thing on a connection and says what the next bytes can't: who believes it must know who sent it.
// Trusted does so by networks. The surprise: a header is optional there too, since what checks the health of a listener
// from such a network often connects without one; from all other networks a header is not looked for, and is whatever the
// protocol above makes of it.
package proxyprotocol

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Addresses are the two ends of the connection that a client opened to a proxy. The zero value means that the proxy speaks
// for itself (LOCAL, UNKNOWN) or did not say.
type Addresses struct {
	Source, Destination netip.AddrPort
}

var (
	// ErrShort says that the bytes are the beginning of a header.
	ErrShort = errors.New("the PROXY header is not complete")
	// ErrMalformed says that they begin as a header and are none.
	ErrMalformed = errors.New("the PROXY header is malformed")
)

const (
	prefix1   = "PROXY "
	longest1  = 107 // with its line end
	prefix2   = "\r\n\r\n\x00\r\nQUIT\n"
	fixed2    = 16   // bytes of a version 2 header whose length is not known yet
	longest2  = 4096 // that is read: addresses and a good many extensions
	commands2 = 0x20 // version 2 in the upper half of the byte, the command in the lower
)

// Parse reads the header at the beginning of b. It takes n bytes; none when there is none, which is no error. With ErrShort
// n is how many bytes it takes to say more. Any other error wraps ErrMalformed.
func Parse(b []byte) (a Addresses, n int, err error) {
	switch {
	case begins(b, prefix1):
		return parse1(b)
	case begins(b, prefix2):
		return parse2(b)
	default:
		return Addresses{}, 0, nil
	}
}

// begins reports whether b and text agree as far as the shorter goes. Nothing agrees with nothing.
func begins(b []byte, text string) bool {
	n := min(len(b), len(text))
	return n > 0 && string(b[:n]) == text[:n]
}

func malformed(rule string, args ...any) (Addresses, int, error) {
	return Addresses{}, 0, fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(rule, args...))
}

// parse1 reads PROXY TCP4 SOURCE DESTINATION PORT PORT CRLF.
func parse1(b []byte) (Addresses, int, error) {
	line, _, whole := bytes.Cut(b[:min(len(b), longest1)], []byte("\r\n"))
	switch {
	case !whole && len(b) >= longest1:
		return malformed("the line is longer than %d bytes", longest1)
	case !whole:
		return Addresses{}, len(b) + 1, ErrShort
	}
	n := len(line) + len("\r\n")
	words := strings.Split(string(line), " ")
	if len(words) > 1 && words[1] == "UNKNOWN" {
		return Addresses{}, n, nil
	}
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return malformed("%.107q is no line of version 1", line)
	}
	source, err1 := end1(words[2], words[4], words[1] == "TCP4")
	destination, err2 := end1(words[3], words[5], words[1] == "TCP4")
	if err := errors.Join(err1, err2); err != nil {
		return malformed("%v", err)
	}
	return Addresses{source, destination}, n, nil
}

func end1(address, port string, v4 bool) (netip.AddrPort, error) {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Is4() != v4 || a.Zone() != "" {
		return netip.AddrPort{}, fmt.Errorf("%q is no address of its family", address)
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil || len(port) > 1 && port[0] == '0' {
		return netip.AddrPort{}, fmt.Errorf("%q is no port", port)
	}
	return netip.AddrPortFrom(a.Unmap(), uint16(p)), nil
}

// parse2 reads the binary form. Extensions behind the addresses are passed over.
func parse2(b []byte) (Addresses, int, error) {
	if len(b) < fixed2 {
		return Addresses{}, fixed2, ErrShort
	}
	command, family, length := b[12], b[13], int(binary.BigEndian.Uint16(b[14:]))
	n := fixed2 + length
	switch {
	case command != commands2 && command != commands2|1:
		return malformed("version and command are %#x", command)
	case n > longest2:
		return malformed("it is longer than %d bytes", longest2)
	case len(b) < n:
		return Addresses{}, n, ErrShort
	case command == commands2: // LOCAL
		return Addresses{}, n, nil
	}
	switch body := b[fixed2:n]; family {
	case 0x11: // TCP over IPv4
		return ends2(body, 4, n)
	case 0x21: // TCP over IPv6
		return ends2(body, 16, n)
	default: // a family that has no address of ours: UNIX, UDP, UNSPEC
		return Addresses{}, n, nil
	}
}

func ends2(body []byte, size, n int) (Addresses, int, error) {
	if len(body) < 2*size+4 {
		return malformed("%d bytes are too few for its addresses", len(body))
	}
	source, _ := netip.AddrFromSlice(body[:size])
	destination, _ := netip.AddrFromSlice(body[size : 2*size])
	ports := body[2*size:]
	return Addresses{
		netip.AddrPortFrom(source.Unmap(), binary.BigEndian.Uint16(ports)),
		netip.AddrPortFrom(destination.Unmap(), binary.BigEndian.Uint16(ports[2:])),
	}, n, nil
}

// Append writes a header of version 2 behind dst: LOCAL for the zero value.
func (a Addresses) Append(dst []byte) []byte {
	source, destination := a.Source.Addr().Unmap(), a.Destination.Addr().Unmap()
	dst = append(dst, prefix2...)
	switch {
	case !source.IsValid() || !destination.IsValid():
		return append(dst, commands2, 0, 0, 0)
	case source.Is4() && destination.Is4():
		dst = append(append(dst, commands2|1, 0x11, 0, 12), source.AsSlice()...)
		dst = append(dst, destination.AsSlice()...)
	default:
		from, to := source.As16(), destination.As16()
		dst = append(append(append(dst, commands2|1, 0x21, 0, 36), from[:]...), to[:]...)
	}
	dst = binary.BigEndian.AppendUint16(dst, a.Source.Port())
	return binary.BigEndian.AppendUint16(dst, a.Destination.Port())
}
