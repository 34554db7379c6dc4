package conformance

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

// gateway is a small gateway whose answers a proof spells out.
type gateway struct {
	answers   map[string]scripted
	functions sync.Map // name → URL
	server    *httptest.Server
}

// scripted is one answer.
type scripted struct {
	Status  int             `json:"status"`
	Headers map[string]any  `json:"headers"`
	Body    json.RawMessage `json:"body"`
	Text    string          `json:"text"`
	// Echo answers the body that came.
	Echo   bool   `json:"echo"`
	Base64 string `json:"base64"`
	// Patch changes members of the right answer's body.
	Patch map[string]any `json:"patch"`
	// Wants is the body that must come, WantsHeaders the headers: they prove what the runner sends.
	Wants        string            `json:"wants"`
	WantsHeaders map[string]string `json:"wantsHeaders"`
	// Invoke are functions that are called first, with their events; the last one's answer is the body.
	Invoke []map[string]json.RawMessage `json:"invoke"`
	Socket *scriptedSocket              `json:"socket"`
}

// scriptedSocket answers messages by the function ws, until one is too long.
type scriptedSocket struct {
	CloseAbove int    `json:"closeAbove"`
	Code       int    `json:"code"`
	Reply      string `json:"reply"`
	Mute       bool   `json:"mute"`
	Noise      bool   `json:"noise"`
	Idle       bool   `json:"idle"`
	// Spell answers how a message came: its opcode, its fragments, and its bytes in base64.
	Spell bool `json:"spell"`
	// Event is put into the function's events, which are sent so many times more.
	Event map[string]any `json:"event"`
	Again int            `json:"again"`
}

func startGateway(t *testing.T, answers map[string]scripted) *gateway {
	g := &gateway{answers: answers}
	g.server = httptest.NewServer(g)
	t.Cleanup(g.server.Close)
	return g
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	if name, ok := strings.CutPrefix(r.URL.Path, functionsPath); ok {
		var f struct{ URL string }
		_ = json.Unmarshal(body, &f)
		g.functions.Store(name, f.URL)
		w.Header().Set(revision, "7")
		return
	}
	if r.URL.Path == waitPath {
		return
	}
	a, ok := g.answers[r.Method+" "+r.RequestURI]
	if !ok {
		http.Error(w, "the gateway has no answer to "+r.Method+" "+r.RequestURI, http.StatusTeapot)
		return
	}
	if wrong := a.refuses(r, body); wrong != "" {
		http.Error(w, wrong, http.StatusTeapot)
		return
	}
	g.answer(w, r, a)
}

func (a scripted) refuses(r *http.Request, body []byte) string {
	if a.Wants != "" && a.Wants != string(body) {
		return fmt.Sprintf("the body is %q, want %q", body, a.Wants)
	}
	for name, want := range a.WantsHeaders {
		got := strings.Join(r.Header.Values(name), ",")
		if name == "Host" {
			got = r.Host
		}
		if got != want {
			return fmt.Sprintf("%s is %q, want %q", name, got, want)
		}
	}
	return ""
}

func (g *gateway) answer(w http.ResponseWriter, r *http.Request, a scripted) {
	if a.Socket != nil {
		g.socket(w, r, *a.Socket)
		return
	}
	body := []byte(a.Text)
	if a.Body != nil {
		body = a.Body
	}
	if a.Echo {
		body, _ = io.ReadAll(r.Body)
	}
	if a.Base64 != "" {
		body, _ = base64.StdEncoding.DecodeString(a.Base64)
	}
	for _, call := range a.Invoke {
		for name, event := range call {
			body = g.invoke(name, event)
		}
	}
	for name, v := range a.Headers {
		if list, ok := v.([]any); ok {
			for _, each := range list {
				w.Header().Add(name, each.(string))
			}
		} else {
			w.Header().Set(name, v.(string))
		}
	}
	if a.Status != 0 {
		w.WriteHeader(a.Status)
	}
	_, _ = w.Write(body)
}

func (g *gateway) invoke(name string, event []byte) []byte {
	address, ok := g.functions.Load(name)
	if !ok {
		return []byte("no function " + name)
	}
	res, err := http.Post(address.(string), "application/json", strings.NewReader(string(event)))
	if err != nil {
		return []byte(err.Error())
	}
	defer res.Body.Close()
	out, _ := io.ReadAll(res.Body)
	return out
}

func (g *gateway) socket(w http.ResponseWriter, r *http.Request, s scriptedSocket) {
	u := websocket.Upgrader{}
	c, err := u.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer c.Close()
	if s.Spell {
		spell(c)
		return
	}
	if s.Code == 0 {
		s.Code = websocket.CloseMessageTooBig
	}
	for {
		_, text, err := c.ReadMessage()
		if err != nil {
			return
		}
		if len(text) > s.CloseAbove {
			_ = c.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(s.Code, ""))
			return
		}
		if err := g.reply(c, s, text); err != nil {
			return
		}
	}
}

func (g *gateway) reply(c *websocket.Conn, s scriptedSocket, text []byte) error {
	var answer struct{ Body string }
	if !s.Idle {
		event := map[string]any{"body": string(text), "requestContext": map[string]any{"routeKey": "m", "connectionId": "c1"}}
		maps.Copy(event, s.Event)
		for range 1 + s.Again {
			_ = json.Unmarshal(g.invoke("ws", []byte(compact(event))), &answer)
		}
	} else if strings.Contains(string(text), "echo") {
		answer.Body = string(text)
	}
	switch {
	case s.Mute:
		return nil
	case s.Reply != "":
		answer.Body = s.Reply
	case s.Noise && answer.Body == "":
		answer.Body = "noise"
	}
	if answer.Body == "" {
		return nil
	}
	return c.WriteMessage(websocket.TextMessage, []byte(answer.Body))
}

// spell reads frames by hand, because a library does not tell of them. Nothing is longer than 125 bytes.
func spell(c *websocket.Conn) {
	in := c.NetConn()
	var message []byte
	kind := byte(0)
	for frames := 1; ; frames++ {
		head := make([]byte, 6) // with the mask
		if _, err := io.ReadFull(in, head); err != nil {
			return
		}
		part := make([]byte, head[1]&0x7f)
		if _, err := io.ReadFull(in, part); err != nil {
			return
		}
		for i := range part {
			message = append(message, part[i]^head[2+i%4])
		}
		kind |= head[0] & 0x0f
		if head[0]&0x80 == 0 {
			continue
		}
		if c.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "%d %d %s", kind, frames, base64.StdEncoding.EncodeToString(message))) != nil {
			return
		}
		message, kind, frames = nil, 0, 0
	}
}

// changed are the answers with some of them replaced.
func changed(answers, by map[string]scripted) map[string]scripted {
	out := maps.Clone(answers)
	for name, a := range by {
		if a.Patch == nil {
			out[name] = a
			continue
		}
		body := map[string]any{}
		_ = json.Unmarshal(out[name].Body, &body)
		maps.Copy(body, a.Patch)
		out[name] = scripted{Body: json.RawMessage(compact(body))}
	}
	return out
}
