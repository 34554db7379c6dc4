package admin_test

import (
	"strings"
	"testing"
)

func TestImportAPIKeys(t *testing.T) {
	p := newPlane(t)
	dev := p.staged("dev")
	api, _, _ := strings.Cut(dev, ":")
	plan := func() string {
		return p.must(alice, "POST", "/usageplans", `{"name":"p","apiStages":[{"apiId":"`+api+`","stage":"dev"}]}`)["id"].(string)
	}
	one, two := plan(), plan()
	bare := p.must(alice, "POST", "/usageplans", `{"name":"p"}`)["id"].(string)
	send := func(query, text string) reply {
		return p.call(alice, "POST", "/apikeys?mode=import&format=csv"+query, text)
	}
	const first, second = "aaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbb"
	file := "\xef\xbb\xbfKEY,name,Color,Enabled,UsagePlanIds\n" +
		first + ",a,red,,\"" + one + "," + bare + "\"\n" +
		second + ",b,,false,\n" +
		second + ",c,,,\n" +
		"short,d,,,\n" +
		"cccccccccccccccccccccccc,e,,,nosuch\n" +
		"dddddddddddddddddddddddd,f,,,\"" + one + "," + two + "\"\n"
	warnings := []string{"line 4: the key of line 3 comes again", "line 5: API Key value should be at least 20 characters", "line 6: Invalid Usage Plan ID specified"}

	send("&failonwarnings=true", file).want(t, 400, "BadRequestException", "Warnings found during import:\n\t"+strings.Join(warnings, "\n\t")+
		"\n\tline 7: API Key of this row is already in Usage Plan "+one+" with the API Stage "+dev+": a key can be in only one plan for a stage")
	if items := p.must(alice, "GET", "/apikeys", "")["item"].([]any); len(items) != 0 {
		t.Errorf("a refused file left %v", items)
	}
	for _, tt := range []struct{ name, query, text, want string }{
		{"no header", "", "", "Unable to read the API keys: the file has no header row"},
		{"no name", "", "key\n", "Unable to read the API keys: the header row has no column name"},
	} {
		t.Run(tt.name, func(t *testing.T) { send(tt.query, tt.text).want(t, 400, "BadRequestException", tt.want) })
	}

	r := send("", file)
	ids, _ := r.body["ids"].([]any)
	if got, _ := r.body["warnings"].([]any); r.status != 201 || len(ids) != 2 || len(got) != 4 {
		t.Fatalf("%d %s", r.status, r.text)
	}
	id := ids[0].(string)
	k := p.must(alice, "GET", "/apikeys/"+id+"?includeValue=true", "")
	if k["value"] != first || k["name"] != "a" || k["enabled"] != true {
		t.Errorf("imported %v", k)
	}
	if b := p.must(alice, "GET", "/apikeys/"+ids[1].(string), ""); b["enabled"] != false {
		t.Errorf("imported %v", b)
	}
	again := send("", "name,key,usageplanids\nz,"+first+",\""+one+"\"\n")
	if got := again.body["ids"].([]any); len(got) != 1 || got[0] != id || again.status != 201 {
		t.Errorf("again: %s", again.text)
	}
	if k := p.must(alice, "GET", "/apikeys/"+id+"?includeValue=true", ""); k["name"] != "z" || k["value"] != first {
		t.Errorf("overwritten: %v", k)
	}
	if items := p.must(alice, "GET", "/usageplans?keyId="+id, "")["item"].([]any); len(items) != 2 {
		t.Errorf("plans: %v", items)
	}
}
