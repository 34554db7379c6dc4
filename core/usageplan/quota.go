package usageplan

import "time"

// Period is the length of a quota's windows.
type Period string

// The periods.
const (
	Day   Period = "DAY"
	Week  Period = "WEEK"
	Month Period = "MONTH"
)

// Quota is a limit of requests in each window of a period.
type Quota struct {
	Limit  int64
	Offset int64 // subtracted from the limit in the first window
	Period Period
}

// Of is how many requests the quota allows in a window; first says that nothing was counted in a window before it.
func (q Quota) Of(first bool) int64 {
	if first {
		return max(q.Limit-q.Offset, 0)
	}
	return max(q.Limit, 0)
}

// Window is the calendar window around a moment, in UTC: a day, a week that begins on Sunday, or a month (spec/rest.md 10.2).
// An unknown period is a day.
func (p Period) Window(now time.Time) (start, end time.Time) {
	y, m, d := now.UTC().Date()
	switch p {
	case Month:
		start = time.Date(y, m, 1, 0, 0, 0, 0, time.UTC)
		return start, start.AddDate(0, 1, 0)
	case Week:
		start = time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
		start = start.AddDate(0, 0, -int(start.Weekday()))
		return start, start.AddDate(0, 0, 7)
	}
	start = time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	return start, start.AddDate(0, 0, 1)
}
