#!/bin/sh
# Makes the root file system of the image in bin/root: the binaries, CA roots and time zones, and the folders that volumes are
# mounted on. It needs Go and a shell, and runs at the root of the checkout.
set -eu
export CGO_ENABLED=0 GOWORK=off
root=bin/root

certs=${CERTS:-}
for file in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
	if [ -z "$certs" ] && [ -f "$file" ]; then certs=$file; fi
done
if [ -z "$certs" ]; then
	echo "no CA roots found; name their PEM file in CERTS" >&2
	exit 1
fi

go build -trimpath -ldflags '-s -w' -o bin/limen ./cmd/limen
(cd deploy/collector && go build -trimpath -ldflags '-s -w' -o ../../bin/collector .)

rm -rf "$root"
mkdir -p "$root/etc/ssl/certs" "$root/data" "$root/secrets"
for role in ca etcd nats metering admin functions authz cache edge wsconn entry; do
	mkdir -p "$root/cluster/$role"
done
cp bin/limen bin/collector deploy/collector/config.yaml "$root/"
cp "$certs" "$root/etc/ssl/certs/ca-certificates.crt"
cp "$(go env GOROOT)/lib/time/zoneinfo.zip" "$root/zoneinfo.zip"
