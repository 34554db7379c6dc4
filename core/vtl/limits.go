package vtl

import "fmt"

// Limits bound what one render may take. A zero field means its default.
type Limits struct {
	// Iterations of one #foreach; further elements are silently skipped and the trace says so (spec/vtl.md 5.3). Cut, when
	// set, is told the line of each #foreach that it happens to.
	Iterations int
	Cut        func(line int)
	// MacroDepth is how deep macros may call each other (spec/vtl.md 5.5).
	MacroDepth int
	// Output is the size in bytes of the output, and of any one string, list or map on the way.
	Output int
	// Steps is the work of the whole render: about one for each node, each element and each 16 bytes handled.
	Steps int64
	// RegexSteps is the work of one call of a method with a regular expression.
	RegexSteps int64
}

// The defaults of Limits. The first two are the service's.
const (
	DefaultIterations = 1000
	DefaultMacroDepth = 20
	DefaultOutput     = 10 << 20
	DefaultSteps      = 20_000_000
	DefaultRegexSteps = 5_000_000
)

// maxDepth bounds what calls itself: strings in strings, #evaluate, blocks, the printing of values in values.
const maxDepth = 200

// maxBits bounds big numbers.
const maxBits = 1 << 17

func (l Limits) withDefaults() Limits {
	if l.Iterations == 0 {
		l.Iterations = DefaultIterations
	}
	if l.MacroDepth == 0 {
		l.MacroDepth = DefaultMacroDepth
	}
	if l.Output == 0 {
		l.Output = DefaultOutput
	}
	if l.Steps == 0 {
		l.Steps = DefaultSteps
	}
	if l.RegexSteps == 0 {
		l.RegexSteps = DefaultRegexSteps
	}
	return l
}

// limitError says which limit was exceeded; the renderer adds the place.
type limitError struct{ message string }

func (e *limitError) Error() string { return e.message }

// meter counts the work of a render. Once a limit is exceeded err stays set, and whoever asked stops.
type meter struct {
	limits Limits
	steps  int64 // that are left
	depth  int
	err    error
}

func newMeter(l Limits) *meter { return &meter{limits: l, steps: l.Steps} }

// spend takes steps; false when there are none left.
func (m *meter) spend(n int) bool {
	m.steps -= int64(n)
	if m.steps < 0 && m.err == nil {
		m.fail("more than %d render steps", m.limits.Steps)
	}
	return m.err == nil
}

// size checks a length against the output limit and pays for handling that many bytes.
func (m *meter) size(n int) bool { return m.fits(n) && m.spend(n>>4) }

// fits checks a length against the output limit.
func (m *meter) fits(n int) bool {
	if n > m.limits.Output {
		m.fail("more than %d bytes of output", m.limits.Output)
	}
	return m.err == nil
}

// enter guards recursion; every enter is followed by a leave.
func (m *meter) enter() bool {
	if m.depth++; m.depth > maxDepth {
		m.fail("more than %d levels of nesting", maxDepth)
	}
	return m.err == nil
}

func (m *meter) leave() { m.depth-- }

func (m *meter) fail(format string, args ...any) {
	if m.err == nil {
		m.err = &limitError{fmt.Sprintf(format, args...)}
	}
}
