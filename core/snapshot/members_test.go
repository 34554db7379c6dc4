package snapshot

import (
	"os"
	"strings"
	"testing"
)

// TestPlannedMembers: proto/aws/members.tsv says what is planned, and the tables here warn of it.
func TestPlannedMembers(t *testing.T) {
	text, err := os.ReadFile("../../proto/aws/members.tsv")
	if err != nil {
		t.Fatal(err)
	}
	warned := map[string]map[string]bool{"apigateway": {}, "apigatewayv2": {}}
	note := func(service, member string) { warned[service][member] = true }
	for _, p := range plannedOfAPI {
		note("apigateway", p.member)
	}
	for _, p := range plannedOfMethod {
		note("apigateway", p.member)
	}
	for _, p := range plannedOfAuthorizer {
		note("apigateway", p.member)
	}
	for _, p := range plannedOfStage {
		note("apigateway", p.member)
	}
	for _, p := range plannedOfRoute {
		note("apigatewayv2", p.member)
	}
	for _, p := range plannedOfAPIStage {
		note("apigatewayv2", p.member)
	}
	rows := map[string]string{} // member → class and note
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSpace(line), "\t")
		rows[f[0]+" "+f[1]] = strings.Join(f[2:], " ")
		if f[2] == "planned" && !warned[f[0]][f[3]] {
			t.Errorf("%s of %s is planned, and no deployment that uses it is warned: there is no row %q", f[1], f[0], f[3])
		}
	}
	for service, members := range warned {
		for member := range members {
			name, part, _ := strings.Cut(member, " ") // behind the name, the values that are planned
			if class := rows[service+" "+name]; !strings.HasPrefix(class, "planned") && part == "" {
				t.Errorf("%s of %s is warned of, and its class is %q", name, service, class)
			}
		}
	}
}
