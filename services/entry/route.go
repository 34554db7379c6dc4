package entry

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Route is where connections come in and where they go: LISTEN=TARGET, or LISTEN=TARGET+proxy for a target that reads the
// client's address from a PROXY header. 0.0.0.0:8080=edge:8080+proxy goes to port 8080 of all addresses of the name edge.
type Route struct {
	// Listen is host:port; without a host all addresses.
	Listen string
	// Host and Port are the target: a name that may have many addresses, or one address.
	Host string
	Port uint16
	// Proxy sends a PROXY header, version 2, before the client's first byte.
	Proxy bool
}

// UnmarshalText reads a route as the setting has it.
func (r *Route) UnmarshalText(text []byte) error {
	listen, target, ok := strings.Cut(string(text), "=")
	if !ok {
		return fmt.Errorf("%q must be LISTEN=TARGET, such as 0.0.0.0:8080=edge:8080+proxy", text)
	}
	target, option, has := strings.Cut(target, "+")
	if has && option != "proxy" {
		return fmt.Errorf("%q must end with +proxy or have no +", text)
	}
	host, port, err := address(target)
	if err != nil || host == "" {
		return fmt.Errorf("the target %q of %q must be host:port", target, text)
	}
	if _, _, err := address(listen); err != nil {
		return fmt.Errorf("the address %q of %q, to listen on, must be host:port", listen, text)
	}
	*r = Route{Listen: listen, Host: host, Port: port, Proxy: has}
	return nil
}

func address(text string) (host string, port uint16, err error) {
	host, service, err := net.SplitHostPort(text)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(service, 10, 16)
	return host, uint16(n), err
}

// String is the route as the setting has it.
func (r Route) String() string {
	text := r.Listen + "=" + r.target()
	if r.Proxy {
		text += "+proxy"
	}
	return text
}

func (r Route) target() string { return net.JoinHostPort(r.Host, strconv.Itoa(int(r.Port))) }
