package policy

import "strings"

// principals is a compiled Principal or NotPrincipal.
type principals struct {
	everyone bool
	accounts []string // 12 digits: everybody of the account
	arns     []string // exactly these; no wildcards
	service  []string
	provider []string
	users    []string
}

func compilePrincipals(p *Principals) *principals {
	if p == nil {
		return nil
	}
	out := &principals{everyone: p.Everyone, service: p.Service, provider: p.Federated, users: p.CanonicalUser}
	for _, a := range p.AWS {
		switch {
		case a == "*":
			out.everyone = true
		case isAccount(a):
			out.accounts = append(out.accounts, a)
		case strings.HasSuffix(a, ":root") && strings.Contains(a, ":iam:"):
			out.accounts = append(out.accounts, accountOf(a))
		default:
			out.arns = append(out.arns, a)
		}
	}
	return out
}

func isAccount(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

func (p *principals) match(caller *Principal) bool {
	return p.everyone ||
		p.matchARN(caller) ||
		has(p.service, caller.Service) ||
		has(p.provider, caller.Federated) ||
		has(p.users, caller.CanonicalUser)
}

// matchARN: naming a role names all its sessions.
func (p *principals) matchARN(caller *Principal) bool {
	if caller.ARN == "" {
		return false
	}
	if has(p.accounts, caller.account()) || has(p.arns, caller.ARN) || has(p.arns, caller.Role) {
		return true
	}
	if caller.Role != "" {
		return false
	}
	account, role, ok := session(caller.ARN)
	if !ok {
		return false
	}
	for _, a := range p.arns {
		if accountOf(a) == account && strings.HasSuffix(a, role) && strings.Contains(a, ":role/") && a[len(a)-len(role)-1] == '/' {
			return true
		}
	}
	return false
}

// session reads arn:aws:sts::{account}:assumed-role/{role}/{session}. It does not tell the path of the role.
func session(arn string) (account, role string, ok bool) {
	_, rest, ok := strings.Cut(arn, ":assumed-role/")
	if !ok {
		return "", "", false
	}
	role, _, ok = strings.Cut(rest, "/")
	return accountOf(arn), role, ok && role != ""
}

// has reports whether the list has a text that is not empty.
func has(list []string, text string) bool {
	if text == "" {
		return false
	}
	for _, s := range list {
		if s == text {
			return true
		}
	}
	return false
}
