package roles

import (
	"net"
	"slices"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/limen-gateway/limen/platform/connections"
	"github.com/limen-gateway/limen/platform/trust"
	"github.com/limen-gateway/limen/services/metering"
)

// What each role may say and hear on NATS, when it is known by its certificate; everything else is refused. The API of
// JetStream is named by stream: a role cannot look at another's.
//
// The surprise: what a stream that a role makes takes its messages from is in the body of the request, which nobody looks
// at; the roles that make streams are trusted that far.

const (
	jetStream = "$JS.API."
	// operator is no process of ours: it is who backs up and restores the stores, with etcd's and NATS's own tools.
	operator = "operator"
	// anInbox is where answers for a role arrive; with one prefix for each, none reads another's.
	anInbox = "_INBOX."
)

// natsUsers tells the members' clients apart by the roles in their certificates.
type natsUsers map[string]*server.Permissions

func newNATSUsers() natsUsers {
	asks := speaker{says: append(reads(bucket(connections.NodeBucket)), connections.PushSubject+">")}
	return natsUsers{
		"admin": asks.permissions("admin"),
		"edge":  asks.permissions("edge"),
		"metering": speaker{
			says:  slices.Concat(counts(metering.QuotaBucket), counts(metering.ThrottleBucket), []string{jetStream + "INFO", metering.RecallSubject}),
			hears: []string{metering.RecallSubject},
		}.permissions("metering"),
		"wsconn": speaker{
			says: slices.Concat(counts(connections.NodeBucket), makes(connections.JournalStream),
				[]string{jetStream + "INFO", jetStream + "STREAM.PURGE." + connections.JournalStream, connections.JournalSubject + ">"}),
			hears:   []string{connections.PushSubject + ">"},
			answers: true,
		}.permissions("wsconn"),
		operator: speaker{says: []string{"$JS.>"}}.permissions(operator),
	}
}

// Check is asked for each client. One without TLS is this process itself.
func (u natsUsers) Check(c server.ClientAuthentication) bool {
	state := c.GetTLSConnectionState()
	if state == nil {
		_, remote := c.RemoteAddress().(*net.TCPAddr)
		return !remote
	}
	role := trust.RoleOf(state.PeerCertificates[0])
	permissions, known := u[role]
	if known {
		c.RegisterUser(&server.User{Username: role, Permissions: permissions})
	}
	return known
}

// speaker is what a role publishes and subscribes to, besides its inbox.
type speaker struct {
	says, hears []string
	answers     bool // to whoever asks
}

func (s speaker) permissions(role string) *server.Permissions {
	out := &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: s.says},
		Subscribe: &server.SubjectPermission{Allow: append(s.hears, anInbox+role+".>")},
	}
	if s.answers {
		out.Response = &server.ResponsePermission{MaxMsgs: 1, Expires: server.DEFAULT_ALLOW_RESPONSE_EXPIRATION}
	}
	return out
}

// bucket is the stream of a key-value bucket.
func bucket(name string) string { return "KV_" + name }

// reads lets a role read and watch a stream.
func reads(stream string) []string {
	return []string{
		jetStream + "STREAM.INFO." + stream,
		jetStream + "STREAM.MSG.GET." + stream,
		jetStream + "DIRECT.GET." + stream,
		jetStream + "DIRECT.GET." + stream + ".>",
		jetStream + "CONSUMER.CREATE." + stream + ".>",
		jetStream + "CONSUMER.INFO." + stream + ".>",
		jetStream + "CONSUMER.MSG.NEXT." + stream + ".>",
		jetStream + "CONSUMER.DELETE." + stream + ".>",
		"$JS.FC." + stream + ".>",
	}
}

// makes lets it make the stream too.
func makes(stream string) []string {
	return append(reads(stream), jetStream+"STREAM.CREATE."+stream, jetStream+"STREAM.UPDATE."+stream)
}

// counts lets it make a bucket and write into it.
func counts(name string) []string {
	return append(makes(bucket(name)), "$KV."+name+".>")
}
