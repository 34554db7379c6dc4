package roles

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/limen-gateway/limen/platform/settings"
)

func TestSettingsOfStores(t *testing.T) {
	for _, tt := range []struct {
		name    string
		environ []string
		want    string // a part of the error; empty for none
	}{
		{"a member of etcd", []string{"LIMEN_ETCD_NAME=a", "LIMEN_ETCD_PEER_LISTEN=http://0.0.0.0:2380", "LIMEN_ETCD_INITIAL_CLUSTER=a=http://a:2380,b=http://b:2380"}, ""},
		{"a member without peers", []string{"LIMEN_ETCD_PEER_LISTEN=http://0.0.0.0:2380"}, "etcd.peer_listen must be given together with initial_cluster"},
		{"a member that is not in its cluster", []string{"LIMEN_ETCD_PEER_LISTEN=http://0.0.0.0:2380", "LIMEN_ETCD_INITIAL_CLUSTER=a=http://a:2380"}, `etcd.initial_cluster must have a URL for name, which is "limen"`},
		{"a member that is elsewhere", []string{"LIMEN_ETCD_NAME=a", "LIMEN_ETCD_PEER_LISTEN=http://0.0.0.0:2380", "LIMEN_ETCD_INITIAL_CLUSTER=a=http://a:2380", "LIMEN_ETCD_PEER_ADVERTISE=http://b:2380"},
			`etcd.peer_advertise must be what initial_cluster has for name, "http://a:2380", not "http://b:2380"`},
		{"no URL of a member", []string{"LIMEN_ETCD_INITIAL_CLUSTER=a=here"}, `etcd.initial_cluster must give each name a URL such as http://a:2380, not "here"`},
		{"a state of its own", []string{"LIMEN_ETCD_INITIAL_CLUSTER_STATE=old"}, `etcd.initial_cluster_state must be new or existing, not "old"`},
		{"plaintext beside a certificate", []string{"LIMEN_TRUST_CA_FILE=a", "LIMEN_TRUST_CERT_FILE=b", "LIMEN_TRUST_KEY_FILE=c", "LIMEN_ETCD_LISTEN=http://0.0.0.0:2379"},
			`etcd.listen must begin with https:// when trust.cert_file is given, not be "http://0.0.0.0:2379"`},
		{"TLS without a certificate", []string{"LIMEN_ETCD_LISTEN=https://0.0.0.0:2379"}, `etcd.listen must begin with http:// when trust.cert_file is empty, not be "https://0.0.0.0:2379"`},
		{"an etcd elsewhere", []string{"LIMEN_ETCD_ENDPOINTS=https://a:2379,https://b:2379", "LIMEN_ETCD_USERNAME=u", "LIMEN_ETCD_PASSWORD_FILE=f", "LIMEN_ETCD_CA_FILE=ca"}, ""},
		{"no port", []string{"LIMEN_ETCD_ENDPOINTS=https://a"}, `etcd.endpoints must be URLs such as https://etcd1:2379, not "https://a"`},
		{"a user without a password", []string{"LIMEN_ETCD_USERNAME=u"}, "etcd.username must be given together with password_file"},
		{"a certificate without a key", []string{"LIMEN_ETCD_CERT_FILE=u"}, "etcd.cert_file must be given together with key_file"},

		{"a member of NATS", []string{"LIMEN_NATS_CLUSTER_LISTEN=0.0.0.0:6222", "LIMEN_NATS_ROUTES=nats://a:6222,nats://b:6222", "LIMEN_NATS_SYNC_INTERVAL=1s", "LIMEN_NATS_REPLICAS=3"}, ""},
		{"a member without routes", []string{"LIMEN_NATS_CLUSTER_LISTEN=0.0.0.0:6222"}, "nats.cluster_listen must be given together with routes"},
		{"no URL of a route", []string{"LIMEN_NATS_ROUTES=a:6222"}, `nats.routes must be URLs such as nats://nats1:6222, not "a:6222"`},
		{"a single server that syncs late", []string{"LIMEN_NATS_SYNC_INTERVAL=1s"}, "nats.sync_interval is for members of a cluster"},
		{"an even number of replicas", []string{"LIMEN_NATS_REPLICAS=2"}, "nats.replicas must be 1, 3 or 5, not 2"},
		{"a NATS elsewhere", []string{"LIMEN_NATS_URL=tls://a:4222,nats://b:4222", "LIMEN_NATS_USER=u", "LIMEN_NATS_PASSWORD_FILE=f"}, ""},
		{"a password in a URL", []string{"LIMEN_NATS_URL=nats://u:p@a:4222"}, "nats.url must be URLs such as nats://nats1:4222 with commas between and no password in them"},
		{"two ways to sign in", []string{"LIMEN_NATS_TOKEN_FILE=t", "LIMEN_NATS_CREDENTIALS_FILE=c"}, "nats.user can't be given together with token_file or credentials_file"},
		{"a user of NATS without a password", []string{"LIMEN_NATS_USER=u"}, "nats.user must be given together with password_file"},
		{"a key without a certificate", []string{"LIMEN_NATS_KEY_FILE=u"}, "nats.cert_file must be given together with key_file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var c Config
			_, err := settings.Load(&c, settings.Sources{Environ: tt.environ})
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

func TestFilesOfStoresElsewhere(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	etcd := EtcdConfig{Endpoints: []string{"https://127.0.0.1:1"}}
	for _, tt := range []struct {
		name, store string
		config      Config
		want        string
	}{
		{"no authority", "etcd", Config{Etcd: EtcdConfig{Endpoints: etcd.Endpoints, ClientTLS: ClientTLS{CAFile: empty}}}, "etcd.ca_file: " + empty + " holds no certificate in PEM form"},
		{"no certificate", "etcd", Config{Etcd: EtcdConfig{Endpoints: etcd.Endpoints, ClientTLS: ClientTLS{CertFile: empty, KeyFile: empty}}}, "etcd.cert_file, key_file: "},
		{"no password", "etcd", Config{Etcd: EtcdConfig{Endpoints: etcd.Endpoints, Username: "u", PasswordFile: empty}}, "etcd.password_file: " + empty + " is empty"},
		{"no authority of NATS", "nats", Config{NATS: NATSConfig{URL: "nats://127.0.0.1:1", ClientTLS: ClientTLS{CAFile: empty + "x"}}}, "nats.ca_file: open "},
		{"no password of NATS", "nats", Config{NATS: NATSConfig{URL: "nats://127.0.0.1:1", User: "u", PasswordFile: empty}}, "nats.password_file: "},
		{"no token", "nats", Config{NATS: NATSConfig{URL: "nats://127.0.0.1:1", TokenFile: empty}}, "nats.token_file: "},
		{"no credentials", "nats", Config{NATS: NATSConfig{URL: "nats://127.0.0.1:1", CredentialsFile: empty}}, "nats.credentials_file: "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newSecured(t).house(tt.config, "admin")
			build := newNATSClient
			if tt.store == "etcd" {
				build = newEtcdClient
			}
			if _, err := build(h); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}
