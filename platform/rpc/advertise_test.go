package rpc

import (
	"net"
	"testing"
)

func TestAdvertiseNamesAnAddressThatOthersReach(t *testing.T) {
	for listen, want := range map[string]string{"10.1.2.3:9": "10.1.2.3:9", "edge-1:9": "edge-1:9", "[::1]:9": "[::1]:9", "": "", "nonsense": "nonsense"} {
		if got, err := Advertise(listen); got != want || err != nil {
			t.Errorf("%q: %q, %v", listen, got, err)
		}
	}
	if ownAddress() == nil {
		t.Skip("this machine has no address but loopback")
	}
	for _, listen := range []string{"0.0.0.0:9", ":9", "[::]:9"} {
		got, err := Advertise(listen)
		if err != nil {
			t.Fatal(err)
		}
		host, port, err := net.SplitHostPort(got)
		if ip := net.ParseIP(host); err != nil || port != "9" || ip == nil || ip.IsUnspecified() || ip.IsLoopback() {
			t.Errorf("%q: %q, %v", listen, got, err)
		}
	}
}
