#!/bin/sh
# Runs a program of this folder on the reference engine, Apache Velocity 1.7: run.sh PROGRAM [OPTION OF JAVA ...].
# Status 69 means that there is no such engine; make oracles brings it.
set -u
here=$(dirname "$0") program=$1
shift
classes=$(mktemp -d) || exit
trap 'rm -rf "$classes"' EXIT
path=$classes
for jar in velocity-1.7 commons-lang-2.6 commons-collections3-3.2.2 json-smart accessors-smart asm; do
	path=$path:/usr/share/java/$jar.jar
done
if ! test -e /usr/share/java/velocity-1.7.jar || ! javac -nowarn -encoding UTF-8 -cp "$path" -d "$classes" "$here"/*.java; then
	echo "NO ORACLE: Apache Velocity 1.7 is not here to compare with; make oracles brings it" >&2
	exit 69
fi
java "$@" -Dfile.encoding=UTF-8 -cp "$path" "$program"
