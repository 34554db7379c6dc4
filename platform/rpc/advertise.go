package rpc

import (
	"fmt"
	"net"
	"os"
)

// Advertise is what others dial to reach a listener: host:port of its address, with this machine's own one in the place of
// "all addresses", which means nothing elsewhere. An address that cannot be read stays as it is.
func Advertise(listen string) (string, error) {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen, nil
	}
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return listen, nil
	}
	own := ownAddress()
	if own == nil {
		return "", fmt.Errorf("this machine's own address is not known, and others cannot dial %s: name an address to listen on", listen)
	}
	return net.JoinHostPort(own.String(), port), nil
}

// ownAddress is what the machine's name means, in a container its address; else the first address of its interfaces.
func ownAddress() net.IP {
	var candidates []net.IP
	if name, err := os.Hostname(); err == nil {
		candidates, _ = net.LookupIP(name)
	}
	interfaces, _ := net.InterfaceAddrs()
	for _, a := range interfaces {
		if n, ok := a.(*net.IPNet); ok {
			candidates = append(candidates, n.IP)
		}
	}
	for _, ip := range candidates {
		if ip.IsGlobalUnicast() {
			return ip
		}
	}
	return nil
}
