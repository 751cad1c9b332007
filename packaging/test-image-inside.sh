#!/usr/bin/env bash
# What the Dockerfile ends in, as a user whom nobody knows; see test-deb.sh. Its argument is the memory limit in bytes, or 0.
set -euo pipefail
env=(HOME=/data PLIMSOLL_STATE_DIR=/data/state PLIMSOLL_OUT=/data/films PATH="$PATH")
as() { (cd /data && exec env -i "${env[@]}" setpriv --reuid 12345 --regid 12345 --clear-groups "$@"); }
! getent passwd 12345
as plimsoll serve 2>/data.log &
server=$!
trap 'kill "$server" 2>/dev/null || true; cat /data.log' ERR
for _ in $(seq 100); do as plimsoll status >/dev/null 2>&1 && break; sleep 0.1; done
as plimsoll status
if [ "$1" = 0 ]; then
    echo 'no memory group can be made here: the limit is not tried'
else
    [ "$(as plimsoll status --json | jq .memory.budget_bytes)" = "$1" ]
fi
install -m 644 /root/film.mp4 /data/film.mp4
as plimsoll add /data/film.mp4
as plimsoll wait --idle --timeout 60s
[ -s /data/films/film.web-720p.mp4 ]
[ "$(stat -c %u /data/films/film.web-720p.mp4)" = 12345 ]
kill -TERM "$server"
status=0
wait "$server" || status=$?
[ "$status" = 143 ]
echo 'ok: it serves, answers and converts as any user, and ends in order'
