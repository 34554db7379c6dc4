package settings

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type store struct {
	DataDir string        `yaml:"data_dir" help:"where it keeps its data"`
	Timeout time.Duration `yaml:"timeout" default:"5s" help:"how long a write may take"`
	Quota   int64         `yaml:"quota"`
	Sync    *bool         `yaml:"sync"`
	Peers   []string      `yaml:"peers"`
}

func (s *store) Check() error {
	var problems []error
	if s.Quota < 0 {
		problems = append(problems, Refuse("quota", "must not be negative"))
	}
	if s.Timeout > time.Minute {
		problems = append(problems, Refuse("timeout", "must be at most %s", time.Minute))
	}
	return errors.Join(problems...)
}

type target struct {
	Address string `yaml:"address"`
	Weight  uint8  `yaml:"weight"`
}

type config struct {
	Store   store             `yaml:"store"`
	KeyFile string            `yaml:"key_file" env:"LIMEN_MASTER_KEY_FILE"`
	Token   string            `yaml:"token" secret:"true"`
	Labels  map[string]string `yaml:"labels"`
	Targets []target          `yaml:"targets"`
	Rate    float64           `yaml:"rate"`
	Hidden  string            `yaml:"-"`
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "limen.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestLaterSourcesWin(t *testing.T) {
	path := file(t, `store:
  data_dir: /from/file
  timeout: 1s
  quota: 10
  sync: false
  peers: [a, b]
labels: {team: blue}
targets:
  - address: one
    weight: 3
`)
	var got config
	l, err := Load(&got, Sources{
		File:    path,
		Environ: []string{"HOME=/root", "LIMEN_STORE_TIMEOUT=2s", "LIMEN_STORE_QUOTA=20", "LIMEN_MASTER_KEY_FILE=/key", "LIMEN_TOKEN=s3cret", "LIMEN_TYPO=1"},
		Flags:   []Flag{{"store.quota", "--quota", "30"}, {"rate", "--rate", "0.5"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	no := false
	want := config{
		Store:   store{DataDir: "/from/file", Timeout: 2 * time.Second, Quota: 30, Sync: &no, Peers: []string{"a", "b"}},
		KeyFile: "/key", Token: "s3cret", Labels: map[string]string{"team": "blue"}, Targets: []target{{"one", 3}}, Rate: 0.5,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"LIMEN_TYPO"}, l.Unknown()); diff != "" {
		t.Error(diff)
	}
	var printed strings.Builder
	if err := l.Print(&printed); err != nil {
		t.Fatal(err)
	}
	wantPrint := `store.data_dir  /from/file  limen.yaml:2
store.timeout   2s          environment LIMEN_STORE_TIMEOUT
store.quota     30          flag --quota
store.sync      false       limen.yaml:5
store.peers     a,b         limen.yaml:6
key_file        /key        environment LIMEN_MASTER_KEY_FILE
token           ****        environment LIMEN_TOKEN
labels          team=blue   limen.yaml:7
targets         {one 3}     limen.yaml:9
rate            0.5         flag --rate
`
	if diff := cmp.Diff(wantPrint, printed.String()); diff != "" {
		t.Error(diff)
	}
}

func TestNothingGiven(t *testing.T) {
	var got config
	l, err := Load(&got, Sources{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(config{Store: store{Timeout: 5 * time.Second}}, got); diff != "" {
		t.Error(diff)
	}
	if o := l.Origin("store.timeout"); o != "default" {
		t.Errorf("origin %q", o)
	}
}

func TestDefaultsKeepWhatIsSet(t *testing.T) {
	set, unset := store{Timeout: time.Second}, store{}
	Defaults(&set)
	Defaults(&unset)
	if set.Timeout != time.Second || unset.Timeout != 5*time.Second {
		t.Errorf("%v %v", set.Timeout, unset.Timeout)
	}
}

func TestProblems(t *testing.T) {
	tests := []struct {
		name  string
		file  string
		env   []string
		flags []Flag
		want  string
	}{
		{"unknown key", "store:\n  data_dri: x\n", nil, nil, "limen.yaml:2: unknown setting store.data_dri"},
		{"unknown top key", "stroe: {}\n", nil, nil, "limen.yaml:1: unknown setting stroe"},
		{"unknown key in a list", "targets:\n- adress: x\n", nil, nil, "limen.yaml:2: unknown setting targets.0.adress"},
		{"excluded field", "hidden: x\n", nil, nil, "limen.yaml:1: unknown setting hidden"},
		{"key twice", "rate: 1\nrate: 2\n", nil, nil, "limen.yaml:2: rate is set twice"},
		{"duration", "store: {timeout: 5}\n", nil, nil, `limen.yaml:1: store.timeout must be a duration such as 500ms or 10s, not "5"`},
		{"number", "store: {quota: many}\n", nil, nil, `limen.yaml:1: store.quota must be a whole number, not "many"`},
		{"too big", "targets: [{weight: 256}]\n", nil, nil, `limen.yaml:1: targets.0.weight must be a whole number, zero or more, not "256"`},
		{"list for value", "rate: [1]\n", nil, nil, "limen.yaml:1: rate must be a value, not a list"},
		{"value for list", "store: {peers: a}\n", nil, nil, "limen.yaml:1: store.peers must be a list, not a value"},
		{"value for struct", "store: here\n", nil, nil, "limen.yaml:1: store must be a mapping, not a value"},
		{"list for file", "- a\n", nil, nil, "limen.yaml:1: the file must be a mapping, not a list"},
		{"environment", "", []string{"LIMEN_STORE_SYNC=perhaps"}, nil, `environment LIMEN_STORE_SYNC: store.sync must be true or false, not "perhaps"`},
		{"pairs", "", []string{"LIMEN_LABELS=a"}, nil, `environment LIMEN_LABELS: labels must be name=value pairs with commas between, not "a"`},
		{"flag", "", nil, []Flag{{"rate", "--rate", "fast"}}, `flag --rate: rate must be a number, not "fast"`},
		{"flag of no setting", "", nil, []Flag{{"nope", "--nope", "1"}}, "flag --nope: there is no setting nope"},
		{"file only", "", []string{"LIMEN_TARGETS=x"}, nil, "environment LIMEN_TARGETS: targets can be set in a file only"},
		{"check names the origin", "store:\n  quota: -1\n", nil, nil, "limen.yaml:2: store.quota must not be negative"},
		{"every problem", "store:\n  quota: -1\n  timeout: 2m\n", nil, nil, "limen.yaml:2: store.quota must not be negative\nlimen.yaml:3: store.timeout must be at most 1m0s"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var c config
			_, err := Load(&c, Sources{File: file(t, tt.file), Environ: tt.env, Flags: tt.flags})
			if err == nil || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestNamedFileMustExist(t *testing.T) {
	var c config
	if _, err := Load(&c, Sources{File: filepath.Join(t.TempDir(), "none.yaml")}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

func TestListsAndPairsFromTheEnvironment(t *testing.T) {
	var c config
	_, err := Load(&c, Sources{Environ: []string{"LIMEN_STORE_PEERS=a, b,", "LIMEN_LABELS=x=1,y=2=3"}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a", "b"}, c.Store.Peers); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{"x": "1", "y": "2=3"}, c.Labels); diff != "" {
		t.Error(diff)
	}
}

func TestDescribe(t *testing.T) {
	got := Describe(&store{})
	want := Entry{"timeout", "LIMEN_TIMEOUT", "how long a write may take", "5s"}
	if got[1] != want {
		t.Errorf("got %+v, want %+v", got[1], want)
	}
}

func TestReference(t *testing.T) {
	type group struct {
		Format  string   `yaml:"format" default:"text" help:"text|json"`
		Targets []target `yaml:"targets" help:"where it goes"`
	}
	var config struct {
		Log  group  `yaml:"log"`
		Name string `yaml:"name" env:"LIMEN_CALLED" help:"what it is called"`
	}
	var page strings.Builder
	if err := Reference(&page, &config); err != nil {
		t.Fatal(err)
	}
	want := "| Setting | Environment | Default | Meaning |\n|---|---|---|---|\n" +
		"| `name` | `LIMEN_CALLED` |  | what it is called |\n" +
		"\n## log\n\n| Setting | Environment | Default | Meaning |\n|---|---|---|---|\n" +
		"| `log.format` | `LIMEN_LOG_FORMAT` | `text` | text\\|json |\n" +
		"| `log.targets` | in a file only |  | where it goes |\n"
	if diff := cmp.Diff(want, page.String()); diff != "" {
		t.Error(diff)
	}
}

// Inner is embedded by configurations of TestInlinedSettings.
type Inner struct {
	Dir  string   `yaml:"dir" default:"."`
	List []string `yaml:"list"`
}

func (i *Inner) Check() error {
	if i.Dir == "bad" {
		return Refuse("dir", "must not be bad")
	}
	return nil
}

func TestInlinedSettings(t *testing.T) {
	type group struct {
		Inner  `yaml:",inline"`
		Listen string `yaml:"listen"`
	}
	type config struct {
		Group group `yaml:"group"`
	}
	file := filepath.Join(t.TempDir(), "limen.yaml")
	if err := os.WriteFile(file, []byte("group:\n  listen: here\n  list: [a, b]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var c config
	if _, err := Load(&c, Sources{File: file, Environ: []string{"LIMEN_GROUP_DIR=there"}}); err != nil {
		t.Fatal(err)
	}
	if c.Group.Listen != "here" || c.Group.Dir != "there" || len(c.Group.List) != 2 {
		t.Errorf("%+v", c)
	}
	_, err := Load(&c, Sources{Environ: []string{"LIMEN_GROUP_DIR=bad"}})
	if want := "environment LIMEN_GROUP_DIR: group.dir must not be bad"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// A bool with a default could not be set to false: the source is at fault, and says so at once.
func TestBoolHasNoDefault(t *testing.T) {
	var config struct {
		On bool `yaml:"on" default:"true"`
	}
	if _, err := Load(&config, Sources{}); err == nil || err.Error() != "settings: on is a bool and has a default: it could not be set to false" {
		t.Error(err)
	}
}
