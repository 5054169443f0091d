#!/bin/sh
# Runs a command beside somebody else's WHIP endpoints: simple-whip-server in front of Janus, as Debian ships them.
# Usage: benches/in-namespace.sh benches/whip-of-janus.sh command [argument ...]
#   (--whip 'http://10.77.0.1:7080/whip/endpoint/{room}-{participant}', ROOMS consults, bearer token TOKEN)
# Where Debian's simple-whip-server cannot be installed beside another Node.js, SIMPLE_WHIP_SERVER names a folder with its
# src/ and with its dependencies in node_modules/.
set -eu
ROOMS="${ROOMS:-60}"
TOKEN="${TOKEN:-secret}"
server="${SIMPLE_WHIP_SERVER:-/usr/share/simple-whip-server}"
modules=$(echo /usr/lib/*/janus)
for needed in "$server/src/server.js" "$modules/plugins/libjanus_videoroom.so"; do
    [ -e "$needed" ] || { echo "$needed is missing: apt-get install janus simple-whip-server" >&2; exit 1; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

cat > "$dir/janus.jcfg" <<JANUS
general: { plugins_folder = "$modules/plugins" transports_folder = "$modules/transports" events_folder = "$modules/events" loggers_folder = "$modules/loggers" debug_level = 2 }
media: { ipv6 = false rtp_port_range = "20000-40000" }
JANUS
echo 'general: { json = "plain" ws = true ws_port = 8188 ws_ip = "127.0.0.1" }' > "$dir/janus.transport.websockets.jcfg"
echo 'general: { json = "plain" base_path = "/janus" http = true port = 8088 ip = "127.0.0.1" https = false }' > "$dir/janus.transport.http.jcfg"
room=0
while [ "$room" -lt "$ROOMS" ]; do
    room=$((room + 1))
    echo "room-$room: { publishers = 2 bitrate = 3000000 audiocodec = \"opus\" videocodec = \"vp8\" record = false }"
done > "$dir/janus.plugin.videoroom.jcfg"

answers() { # URL: waits for it, ten seconds
    tries=0
    until curl -sf -o "$dir/answer" "$1"; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { echo "$1 does not answer" >&2; exit 1; }
        sleep 0.1
    done
}
janus --configs-folder "$dir" > "$dir/janus.log" 2>&1 &
answers http://127.0.0.1:8088/janus/info

# It reads its configuration from beside itself and pages from where it is started.
mkdir "$dir/whip"
cp -r "$server/src" "$dir/whip/src"
[ ! -e "$server/node_modules" ] || ln -s "$server/node_modules" "$dir/whip/node_modules"
cat > "$dir/whip/src/config.js" <<'CONFIG'
module.exports = { janus: { address: 'ws://127.0.0.1:8188' }, port: 7080, rest: '/whip', allowTrickle: true, strictETags: false, iceServers: [] };
CONFIG
(cd "$dir/whip" && NODE_PATH="${NODE_PATH:-}:/usr/share/nodejs" exec node src/server.js > "$dir/whip.log" 2>&1) &
answers http://127.0.0.1:7080/whip/healthcheck

# Endpoints are made beforehand; without labels of their own the second in a room takes the place of the first.
room=0
while [ "$room" -lt "$ROOMS" ]; do
    room=$((room + 1))
    for person in a b; do
        id="loadtest-$room-$person"
        curl -sf -o "$dir/answer" -H 'content-type: application/json' http://127.0.0.1:7080/whip/create \
            -d "{\"id\":\"$id\",\"label\":\"$id\",\"room\":$room,\"token\":\"$TOKEN\"}"
    done
done
"$@"
