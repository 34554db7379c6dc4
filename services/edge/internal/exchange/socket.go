package exchange

import (
	"net"
	"strconv"
	"time"
)

// Socket is what an exchange is as an event of a WebSocket connection. A handshake is the exchange of its HTTP request; a
// message and the end of a connection have exchanges of their own.
type Socket struct {
	Event        string // event.Connect, event.Message or event.Disconnect
	ConnectionID string
	ConnectedAt  time.Time
	MessageID    string
	UserAgent    string

	DisconnectCode   int
	DisconnectReason string

	// Subprotocol is what $connect chose. Reply is the frame that answers a message; nil for none.
	Subprotocol string
	Reply       []byte
}

// Handover takes over the connection of an accepted handshake, which is no longer the listener's, and head, which the
// listener has read beyond the handshake. It is called once and must not block.
type Handover func(c net.Conn, head []byte)

// socketContext is a value of $context that only events of WebSocket connections have (spec/websocket.md 15).
func (x *Exchange) socketContext(path string) (string, bool) {
	s := x.Socket
	switch path {
	case "connectionId":
		return s.ConnectionID, true
	case "connectedAt":
		return strconv.FormatInt(s.ConnectedAt.UnixMilli(), 10), true
	case "eventType":
		return s.Event, true
	case "messageId":
		return s.MessageID, true
	case "messageDirection":
		return "IN", true
	case "identity.userAgent":
		return s.UserAgent, true
	case "disconnectReason":
		return s.DisconnectReason, true
	case "disconnectStatusCode":
		if s.DisconnectCode == 0 {
			return "", true
		}
		return strconv.Itoa(s.DisconnectCode), true
	case "routeKey":
		if x.Method == nil {
			return "", true
		}
		return x.Method.ResourcePath, true
	case "httpMethod", "path", "protocol", "resourceId", "resourcePath":
		return "", true // a connection has none of these
	}
	return "", false
}
