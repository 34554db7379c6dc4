package counter

import (
	"slices"

	meteringv1 "github.com/limen-gateway/limen/proto/metering/v1"
)

// Spend takes over what a holder says it has spent of its lease, and returns what is new of that and the holder's loan; nil
// when it has none. repeated tells that the holder never got the answer with its present loan, and asks again.
func Spend(r *meteringv1.Record, holder string, sequence, spent int64) (fresh int64, loan *meteringv1.Loan, repeated bool) {
	loan = LoanOf(r, holder)
	switch {
	case loan == nil:
		return 0, nil, false
	case loan.Sequence == sequence:
		fresh = min(max(spent-loan.Spent, 0), loan.Tokens-loan.Spent)
		loan.Spent += fresh
		return fresh, loan, false
	case loan.Sequence == sequence+1:
		// What was left of the lease before went into this one, and the holder spent on.
		fresh = min(max(spent-loan.Previous, 0), loan.Tokens-loan.Spent)
		loan.Tokens -= fresh
		loan.Previous += fresh
		return fresh, loan, true
	}
	return 0, loan, false
}

// Outdated tells that a question for a lease is older than what its holder has said since: the process that answers it stood
// still, and the holder has asked another. Nobody waits for the answer, and nothing may be lent for it.
func Outdated(r *meteringv1.Record, holder string, sequence int64) bool {
	loan := LoanOf(r, holder)
	// Whoever reports what it spent of a lease has got it.
	return loan != nil && (loan.Sequence > sequence+1 || loan.Sequence == sequence+1 && loan.Spent > 0)
}

// Remember makes a loan without tokens for a holder that has none, of what it settles: a settlement that is repeated is known
// until the loan's time is over.
func Remember(r *meteringv1.Record, holder string, s *meteringv1.Settlement, expires int64) *meteringv1.Loan {
	loan := &meteringv1.Loan{Holder: holder, Sequence: s.Sequence, Tokens: s.Spent, Spent: s.Spent, Expires: expires}
	r.Loans = append(r.Loans, loan)
	return loan
}

// Unleased takes over what a holder has served without a lease, and returns what is new of it.
func Unleased(l *meteringv1.Loan, s *meteringv1.Settlement) (fresh int64) {
	if s.UnleasedBefore == nil {
		return s.Unleased
	}
	sum, known := *s.UnleasedBefore+s.Unleased, max(*s.UnleasedBefore, l.Unleased)
	l.Unleased = max(sum, known)
	return max(sum-known, 0)
}

// LoanOf is the loan of a holder; nil when it has none.
func LoanOf(r *meteringv1.Record, holder string) *meteringv1.Loan {
	for _, l := range r.Loans {
		if l.Holder == holder {
			return l
		}
	}
	return nil
}

// Renew gives the holder the lease after the one with a sequence: what is left of that, and more.
func Renew(r *meteringv1.Record, holder string, sequence, spent, more, expires int64) *meteringv1.Loan {
	loan := LoanOf(r, holder)
	if loan == nil {
		loan = &meteringv1.Loan{Holder: holder}
		r.Loans = append(r.Loans, loan)
	}
	loan.Tokens, loan.Spent, loan.Previous = Left(loan)+more, 0, spent
	loan.Sequence = sequence + 1
	loan.Expires = expires
	return loan
}

// Left is what a holder may still spend of a loan.
func Left(l *meteringv1.Loan) int64 { return max(l.GetTokens()-l.GetSpent(), 0) }

// Lent is what all holders may still spend; others leaves one out.
func Lent(r *meteringv1.Record) int64 { return LentToOthers(r, "") }

// LentToOthers is what the holders except one may still spend.
func LentToOthers(r *meteringv1.Record, holder string) (n int64) {
	for _, l := range r.Loans {
		if l.Holder != holder {
			n += Left(l)
		}
	}
	return n
}

// End takes back what is left of a loan. The loan itself stays until its time is over, so that a settlement that is repeated
// is known.
func End(l *meteringv1.Loan) { l.Tokens = l.Spent }

// Expire removes the loans that ended before a moment, and returns them.
func Expire(r *meteringv1.Record, before int64) []*meteringv1.Loan {
	var ended []*meteringv1.Loan
	r.Loans = slices.DeleteFunc(r.Loans, func(l *meteringv1.Loan) bool {
		if l.Expires >= before {
			return false
		}
		ended = append(ended, l)
		return true
	})
	return ended
}
