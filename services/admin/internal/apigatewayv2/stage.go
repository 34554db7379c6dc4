package apigatewayv2

import (
	"context"
	"maps"
	"regexp"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/patch"
	apigatewayv2v1 "github.com/limen-gateway/limen/proto/apigatewayv2/v1"
	storev1 "github.com/limen-gateway/limen/proto/store/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/operation"
)

var (
	unknownStage  = fault.NotFound("Invalid stage identifier specified")
	deploysItself = fault.BadRequest("The deployment of a stage cannot be set while its autoDeploy is on")
	stageName     = regexp.MustCompile(`^[A-Za-z0-9_-]{1,128}$`)
)

// maxVariables of a stage. spec/websocket.md 20.
const maxVariables = 100

func freshStage() *apigatewayv2v1.Stage { return &apigatewayv2v1.Stage{} }

func stageKey(tx *draft.Tx, api, name string) string { return tx.Scope.Key(draft.Stages, api, name) }

func stagesOf(tx *draft.Tx, api string) ([]*apigatewayv2v1.Stage, error) {
	entries, err := tx.Range(tx.Scope.Prefix(draft.Stages, api))
	if err != nil {
		return nil, err
	}
	return draft.Nouns(entries, freshStage)
}

// stageOf reads a stage with its record.
func stageOf(a *draft.API, name string) (*apigatewayv2v1.Stage, *storev1.Record, error) {
	stage := freshStage()
	r, err := a.Tx().Get(stageKey(a.Tx(), a.ID, name), stage)
	if err == nil && r == nil {
		err = unknownStage
	}
	return stage, r, err
}

// stageView shows what is empty, and not stored.
func stageView(stage *apigatewayv2v1.Stage) *apigatewayv2v1.Stage {
	v := proto.Clone(stage).(*apigatewayv2v1.Stage)
	if v.RouteSettings == nil {
		v.RouteSettings = &apigatewayv2v1.RouteSettingsMap{}
	}
	if v.StageVariables == nil {
		v.StageVariables = &apigatewayv2v1.StringMap{}
	}
	if v.Tags == nil {
		v.Tags = &apigatewayv2v1.StringMap{}
	}
	return v
}

// CreateStage names a deployment, none yet, or, with autoDeploy, whatever the draft is.
func (s *Service) CreateStage(ctx context.Context, req *apigatewayv2v1.CreateStageRequest) (*apigatewayv2v1.Stage, error) {
	stage := freshStage()
	req.CopyTo(stage)
	stage.StageVariables = merged(nil, req.StageVariables)
	if err := operation.CheckTags(stage.Tags.GetEntries()); err != nil {
		return nil, err
	}
	if stage.GetAutoDeploy() && stage.GetDeploymentId() != "" {
		return nil, deploysItself
	}
	stage.CreatedDate = s.timestamp()
	stage.LastUpdatedDate = stage.CreatedDate
	return s.changeStage(ctx, req.GetApiId(), stage.GetStageName(), func(a *draft.API) (bool, error) {
		if err := checkStage(a, stage); err != nil {
			return false, err
		}
		if err := checkSettingsKeys(a, stage.RouteSettings); err != nil {
			return false, err
		}
		key := stageKey(a.Tx(), a.ID, stage.GetStageName())
		exists, err := a.Tx().Exists(key)
		if err != nil {
			return false, err
		}
		if exists {
			return false, fault.Conflict("Stage already exists")
		}
		return stage.GetAutoDeploy(), a.Tx().Create(key, nil, stage)
	})
}

// changeStage commits what fn wrote of a stage and answers the stage as it is then. fn tells whether the stage has to
// deploy the draft now.
func (s *Service) changeStage(ctx context.Context, api, name string, fn func(*draft.API) (bool, error)) (*apigatewayv2v1.Stage, error) {
	var deploys bool
	rev, err := s.run.Commit(ctx, func(tx *draft.Tx) error {
		return withAPI(ctx, tx, api, func(a *draft.API) (err error) {
			deploys, err = fn(a)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	if deploys {
		if deploys, err = s.autoDeploy(ctx, api); err != nil {
			return nil, err
		}
	}
	if !deploys { // else the answer has the revision of the deployment
		if err := operation.Announce(ctx, rev); err != nil {
			return nil, err
		}
	}
	return s.GetStage(ctx, &apigatewayv2v1.GetStageRequest{ApiId: &api, StageName: &name})
}

// checkStage tidies a stage, fills in AWS's defaults (spec/control-plane.md 7.1), and checks that the deployment and the
// routes it names exist.
func checkStage(a *draft.API, stage *apigatewayv2v1.Stage) error {
	if err := tidy(stage); err != nil {
		return err
	}
	if !stageName.MatchString(stage.GetStageName()) {
		return fault.BadRequest("Stage name only allows a-zA-Z0-9_-")
	}
	if err := checkVariables(stage.StageVariables); err != nil {
		return err
	}
	if err := checkLogs(stage); err != nil {
		return err
	}
	completeSettings(stage)
	for _, settings := range append(values(stage.RouteSettings), stage.DefaultRouteSettings) {
		if err := checkSettings(settings); err != nil {
			return err
		}
	}
	if stage.DeploymentId == nil {
		return nil
	}
	ok, err := a.Tx().Exists(deploymentKey(a.Tx(), a.ID, stage.GetDeploymentId()))
	if err == nil && !ok {
		err = fault.BadRequest("Deployment id does not exist")
	}
	return err
}

func checkVariables(m *apigatewayv2v1.StringMap) error {
	if n := len(m.GetEntries()); n > maxVariables {
		return fault.BadRequest("A stage can have at most %d stage variables, this one has %d", maxVariables, n)
	}
	for _, name := range slices.Sorted(maps.Keys(m.GetEntries())) {
		if err := patch.CheckVariable(name, m.Entries[name]); err != nil {
			return err
		}
	}
	return nil
}

// checkLogs clears access log settings that say nothing; a format without destination goes nowhere.
func checkLogs(stage *apigatewayv2v1.Stage) error {
	logs := stage.AccessLogSettings
	if logs == nil {
		return nil
	}
	logs = proto.Clone(logs).(*apigatewayv2v1.AccessLogSettings)
	if err := tidy(logs); err != nil {
		return err
	}
	switch stage.AccessLogSettings = logs; {
	case logs.DestinationArn == nil && logs.Format == nil:
		stage.AccessLogSettings = nil
	case logs.DestinationArn == nil || logs.Format == nil:
		return fault.BadRequest("Invalid accessLogSettings specified: destinationArn and format are needed together")
	}
	return nil
}

func completeSettings(stage *apigatewayv2v1.Stage) {
	orDefault(&stage.AutoDeploy, false)
	if stage.DefaultRouteSettings == nil {
		stage.DefaultRouteSettings = &apigatewayv2v1.RouteSettings{}
	}
	d := stage.DefaultRouteSettings
	orDefault(&d.DataTraceEnabled, false)
	orDefault(&d.DetailedMetricsEnabled, false)
	orDefault(&d.LoggingLevel, "OFF")
	if len(stage.RouteSettings.GetEntries()) == 0 {
		stage.RouteSettings = nil
	}
}

func values(m *apigatewayv2v1.RouteSettingsMap) []*apigatewayv2v1.RouteSettings {
	var out []*apigatewayv2v1.RouteSettings
	for _, key := range slices.Sorted(maps.Keys(m.GetEntries())) {
		out = append(out, m.Entries[key])
	}
	return out
}

func checkSettings(s *apigatewayv2v1.RouteSettings) error {
	if s.GetThrottlingBurstLimit() < 0 || s.GetThrottlingRateLimit() < 0 {
		return fault.BadRequest("Invalid throttling limits specified: they cannot be negative")
	}
	return nil
}

// unknownSettings is AWS's answer for settings of a route that is not there.
func unknownSettings(key string) error {
	return fault.NotFound("Unable to find Route by key %s within the provided RouteSettings", key)
}

// checkSettingsKeys checks that the draft has the routes that settings name.
func checkSettingsKeys(a *draft.API, given *apigatewayv2v1.RouteSettingsMap) error {
	if len(given.GetEntries()) == 0 {
		return nil
	}
	routes, err := routesOf(a)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, r := range routes {
		known[r.GetRouteKey()] = true
	}
	for _, key := range slices.Sorted(maps.Keys(given.Entries)) {
		if !known[key] {
			return unknownSettings(key)
		}
	}
	return nil
}

// GetStage answers one stage.
func (s *Service) GetStage(ctx context.Context, req *apigatewayv2v1.GetStageRequest) (*apigatewayv2v1.Stage, error) {
	var out *apigatewayv2v1.Stage
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) error {
		stage, _, err := stageOf(a, req.GetStageName())
		out = stageView(stage)
		return err
	})
	return out, err
}

// GetStages pages through the stages of an API, in the order of their names.
func (s *Service) GetStages(ctx context.Context, req *apigatewayv2v1.GetStagesRequest) (*apigatewayv2v1.GetStagesResponse, error) {
	out := &apigatewayv2v1.GetStagesResponse{Items: &apigatewayv2v1.StageList{}}
	err := s.readAPI(ctx, req.GetApiId(), func(a *draft.API) error {
		stages, next, err := list(a.Tx(), a.Tx().Scope.Prefix(draft.Stages, a.ID), req.NextToken, req.MaxResults, freshStage)
		for _, stage := range stages {
			out.Items.Items = append(out.Items.Items, stageView(stage))
		}
		out.NextToken = next
		return err
	})
	return out, err
}

// UpdateStage changes the members that the request states; it is live, no deployment is needed. Variables and route
// settings are merged.
func (s *Service) UpdateStage(ctx context.Context, req *apigatewayv2v1.UpdateStageRequest) (*apigatewayv2v1.Stage, error) {
	return s.changeStage(ctx, req.GetApiId(), req.GetStageName(), func(a *draft.API) (bool, error) {
		stage, r, err := stageOf(a, req.GetStageName())
		if err != nil {
			return false, err
		}
		before := stage.GetAutoDeploy()
		if err := checkSettingsKeys(a, req.RouteSettings); err != nil {
			return false, err
		}
		variables, settings := stage.StageVariables, stage.RouteSettings
		req.CopyTo(stage)
		stage.StageVariables = merged(variables, req.StageVariables)
		stage.RouteSettings = mergedSettings(settings, req.RouteSettings)
		if req.DeploymentId != nil && stage.GetAutoDeploy() {
			return false, deploysItself
		}
		if err := checkStage(a, stage); err != nil {
			return false, err
		}
		stage.LastUpdatedDate = s.timestamp()
		return stage.GetAutoDeploy() && !before, a.Tx().Put(stageKey(a.Tx(), a.ID, req.GetStageName()), r, stage)
	})
}

// mergedSettings puts settings over those that are there, member by member: keys go only by DeleteRouteSettings
// (spec/control-plane.md 7.1).
func mergedSettings(old, given *apigatewayv2v1.RouteSettingsMap) *apigatewayv2v1.RouteSettingsMap {
	out := &apigatewayv2v1.RouteSettingsMap{Entries: map[string]*apigatewayv2v1.RouteSettings{}}
	for _, m := range []*apigatewayv2v1.RouteSettingsMap{old, given} {
		for key, settings := range m.GetEntries() {
			if out.Entries[key] == nil {
				out.Entries[key] = &apigatewayv2v1.RouteSettings{}
			}
			proto.Merge(out.Entries[key], settings)
		}
	}
	return out
}

// DeleteStage takes a stage away; its deployment stays.
func (s *Service) DeleteStage(ctx context.Context, req *apigatewayv2v1.DeleteStageRequest) (*emptypb.Empty, error) {
	return empty, s.run.Publish(ctx, func(tx *draft.Tx) error {
		return withAPI(ctx, tx, req.GetApiId(), func(a *draft.API) error {
			if _, _, err := stageOf(a, req.GetStageName()); err != nil {
				return err
			}
			tx.Delete(stageKey(tx, a.ID, req.GetStageName()))
			return nil
		})
	})
}

// DeleteRouteSettings lets a route fall back to the settings of its stage.
func (s *Service) DeleteRouteSettings(ctx context.Context, req *apigatewayv2v1.DeleteRouteSettingsRequest) (*emptypb.Empty, error) {
	return empty, s.editStage(ctx, req.GetApiId(), req.GetStageName(), func(stage *apigatewayv2v1.Stage) error {
		if stage.RouteSettings.GetEntries()[req.GetRouteKey()] == nil {
			return unknownSettings(req.GetRouteKey())
		}
		delete(stage.RouteSettings.Entries, req.GetRouteKey())
		if len(stage.RouteSettings.Entries) == 0 {
			stage.RouteSettings = nil
		}
		return nil
	})
}

// DeleteAccessLogSettings ends the access logs of a stage; it is no error when there were none.
func (s *Service) DeleteAccessLogSettings(ctx context.Context, req *apigatewayv2v1.DeleteAccessLogSettingsRequest) (*emptypb.Empty, error) {
	return empty, s.editStage(ctx, req.GetApiId(), req.GetStageName(), func(stage *apigatewayv2v1.Stage) error {
		stage.AccessLogSettings = nil
		return nil
	})
}

// editStage changes the live settings of a stage.
func (s *Service) editStage(ctx context.Context, api, name string, change func(*apigatewayv2v1.Stage) error) error {
	return s.run.Publish(ctx, func(tx *draft.Tx) error {
		return withAPI(ctx, tx, api, func(a *draft.API) error {
			stage, r, err := stageOf(a, name)
			if err != nil {
				return err
			}
			if err := change(stage); err != nil {
				return err
			}
			stage.LastUpdatedDate = s.timestamp()
			return tx.Put(stageKey(tx, a.ID, name), r, stage)
		})
	})
}
