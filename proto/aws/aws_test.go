package aws_test

import (
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	_ "github.com/limen-gateway/limen/proto/admin/v1"
	"github.com/limen-gateway/limen/proto/aws"
)

// TestLedger: a field keeps its number for ever, and a number is never given twice.
func TestLedger(t *testing.T) {
	numbers, err := aws.Numbers()
	if err != nil {
		t.Fatal(err)
	}
	for _, service := range aws.Services {
		table, err := aws.Load(service)
		if err != nil {
			t.Fatal(err)
		}
		for name, structure := range table.Structures {
			d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName("limen." + service + ".v1." + name))
			if err != nil {
				t.Errorf("no message for %s.%s", service, name)
				continue
			}
			checkMessage(t, d.(protoreflect.MessageDescriptor), structure, numbers[service+"."+name])
		}
	}
}

func checkMessage(t *testing.T, d protoreflect.MessageDescriptor, s *aws.Structure, ledger map[string]int) {
	t.Helper()
	seen := map[int]string{}
	for member, n := range ledger {
		if other := seen[n]; other != "" {
			t.Errorf("%s: number %d stands for %s and %s", d.FullName(), n, other, member)
		}
		seen[n] = member
	}
	if d.Fields().Len() != len(s.Members) {
		t.Errorf("%s: %d fields for %d members", d.FullName(), d.Fields().Len(), len(s.Members))
	}
	for _, m := range s.Members {
		f := d.Fields().ByJSONName(m.Name)
		if f == nil {
			t.Errorf("%s: no field for member %s", d.FullName(), m.Name)
			continue
		}
		if int(f.Number()) != ledger[m.Name] {
			t.Errorf("%s.%s: number %d, ledger says %d", d.FullName(), m.Name, f.Number(), ledger[m.Name])
		}
		if !f.HasPresence() {
			t.Errorf("%s.%s: presence is lost", d.FullName(), m.Name)
		}
	}
}

// TestOperations: every operation of the models has its rpc.
func TestOperations(t *testing.T) {
	services := map[string]string{"apigateway": "ApiGateway", "apigatewayv2": "ApiGatewayV2", "apigatewaymanagementapi": "ApiGatewayManagementApi"}
	total := 0
	for _, service := range aws.Services {
		table, err := aws.Load(service)
		if err != nil {
			t.Fatal(err)
		}
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName("limen.admin.v1." + services[service]))
		if err != nil {
			t.Fatal(err)
		}
		for _, op := range table.Operations {
			total++
			if d.(protoreflect.ServiceDescriptor).Methods().ByName(protoreflect.Name(op.Name)) == nil {
				t.Errorf("no rpc for %s.%s", service, op.Name)
			}
		}
	}
	if total != 230 {
		t.Errorf("%d operations, the models have 230", total)
	}
}
