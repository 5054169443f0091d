#!/bin/sh
# Runs a command in a network of its own, with an address that is not loopback: Janus offers no loopback
# candidates. Both ends of the pair stay inside, so nothing leaves, and all of it goes with the command.
# Usage: benches/in-namespace.sh command [argument ...]
set -eu
if [ "${IN_NAMESPACE:-}" = "" ]; then
    as_root=
    [ "$(id -u)" = 0 ] || as_root="--user --map-root-user"
    # shellcheck disable=SC2086 # deliberately split
    IN_NAMESPACE=1 exec unshare $as_root --net --mount --pid --fork --kill-child --mount-proc sh "$0" "$@"
fi
ip link set lo up
ip link add seat0 type veth peer name seat1
ip addr add 10.77.0.1/24 dev seat0
ip link set seat0 up
ip link set seat1 up
CLIENT_IP=10.77.0.1 exec "$@"
