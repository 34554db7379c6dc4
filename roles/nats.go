package roles

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/limen-gateway/limen/platform/run"
	"github.com/limen-gateway/limen/platform/settings"
)

// NATSConfig are the settings of the embedded NATS, and of the client of one elsewhere. The zero value keeps its streams in
// the data folder, and only this process can reach it.
type NATSConfig struct {
	Listen       string        `yaml:"listen" help:"address where other processes reach NATS, such as 0.0.0.0:4222; none when empty"`
	MaxBytes     int64         `yaml:"max_bytes" default:"10737418240" help:"how much disk the streams may take"`
	SyncInterval time.Duration `yaml:"sync_interval" help:"for members of a cluster: how long an acknowledged write may be in the memory of the machines alone; before it is acknowledged each is on disk when empty. A power cut of all members at once may cost what was acknowledged in this time: requests of quotas are granted again, ends of WebSocket connections are not told. One of a member costs nothing"`

	Name             string   `yaml:"name" default:"limen" help:"the member's name in its cluster; each has its own"`
	ClusterName      string   `yaml:"cluster_name" default:"limen" help:"the name of the cluster, the same for all members"`
	ClusterListen    string   `yaml:"cluster_listen" help:"address where the other members reach this one, such as 0.0.0.0:6222; a single server when empty"`
	ClusterAdvertise string   `yaml:"cluster_advertise" help:"host:port that this member tells the others to reach it at, when that is not cluster_listen"`
	Routes           []string `yaml:"routes" help:"URLs of all members, such as nats://nats1:6222,nats://nats2:6222; this one may be among them"`

	Replicas int `yaml:"replicas" default:"1" help:"how many members keep each of our streams and buckets, for the roles that make them: metering and wsconn; 3 in a cluster of three"`

	URL             string `yaml:"url" help:"URLs of a NATS elsewhere with commas between, all its members, such as nats://nats1:4222,nats://nats2:4222, for processes that do not run the role nats"`
	User            string `yaml:"user" help:"the user that the NATS elsewhere knows this process by"`
	PasswordFile    string `yaml:"password_file" help:"the file of the user's password"`
	TokenFile       string `yaml:"token_file" help:"the file of the token that the NATS elsewhere asks for"`
	CredentialsFile string `yaml:"credentials_file" help:"the .creds file that the operator of the NATS elsewhere gave"`
	ClientTLS       `yaml:",inline"`
}

// Check tells which setting breaks which rule.
func (c *NATSConfig) Check() error {
	var problems []error
	for _, a := range []struct{ setting, address string }{
		{"listen", c.Listen}, {"cluster_listen", c.ClusterListen}, {"cluster_advertise", c.ClusterAdvertise},
	} {
		if _, _, err := hostPort(a.address); err != nil {
			problems = append(problems, settings.Refuse(a.setting, "must be host:port, not %q", a.address))
		}
	}
	if c.MaxBytes < 0 {
		problems = append(problems, settings.Refuse("max_bytes", "must not be negative"))
	}
	problems = append(problems, c.checkCluster()...)
	problems = append(problems, c.checkClient()...)
	return errors.Join(append(problems, c.ClientTLS.check()...)...)
}

func (c *NATSConfig) checkCluster() (problems []error) {
	if (c.ClusterListen != "") != (len(c.Routes) > 0) {
		problems = append(problems, settings.Refuse("cluster_listen", "must be given together with routes"))
	}
	for _, r := range c.Routes {
		if !isURL(r, "nats") {
			problems = append(problems, settings.Refuse("routes", "must be URLs such as nats://nats1:6222, not %q", r))
		}
	}
	switch {
	case c.SyncInterval < 0:
		problems = append(problems, settings.Refuse("sync_interval", "must not be negative"))
	case c.SyncInterval > 0 && c.ClusterListen == "":
		problems = append(problems, settings.Refuse("sync_interval", "is for members of a cluster: a single server has each write on disk before it acknowledges it"))
	}
	if c.Replicas < 1 || c.Replicas > 5 || c.Replicas%2 == 0 {
		problems = append(problems, settings.Refuse("replicas", "must be 1, 3 or 5, not %d", c.Replicas))
	}
	return problems
}

func (c *NATSConfig) checkClient() (problems []error) {
	for u := range strings.SplitSeq(c.URL, ",") {
		if c.URL != "" && !isURL(u, "nats", "tls") {
			problems = append(problems, settings.Refuse("url", "must be URLs such as nats://nats1:4222 with commas between and no password in them, not %q", u))
		}
	}
	if (c.User != "") != (c.PasswordFile != "") {
		problems = append(problems, settings.Refuse("user", "must be given together with password_file"))
	}
	ways := slices.DeleteFunc([]string{c.User, c.TokenFile, c.CredentialsFile}, func(s string) bool { return s == "" })
	if len(ways) > 1 {
		problems = append(problems, settings.Refuse("user", "can't be given together with token_file or credentials_file, nor these with one another"))
	}
	return problems
}

// hostPort reads an address; nothing is port 0 of no host.
func hostPort(address string) (host string, port int, err error) {
	if address == "" {
		return "", 0, nil
	}
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	port, err = strconv.Atoi(text)
	return host, port, err
}

// natsStartTimeout is generous: JetStream reads its streams before it is ready.
const natsStartTimeout = time.Minute

// natsServer is the role nats: a durable server, alone or in a cluster.
type natsServer struct {
	house *house
	ready chan struct{}
}

func newNATS(h *house) (run.Service, error) {
	return &natsServer{h, make(chan struct{})}, nil
}

func (n *natsServer) Ready() <-chan struct{} { return n.ready }

func (n *natsServer) options() (*server.Options, error) {
	config := n.house.config.NATS
	host, port, err := hostPort(config.Listen)
	if err != nil {
		return nil, err
	}
	o := &server.Options{
		ServerName: config.Name,
		Host:       host, Port: port,
		DontListen: config.Listen == "",
		JetStream:  true, StoreDir: n.house.dir("nats"), JetStreamMaxStore: config.MaxBytes,
		// JetStream acknowledges before it syncs, unless told: a power cut would lose what was granted.
		SyncAlways: config.SyncInterval == 0, SyncInterval: config.SyncInterval,
		NoSigs: true,
	}
	identity := n.house.identity
	if identity != nil {
		o.TLSConfig = identity.Server()
		o.CustomClientAuthentication = newNATSUsers()
	}
	if config.ClusterListen == "" {
		return o, nil
	}
	if identity != nil {
		// A route is either side's: one configuration is both.
		o.Cluster.TLSConfig = identity.Client("nats")
		o.Cluster.TLSConfig.GetConfigForClient = identity.Server("nats").GetConfigForClient
	}
	o.Cluster.Name, o.Cluster.Advertise = config.ClusterName, config.ClusterAdvertise
	// Clients know all members from their settings, by names that certificates have.
	o.Cluster.NoAdvertise = true
	o.Cluster.Host, o.Cluster.Port, err = hostPort(config.ClusterListen)
	o.Routes = server.RoutesFromStr(strings.Join(config.Routes, ","))
	return o, err
}

func (n *natsServer) start() (*server.Server, error) {
	o, err := n.options()
	if err != nil {
		return nil, err
	}
	s, err := server.NewServer(o)
	if err != nil {
		return nil, err
	}
	s.SetLoggerV2(natsLog{n.house.telemetry.Log}, false, false, false)
	s.Start()
	if !s.ReadyForConnections(natsStartTimeout) {
		s.Shutdown()
		return nil, fmt.Errorf("is not ready after %s", natsStartTimeout)
	}
	return s, nil
}

// Run runs the server and lends the house a connection that needs no socket.
func (n *natsServer) Run(ctx context.Context) error {
	s, err := n.start()
	if err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	defer s.WaitForShutdown()
	defer s.Shutdown()
	conn, err := nats.Connect("", nats.InProcessServer(s), nats.Name("limen"), nats.MaxReconnects(-1))
	if err != nil {
		return fmt.Errorf("nats: %w", err)
	}
	defer conn.Close()
	n.house.lendNATS(conn, func() error { return inCluster(s) })
	close(n.ready)
	<-ctx.Done()
	return nil
}

// inCluster reports why a member of a cluster can't serve: it has no route to another, or JetStream has no leader.
func inCluster(s *server.Server) error {
	if !s.JetStreamIsClustered() {
		return nil
	}
	if s.NumRoutes() == 0 {
		return errors.New("no route to another member")
	}
	if health := s.Healthz(&server.HealthzOptions{JSMetaOnly: true}); health.Error != "" {
		return errors.New(health.Error)
	}
	return nil
}
