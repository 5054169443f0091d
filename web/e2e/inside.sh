#!/bin/sh
# Inside the namespaces: an address that is not loopback (Firefox offers no loopback candidates),
# and the tests. Both ends of the pair stay here, so nothing leaves this network.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

ip link set lo up
ip link add seat0 type veth peer name seat1
ip addr add 10.77.0.1/24 dev seat0
ip link set seat0 up
ip link set seat1 up
ip route add default via 10.77.0.2 dev seat0

# A fresh X socket directory, so that Xvfb cannot meet one of the machine's displays.
mkdir -p /tmp/.X11-unix && mount -t tmpfs tmpfs /tmp/.X11-unix && chmod 1777 /tmp/.X11-unix

export E2E_IN_NAMESPACE=1
pattern=
for name in "$@"; do pattern="$pattern --test-name-pattern=$name"; done
# shellcheck disable=SC2086 # one option a word
exec node --test --test-reporter=spec $pattern "$here/suite.test.mjs"
