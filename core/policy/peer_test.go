package policy

import (
	"testing"

	cedar "github.com/cedar-policy/cedar-go"
)

// cedarPolicy says in Cedar what endpointPolicy says, but for its ARNs and patterns, which Cedar does not know.
const cedarPolicy = `permit (principal, action == Action::"Invoke", resource);
forbid (principal, action == Action::"Invoke", resource) unless { context.sourceVpce == "vpce-1" };
forbid (principal, action == Action::"Invoke", resource == Path::"GET/users/bob") when { ip(context.sourceIp).isInRange(ip("10.0.0.0/8")) || ip(context.sourceIp).isInRange(ip("192.168.0.0/16")) };`

// BenchmarkPeer is the nearest job of a well-kept library: BenchmarkDecide stands beside it.
func BenchmarkPeer(b *testing.B) {
	policies, err := cedar.NewPolicySetFromBytes("p", []byte(cedarPolicy))
	if err != nil {
		b.Fatal(err)
	}
	r := cedar.Request{Principal: cedar.NewEntityUID("User", "bob"), Action: cedar.NewEntityUID("Action", "Invoke"), Resource: cedar.NewEntityUID("Path", "GET/users/ann"),
		Context: cedar.NewRecord(cedar.RecordMap{"sourceVpce": cedar.String("vpce-1"), "sourceIp": cedar.String("192.168.3.4")})}
	b.Run("cedar-go", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if d, _ := cedar.Authorize(policies, cedar.EntityMap{}, r); d != cedar.Allow {
				b.Fatal("denied")
			}
		}
	})
}
