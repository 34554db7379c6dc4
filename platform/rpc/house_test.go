package rpc

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"google.golang.org/grpc"
)

// houseServices reads the names of all rpcs from the generated code, so that a new one cannot be forgotten.
func houseServices(t *testing.T) map[string]*grpc.ServiceDesc {
	t.Helper()
	fullMethod := regexp.MustCompile(`FullMethodName\s*= "/([^/"]+)/([^"]+)"`)
	services := map[string]*grpc.ServiceDesc{}
	err := filepath.WalkDir("../../proto", func(p string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(p, "_grpc.pb.go") {
			return err
		}
		text, err := os.ReadFile(p)
		for _, m := range fullMethod.FindAllStringSubmatch(string(text), -1) {
			if services[m[1]] == nil {
				services[m[1]] = &grpc.ServiceDesc{ServiceName: m[1]}
			}
			services[m[1]].Methods = append(services[m[1]].Methods, grpc.MethodDesc{MethodName: m[2]})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(services) < 6 {
		t.Fatalf("found %d services", len(services))
	}
	return services
}

func TestEveryRPCHasItsRows(t *testing.T) {
	services := houseServices(t)
	var all []*grpc.ServiceDesc
	for _, d := range services {
		all = append(all, d)
	}
	house := House()
	if err := house.Check(all...); err != nil {
		t.Error(err)
	}
	for key := range house.Callers {
		if service, _, _ := strings.Cut(key[1:], "/"); services[service] == nil {
			t.Errorf("Callers has the row %s, and there is no such service", key)
		}
	}
}
