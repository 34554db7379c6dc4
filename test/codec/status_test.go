package codec

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// statuses reads the status of every operation from the tables of the contract, spec/control-plane.md sections 5, 7 and
// 9: the SDK takes any of 200 to 299, so that it can not tell.
func statuses(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "spec", "control-plane.md"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int{}
	service := ""
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "## ") {
			service = map[string]string{"5.": "apigateway", "7.": "apigatewayv2", "9.": "apigatewaymanagementapi"}[strings.Fields(line)[1]]
		}
		cells := strings.Split(line, "|")
		switch {
		case service == "apigatewaymanagementapi" && len(cells) == 6:
			addStatuses(out, service, cells[1], cells[3])
		case service != "" && len(cells) >= 8:
			addStatuses(out, service, cells[2], cells[4])
		case service == "apigatewayv2" && len(cells) == 4:
			addPortalStatuses(out, cells[2])
		}
	}
	return out
}

// addStatuses takes one row; a row of several operations has a status for each, or one for all.
func addStatuses(out map[string]int, service, names, ok string) {
	codes := strings.Split(ok, "<br>")
	for i, name := range strings.Split(names, "<br>") {
		code := strings.TrimSpace(codes[min(i, len(codes)-1)])
		if n, err := strconv.Atoi(code[:min(3, len(code))]); err == nil {
			out[service+"."+strings.TrimSpace(name)] = n
		}
	}
}

// portalOperation is one entry of the table of developer portals: "POST 201 CreatePortal".
var portalOperation = regexp.MustCompile(`[A-Z]+ (\d\d\d) (\w+)`)

func addPortalStatuses(out map[string]int, entries string) {
	for _, m := range portalOperation.FindAllStringSubmatch(entries, -1) {
		addStatuses(out, "apigatewayv2", m[2], m[1])
	}
}

// TestStatuses: every operation answers with the status that the contract states.
func TestStatuses(t *testing.T) {
	stated := statuses(t)
	e := startEcho(t)
	if err := e.answer(map[string]any{}); err != nil {
		t.Fatal(err)
	}
	for _, service := range services {
		for _, o := range newClient(service, e).operations() {
			if _, err := send(o, newInput(o)); err != nil {
				t.Errorf("%s.%s: %v", service, o.name, err)
				continue
			}
			want, known := stated[service+"."+o.name]
			if got := o.client.wire.last.status; !known || got != want {
				t.Errorf("%s.%s answers %d, the contract states %d", service, o.name, got, want)
			}
		}
	}
}
