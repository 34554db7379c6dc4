package admin_test

import (
	"fmt"
	"sync"
	"testing"
)

// atOnce sends n requests together and counts the answers by status.
func (p *plane) atOnce(n int, send func(i int) reply) map[int]int {
	var wg sync.WaitGroup
	var mu sync.Mutex
	statuses := map[int]int{}
	for i := range n {
		wg.Go(func() {
			r := send(i)
			mu.Lock()
			defer mu.Unlock()
			statuses[r.status]++
		})
	}
	wg.Wait()
	return statuses
}

func TestKeyValueIsClaimedOnce(t *testing.T) {
	p := newPlane(t)
	got := p.atOnce(8, func(int) reply { return p.call(alice, "POST", "/apikeys", `{"value":"0123456789012345678901"}`) })
	if got[201] != 1 || got[409] != 7 {
		t.Errorf("statuses %v", got)
	}
}

func TestKeyJoinsOnePlanOfAStage(t *testing.T) {
	p := newPlane(t)
	dev := p.staged("dev")
	key := p.must(alice, "POST", "/apikeys", `{}`)["id"].(string)
	plans := make([]string, 4)
	for i := range plans {
		plans[i] = "/usageplans/" + p.must(alice, "POST", "/usageplans", `{"name":"p"}`)["id"].(string)
	}
	// Half of the requests put the key into the plans, the other half give the plans the same stage.
	p.atOnce(8, func(i int) reply {
		if i%2 == 0 {
			return p.call(alice, "POST", plans[i/2]+"/keys", `{"keyId":"`+key+`","keyType":"API_KEY"}`)
		}
		return p.patch(plans[i/2], "add", "/apiStages", dev)
	})
	both := 0
	for _, plan := range plans {
		stages := p.must(alice, "GET", plan, "")["apiStages"].([]any)
		if p.call(alice, "GET", plan+"/keys/"+key, "").status == 200 && len(stages) == 1 {
			both++
		}
	}
	if both > 1 {
		t.Errorf("the key is in %d plans with one stage", both)
	}
}

func TestStageIsGivenToOnePlanOfAKey(t *testing.T) {
	p := newPlane(t)
	dev := p.staged("dev")
	key := p.must(alice, "POST", "/apikeys", `{}`)["id"].(string)
	plans := make([]string, 6)
	for i := range plans {
		plans[i] = "/usageplans/" + p.must(alice, "POST", "/usageplans", `{"name":"p"}`)["id"].(string)
		p.must(alice, "POST", plans[i]+"/keys", `{"keyId":"`+key+`","keyType":"API_KEY"}`)
	}
	got := p.atOnce(len(plans), func(i int) reply { return p.patch(plans[i], "add", "/apiStages", dev) })
	if got[200] != 1 || got[409] != 5 {
		t.Errorf("statuses %v", got)
	}
}

func TestDeletingALargeSubtree(t *testing.T) {
	p := newPlane(t)
	path := p.method(alice)
	root := p.must(alice, "GET", path, "")["rootResourceId"].(string)
	top := p.must(alice, "POST", path+"/resources/"+root, `{"pathPart":"top"}`)["id"].(string)
	for i := range 60 {
		p.must(alice, "POST", path+"/resources/"+top, fmt.Sprintf(`{"pathPart":"p%d"}`, i))
	}
	if r := p.call(alice, "DELETE", path+"/resources/"+top, ""); r.status != 202 {
		t.Fatalf("%d %s", r.status, r.text)
	}
	items := p.must(alice, "GET", path+"/resources?embed=methods", "")["item"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["resourceMethods"] == nil {
		t.Errorf("left: %v", items)
	}
}
