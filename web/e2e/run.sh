#!/bin/sh
# Runs the browser tests in a network of their own. Usage: web/e2e/run.sh [name-of-a-test ...]
#
# `unshare` gives the run its own network, process and mount namespaces. When it ends, however it
# ends, the kernel takes every process and interface in them away: nothing can be left behind, and
# no firewall rule of a test can touch the machine.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

as_root=
[ "$(id -u)" = 0 ] || as_root="--user --map-root-user"

# shellcheck disable=SC2086 # deliberately split
exec unshare $as_root --net --mount --pid --fork --kill-child --mount-proc \
    sh "$here/inside.sh" "$@"
