package apigateway

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/limen-gateway/limen/core/fault"
	"github.com/limen-gateway/limen/core/patch"
	apigatewayv1 "github.com/limen-gateway/limen/proto/apigateway/v1"
	storev1 "github.com/limen-gateway/limen/proto/store/v1"
	"github.com/limen-gateway/limen/services/admin/internal/draft"
	"github.com/limen-gateway/limen/services/admin/internal/operation"
)

// importedKey is one row of an import.
type importedKey struct {
	line  int
	key   *apigatewayv1.ApiKey
	plans []string
}

// ImportApiKeys makes a key of each row of a CSV file; one whose value is known is overwritten, so an import can be sent
// again. The whole file is checked before anything is written: a row at fault is left out with a warning, or, with
// failonwarnings, refuses the file. spec/control-plane.md 8.4.
func (s *Service) ImportApiKeys(ctx context.Context, req *apigatewayv1.ImportApiKeysRequest) (*apigatewayv1.ApiKeyIds, error) {
	if !strings.EqualFold(req.GetFormat(), "csv") {
		return nil, fault.BadRequest("Invalid format specified. Valid options are csv")
	}
	if err := s.noKeyring(); err != nil {
		return nil, err
	}
	rows, warnings, err := readKeys(req.GetBody())
	if err != nil {
		return nil, err
	}
	var good []importedKey
	err = s.read(ctx, func(tx *draft.Tx) error {
		for _, row := range rows {
			_, _, err := s.checkImported(tx, row)
			if f := fault.As(err); f != nil {
				warnings = append(warnings, fmt.Sprintf("line %d: %s", row.line, f.Message))
			} else if err != nil {
				return err
			} else {
				good = append(good, row)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if req.GetFailOnWarnings() && len(warnings) > 0 {
		return nil, fault.BadRequest("Warnings found during import:\n\t%s", strings.Join(warnings, "\n\t"))
	}
	out := &apigatewayv1.ApiKeyIds{Ids: &apigatewayv1.StringList{}, Warnings: &apigatewayv1.StringList{Items: warnings}}
	var last int64
	for _, row := range good {
		id, revision, err := s.importKey(ctx, row)
		if err != nil {
			return nil, err
		}
		last = revision
		out.Ids.Items = append(out.Ids.Items, id)
	}
	if last == 0 {
		return out, nil
	}
	return out, operation.Announce(ctx, last)
}

// readKeys reads the file. Columns come in any order and case; unknown ones are passed over, as AWS does.
func readKeys(body []byte) (rows []importedKey, warnings []string, err error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))) // spreadsheets begin with a mark
	r.FieldsPerRecord, r.TrimLeadingSpace = -1, true
	header, err := r.Read()
	if err != nil {
		return nil, nil, fault.BadRequest("Unable to read the API keys: the file has no header row")
	}
	columns := map[string]int{}
	for i, name := range header {
		columns[strings.ToLower(strings.TrimSpace(name))] = i
	}
	for _, name := range []string{"name", "key"} {
		if _, ok := columns[name]; !ok {
			return nil, nil, fault.BadRequest("Unable to read the API keys: the header row has no column %s", name)
		}
	}
	seen := map[string]int{}
	for {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, warnings, nil
		}
		if err != nil {
			return nil, nil, fault.BadRequest("Unable to read the API keys: %v", err)
		}
		line, _ := r.FieldPos(0)
		row := rowOf(line, columns, fields)
		if first, twice := seen[row.key.GetValue()]; twice {
			warnings = append(warnings, fmt.Sprintf("line %d: the key of line %d comes again", line, first))
			continue
		}
		seen[row.key.GetValue()] = line
		rows = append(rows, row)
	}
}

// rowOf reads the members of one row; a key is enabled unless its row says otherwise.
func rowOf(line int, columns map[string]int, fields []string) importedKey {
	field := func(name string) string {
		if i, ok := columns[name]; ok && i < len(fields) {
			return strings.TrimSpace(fields[i])
		}
		return ""
	}
	enabled := field("enabled") == "" || strings.EqualFold(field("enabled"), "true")
	k := &apigatewayv1.ApiKey{Name: ptr(field("name")), Value: ptr(field("key")), Description: ptr(field("description")), Enabled: &enabled}
	dropEmptyText(&k.Description)
	return importedKey{line, k, patch.SplitList(field("usageplanids"))}
}

// checkImported finds the first fault of a row, and the id of the key that it overwrites ("" when it is new) with the plans
// that the key is to join.
func (s *Service) checkImported(tx *draft.Tx, row importedKey) (id string, joins []joining, err error) {
	if row.key.GetName() == "" {
		return "", nil, fault.BadRequest("API Key name must be non-empty")
	}
	if row.key.GetValue() == "" {
		return "", nil, fault.BadRequest("API Key value should be at least %d characters", minKeyValue)
	}
	if err := checkAPIKey(row.key, row.key.GetValue()); err != nil {
		return "", nil, err
	}
	owner, err := tx.Bytes(valueKey(tx, row.key.GetValue()))
	if err != nil {
		return "", nil, err
	}
	id = string(owner)
	joins, err = checkJoins(tx, id, row.plans)
	return id, joins, err
}

// joining is a plan that a key is to join.
type joining struct {
	plan   *apigatewayv1.UsagePlan
	record *storev1.Record
}

// checkJoins: the plans exist, and no two plans of the key, old or new, have the same stage. Plans that the key is in already
// are not joined again.
func checkJoins(tx *draft.Tx, key string, ids []string) (joins []joining, err error) {
	var known []*apigatewayv1.UsagePlan
	name := "of this row"
	if key != "" {
		name = key
		if known, err = plansOf(tx, key); err != nil {
			return nil, err
		}
	}
	for _, id := range ids {
		p, r, err := planOf(tx, id)
		if err != nil {
			return nil, err
		}
		in := false
		for _, other := range known {
			in = in || other.GetId() == id
		}
		if in {
			continue
		}
		if err := checkStagesApart(p, known, name); err != nil {
			return nil, err
		}
		known = append(known, p)
		joins = append(joins, joining{p, r})
	}
	return joins, nil
}

// importKey writes one row: the key, new or overwritten, and its place in its plans, together.
func (s *Service) importKey(ctx context.Context, row importedKey) (id string, revision int64, err error) {
	revision, err = s.commit(ctx, func(tx *draft.Tx) error {
		owner, joins, err := s.checkImported(tx, row)
		if err != nil {
			return err
		}
		if id, err = s.putImported(tx, owner, row.key); err != nil {
			return err
		}
		for _, j := range joins {
			if err := s.joinPlan(tx, j.plan, j.record, &id); err != nil {
				return err
			}
		}
		return nil
	})
	return id, revision, err
}

func (s *Service) putImported(tx *draft.Tx, owner string, imported *apigatewayv1.ApiKey) (string, error) {
	if owner == "" {
		k := clone(imported)
		k.StageKeys, k.CreatedDate = &apigatewayv1.StringList{}, s.timestamp()
		k.LastUpdatedDate = k.CreatedDate
		err := s.putNewAPIKey(tx, k)
		return k.GetId(), err
	}
	k, r, err := apiKeyOf(tx, owner)
	if err != nil {
		return "", err
	}
	k.Name, k.Description, k.Enabled, k.LastUpdatedDate = imported.Name, imported.Description, imported.Enabled, s.timestamp()
	return owner, tx.Put(apiKeyKey(tx, owner), r, k)
}
