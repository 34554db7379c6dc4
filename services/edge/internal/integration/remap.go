package integration

import (
	"strings"

	"github.com/limen-gateway/limen/services/edge/internal/exchange"
)

const remapPrefix = "x-amzn-Remapped-"

// RemappedName is the name under which a header of an integration, or of a mapping, reaches the client; ok is false for
// what does not (spec/rest.md 4.9). proxy adds the rules of HTTP_PROXY answers.
func RemappedName(x *exchange.Exchange, name string, proxy bool) (string, bool) {
	switch len(name) {
	case 3:
		if proxy && strings.EqualFold(name, "via") {
			return "", false
		}
	case 10:
		if strings.EqualFold(name, "keep-alive") {
			return "", false
		}
	case 16:
		if proxy && strings.EqualFold(name, "x-amzn-requestid") {
			return remap(x, name), true
		}
	case 17:
		if strings.EqualFold(name, "transfer-encoding") {
			return "", false
		}
	}
	if isRemapped(name) {
		return remap(x, name), true
	}
	return name, true
}

func isRemapped(name string) bool {
	switch len(name) {
	case 4:
		return strings.EqualFold(name, "date") || strings.EqualFold(name, "host")
	case 6:
		return strings.EqualFold(name, "expect") || strings.EqualFold(name, "server")
	case 7:
		return strings.EqualFold(name, "trailer") || strings.EqualFold(name, "upgrade")
	case 10:
		return strings.EqualFold(name, "connection") || strings.EqualFold(name, "user-agent")
	case 11:
		return strings.EqualFold(name, "content-md5")
	case 12:
		return strings.EqualFold(name, "max-forwards")
	case 13:
		return strings.EqualFold(name, "authorization")
	case 14:
		return strings.EqualFold(name, "content-length")
	case 16:
		return strings.EqualFold(name, "www-authenticate")
	case 18:
		return strings.EqualFold(name, "proxy-authenticate")
	}
	return false
}

// The names that nearly every backend sends need no memory of the exchange.
var usual = map[string]string{
	"Date": remapPrefix + "Date", "date": remapPrefix + "date", "Server": remapPrefix + "Server", "server": remapPrefix + "server",
	"Connection": remapPrefix + "Connection", "connection": remapPrefix + "connection",
	"Content-Length": remapPrefix + "Content-Length", "content-length": remapPrefix + "content-length",
}

func remap(x *exchange.Exchange, name string) string {
	if known, ok := usual[name]; ok {
		return known
	}
	return x.Build(func(dst []byte) []byte { return append(append(dst, remapPrefix...), name...) })
}
