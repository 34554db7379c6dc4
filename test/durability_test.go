package test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
	"github.com/google/go-cmp/cmp"

	"github.com/limen-gateway/limen/test/harness"
)

const (
	kills   = 50
	writers = 4
	readers = 4
	// writesBeforeKill bounds how many writes are acknowledged before a kill.
	writesBeforeKill = 60
	callTimeout      = 30 * time.Second
)

// TestAcknowledgedWritesSurviveKills kills limen fifty times while several clients write. After each restart every API of
// every round is read back whole: it must be as after its last acknowledged write, or as after the one that was under way
// when limen died, and its stages must serve what they publish. What a restart has shown once must stay so.
func TestAcknowledgedWritesSurviveKills(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	l := harness.Start(t, harness.Options{Args: []string{"--set", "edge.access_log=off"}})
	b := newBench(t, l)
	before, err := b.lists(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b.before = before
	var slowest time.Duration
	rounds := kills
	if testing.Short() {
		rounds = 5
	}
	for round := range rounds {
		b.writeUntilKilled(l, 1+random.IntN(writesBeforeKill), time.Duration(random.IntN(3000))*time.Microsecond)
		l.Restart()
		slowest = max(slowest, l.ReadyAfter)
		b.readBack(round)
		if t.Failed() {
			t.Fatalf("after kill %d", round+1)
		}
	}
	acknowledged, open := 0, 0
	for _, s := range b.stories {
		acknowledged += s.reached
		open += s.cut
	}
	t.Logf("%d kills, %d writes to %d APIs acknowledged and read back, %d under way at a kill (%d of them had happened), slowest restart %v",
		rounds, acknowledged, len(b.stories), open, b.happened, slowest)
	if acknowledged < rounds || open == 0 {
		t.Error("the kills met hardly any write")
	}
}

// story is the life of one API, told by one writer: its steps come one after the other, so that at any moment at most one
// is not acknowledged.
type story struct {
	name  string
	steps []step
	// reached counts the steps that happened for certain.
	reached int
	// open tells that the step after them was under way at the kill.
	open bool
	// cut counts the steps that were under way at a kill.
	cut int

	id          string
	root        string            // the root resource
	resources   map[string]string // ids by path part
	deployments []string
	key         string // the id of the API key
	plan        string // the id of the usage plan
}

// step is one write: how to do it, and what it changes of what is read back.
type step struct {
	name string
	do   func(ctx context.Context, c *apigateway.Client, s *story) error
	want func(*picture)
}

// picture is an API as a reader sees it; its zero value is an API that is not there.
type picture struct {
	present     bool
	description string
	resources   map[string]string // path → methods and what they answer
	deployments []string          // descriptions
	stages      map[string]string // name → description of its deployment and what it serves
	models      []string
	key, plan   string
}

// String renders a picture; equal pictures have equal texts.
func (p picture) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "present %v, description %q, key %q, plan %q\n", p.present, p.description, p.key, p.plan)
	for _, m := range []map[string]string{p.resources, p.stages} {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			fmt.Fprintf(&b, "  %s: %s\n", k, m[k])
		}
	}
	sort.Strings(p.deployments)
	sort.Strings(p.models)
	fmt.Fprintf(&b, "  deployments %v, models %v\n", p.deployments, p.models)
	return b.String()
}

// after is the picture when the first n steps have happened.
func (s *story) after(n int) picture {
	p := picture{resources: map[string]string{}, stages: map[string]string{}}
	for _, st := range s.steps[:n] {
		st.want(&p)
	}
	return p
}

// bench holds the stories of all rounds and the client's side.
type bench struct {
	t        *testing.T
	http     *http.Client
	client   *apigateway.Client
	url      string
	before   *lists // what limen brings along
	stories  []*story
	happened int
}

func newBench(t *testing.T, l *harness.Limen) *bench {
	transport := &http.Transport{MaxIdleConnsPerHost: writers + readers}
	t.Cleanup(transport.CloseIdleConnections)
	b := &bench{t: t, http: &http.Client{Transport: transport, Timeout: callTimeout}, url: l.URL}
	b.client = apigateway.New(apigateway.Options{
		BaseEndpoint: aws.String(l.URL), Region: l.Region, HTTPClient: b.http, Retryer: aws.NopRetryer{},
		Credentials: credentials.NewStaticCredentialsProvider(l.Keys[0].AccessKeyID, l.Keys[0].SecretAccessKey, ""),
	})
	return b
}

// writeUntilKilled lets the writers tell new stories until limen, killed after n acknowledged writes, is gone.
func (b *bench) writeUntilKilled(l *harness.Limen, n int, later time.Duration) {
	b.t.Helper()
	var (
		mu           sync.Mutex // guards b.stories
		acknowledged atomic.Int64
		enough       = make(chan struct{})
		once         sync.Once
		killed       atomic.Bool
		all          sync.WaitGroup
	)
	write := func() {
		for !killed.Load() {
			mu.Lock()
			s := newStory(len(b.stories))
			b.stories = append(b.stories, s)
			mu.Unlock()
			for _, st := range s.steps {
				s.open = true
				ctx, cancel := context.WithTimeout(b.t.Context(), callTimeout)
				err := st.do(ctx, b.client, s)
				cancel()
				if err != nil {
					if !killed.Load() {
						b.t.Errorf("%s: %s: %v", s.name, st.name, err)
						once.Do(func() { close(enough) })
					}
					s.cut++
					return
				}
				s.reached, s.open = s.reached+1, false
				if acknowledged.Add(1) >= int64(n) {
					once.Do(func() { close(enough) })
				}
			}
		}
	}
	for range writers {
		all.Go(write)
	}
	<-enough
	time.Sleep(later) // the moment of the kill
	killed.Store(true)
	l.Kill()
	all.Wait()
}

// readBack compares every story with what limen shows, and settles the steps that were under way.
func (b *bench) readBack(round int) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 2*callTimeout)
	defer cancel()
	shown, err := b.lists(ctx)
	if err != nil {
		b.t.Fatalf("lists: %v", err)
	}
	work := make(chan *story)
	var all sync.WaitGroup
	var happened atomic.Int64
	for range readers {
		all.Go(func() {
			for s := range work {
				if b.check(ctx, s, shown) {
					happened.Add(1)
				}
			}
		})
	}
	for _, s := range b.stories {
		work <- s
	}
	close(work)
	all.Wait()
	b.happened += int(happened.Load())
	for name := range shown.apis {
		if _, old := b.before.apis[name]; !old && !slices.ContainsFunc(b.stories, func(s *story) bool { return s.name == name }) {
			b.t.Errorf("after kill %d: an API that nobody made: %s", round+1, name)
		}
	}
}

// check compares one story; it reports whether a step happened that was not acknowledged.
func (b *bench) check(ctx context.Context, s *story, shown *lists) bool {
	got, err := b.look(ctx, s, shown)
	if err != nil {
		b.t.Errorf("%s after %d writes: %v", s.name, s.reached, err)
		return false
	}
	want := s.after(s.reached).String()
	open := s.open
	s.open = false
	if got.String() == want {
		return false
	}
	if open && got.String() == s.after(s.reached+1).String() {
		s.reached++
		return true
	}
	diff := cmp.Diff(want, got.String())
	if open {
		diff += fmt.Sprintf("or, %s having happened,\n%s", s.steps[s.reached].name, cmp.Diff(s.after(s.reached+1).String(), got.String()))
	}
	b.t.Errorf("%s (%v) is not as after %d writes: -want +got\n%s", s.name, got.present, s.reached, diff)
	return false
}

// lists is what limen lists, by name.
type lists struct {
	apis  map[string]types.RestApi
	keys  map[string]string // name → value
	plans map[string]types.UsagePlan
}

func (b *bench) lists(ctx context.Context) (*lists, error) {
	out := &lists{map[string]types.RestApi{}, map[string]string{}, map[string]types.UsagePlan{}}
	for p := apigateway.NewGetRestApisPaginator(b.client, &apigateway.GetRestApisInput{Limit: aws.Int32(500)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, a := range page.Items {
			if _, twice := out.apis[*a.Name]; twice {
				return nil, fmt.Errorf("two APIs are called %s", *a.Name)
			}
			out.apis[*a.Name] = a
		}
	}
	for p := apigateway.NewGetApiKeysPaginator(b.client, &apigateway.GetApiKeysInput{Limit: aws.Int32(500), IncludeValues: aws.Bool(true)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, k := range page.Items {
			out.keys[*k.Name] = aws.ToString(k.Value)
		}
	}
	for p := apigateway.NewGetUsagePlansPaginator(b.client, &apigateway.GetUsagePlansInput{Limit: aws.Int32(500)}); p.HasMorePages(); {
		page, err := p.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, u := range page.Items {
			out.plans[*u.Name] = u
		}
	}
	return out, nil
}

// look reads an API back whole, and calls its stages.
func (b *bench) look(ctx context.Context, s *story, shown *lists) (picture, error) {
	p := picture{resources: map[string]string{}, stages: map[string]string{}, key: strings.TrimSuffix(shown.keys[s.name], s.name)}
	if plan, ok := shown.plans[s.name]; ok {
		keys, err := b.client.GetUsagePlanKeys(ctx, &apigateway.GetUsagePlanKeysInput{UsagePlanId: plan.Id})
		if err != nil {
			return p, err
		}
		var values []string
		for _, k := range keys.Items {
			values = append(values, strings.TrimSuffix(aws.ToString(k.Value), s.name))
		}
		p.plan = fmt.Sprintf("%s with keys %v", aws.ToString(plan.Description), values)
	}
	api, ok := shown.apis[s.name]
	if !ok {
		return p, nil
	}
	p.present, p.description = true, aws.ToString(api.Description)
	if s.id != "" && s.id != *api.Id {
		return p, fmt.Errorf("its id is %s, acknowledged was %s", *api.Id, s.id)
	}
	resources, err := b.client.GetResources(ctx, &apigateway.GetResourcesInput{RestApiId: api.Id, Limit: aws.Int32(500), Embed: []string{"methods"}})
	if err != nil {
		return p, err
	}
	for _, r := range resources.Items {
		p.resources[*r.Path] = methodsText(r)
	}
	models, err := b.client.GetModels(ctx, &apigateway.GetModelsInput{RestApiId: api.Id})
	if err != nil {
		return p, err
	}
	for _, m := range models.Items {
		p.models = append(p.models, *m.Name)
	}
	return p, b.lookAtStages(ctx, *api.Id, &p)
}

// methodsText tells the methods of a resource, their integrations and the templates of their answers.
func methodsText(r types.Resource) string {
	var out []string
	for verb, m := range r.ResourceMethods {
		text := verb
		for status := range m.MethodResponses {
			text += " declares " + status
		}
		if in := m.MethodIntegration; in != nil {
			text += " " + string(in.Type)
			for status, res := range in.IntegrationResponses {
				text += " " + status + "=" + res.ResponseTemplates["application/json"]
			}
		}
		out = append(out, text)
	}
	sort.Strings(out)
	return strings.Join(out, ", ")
}

func (b *bench) lookAtStages(ctx context.Context, api string, p *picture) error {
	deployments, err := b.client.GetDeployments(ctx, &apigateway.GetDeploymentsInput{RestApiId: &api, Limit: aws.Int32(500)})
	if err != nil {
		return err
	}
	described := map[string]string{}
	for _, d := range deployments.Items {
		described[*d.Id] = aws.ToString(d.Description)
		p.deployments = append(p.deployments, aws.ToString(d.Description))
	}
	stages, err := b.client.GetStages(ctx, &apigateway.GetStagesInput{RestApiId: &api})
	if err != nil {
		return err
	}
	for _, st := range stages.Item {
		text, ok := described[*st.DeploymentId]
		if !ok {
			text = "a deployment that is not there"
		}
		served, err := b.call(ctx, api, *st.StageName)
		if err != nil {
			return err
		}
		p.stages[*st.StageName] = text + " serves " + served
	}
	return nil
}

// call asks a stage for what it serves.
func (b *bench) call(ctx context.Context, api, stage string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/_aws/execute-api/"+api+"/"+stage+"/pets", nil)
	if err != nil {
		return "", err
	}
	res, err := b.http.Do(req)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return fmt.Sprintf("%d %s", res.StatusCode, body), err
}
