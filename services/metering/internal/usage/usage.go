// Package usage reads the ledger the way GetUsage shows it: a pair of used and remaining for each day (spec/rest.md 10.4).
package usage

import (
	"math"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/limen-gateway/limen/core/usageplan"
	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
	"github.com/limen-gateway/limen/services/metering/internal/quota"
)

const daySeconds = 24 * 60 * 60

// maxDays bounds an answer.
const maxDays = 400

// Days are the pairs of a key from one day to another, both included; record may be nil. A day without requests repeats what
// remained of its window.
func Days(record *meteringv1.Record, req *meteringv1.UsageRequest, now time.Time) *meteringv1.KeyUsage {
	r := &meteringv1.Record{}
	if record != nil {
		r = proto.Clone(record).(*meteringv1.Record)
	}
	quota.Adopt(r, r.Counter, req.Quota, req.Revision, now)
	quota.Roll(r, now)
	full := int64(math.MaxInt32)
	if q := r.Quota; q != nil && !q.Unlimited {
		full = q.Limit
	}
	lines := map[int64]*meteringv1.Day{}
	for _, d := range r.Days {
		lines[d.Day] = d
	}
	today, period := now.UTC().Unix()/daySeconds, usageplan.Period(r.Quota.GetPeriod())
	out := &meteringv1.KeyUsage{}
	for day := req.FirstDay; day <= req.LastDay && len(out.Days) < maxDays; day++ {
		pair := &meteringv1.DayUsage{Remaining: before(lines, day, period, full)}
		if line := lines[day]; line != nil {
			pair.Used, pair.Remaining = line.Used, line.Remaining
		}
		if day == today {
			pair.Remaining = quota.Remaining(r)
		}
		out.Days = append(out.Days, pair)
	}
	return out
}

// before is what remained at the end of the last day of the same window that has a line.
func before(lines map[int64]*meteringv1.Day, day int64, period usageplan.Period, full int64) int64 {
	start, _ := period.Window(time.Unix(day*daySeconds, 0))
	for d := day - 1; d >= start.Unix()/daySeconds; d-- {
		if line := lines[d]; line != nil {
			return line.Remaining
		}
	}
	return full
}
