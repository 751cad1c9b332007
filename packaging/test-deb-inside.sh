#!/usr/bin/env bash
# Runs inside of the fresh Debian, as root under its systemd; see test-deb.sh.
set -euo pipefail
trap 'echo "line $LINENO: $BASH_COMMAND"; journalctl -b -u plimsoll -u plimsoll.socket --no-pager >/root/journal.txt 2>&1 || true; systemctl status plimsoll --no-pager || true' ERR
state=/var/lib/plimsoll
says() { echo "ok: $*"; }
p() { plimsoll "$@" --state-dir "$state"; }
# The metrics have a line that begins so.
told() { curl -s http://127.0.0.1:9464/metrics >/root/metrics && grep -q "^$1" /root/metrics; }
# A `!` alone would let the test go on.
not() { if "$@"; then echo "should not be: $*"; return 1; fi; }
# Waits for what has no event of its own; a minute at most.
until_true() { for _ in $(seq 600); do "$@" && return; sleep 0.1; done; echo "never: $*"; return 1; }

# The service runs since the machine was started, as its own user, and told systemd so.
until_true systemctl -q is-active plimsoll
[ "$(systemctl show -P StatusText plimsoll | cut -c1-6)" = '0 jobs' ]
pid=$(systemctl show -P MainPID plimsoll)
[ "$(stat -c %U "/proc/$pid")" = plimsoll ]
[ "$(stat -c '%a %U' $state/control.sock)" = '600 plimsoll' ]
[ "$(stat -c '%a %U %G' $state/view.sock)" = '660 plimsoll plimsoll' ]
[ "$(stat -c '%a %U %G' $state/incoming)" = '2770 plimsoll plimsoll' ]
p status
says 'the service is at work as its own user'

# Settings of /etc, a hook among them, metrics, and a watched folder.
cat >/etc/plimsoll/settings.yaml <<'Y'
on_done: [sh, -c, "cat >> /var/lib/plimsoll/hooked"]
Y
sed -i 's/^PLIMSOLL_SERVE=.*/PLIMSOLL_SERVE="--metrics 9464 --watch \/var\/lib\/plimsoll\/incoming"/' /etc/default/plimsoll
systemctl restart plimsoll
until_true told 'plimsoll_jobs{state="done"} 0'
says 'metrics are told'

# A member of the group puts a film into the folder. It is somebody else's, so that the server goes by its quiet time alone.
hand_over() { install -o nobody -g plimsoll -m 640 /root/film.mp4 "$state/incoming/$1"; }
hand_over film.mp4
until_true test -e $state/films/film.web-720p.mp4
p wait --idle --timeout 60s
[ "$(ffprobe -v error -select_streams v -show_entries stream=codec_name,height -of csv=p=0 $state/films/film.web-720p.mp4)" = h264,360 ]
until_true told 'plimsoll_jobs{state="done"} 1'
until_true test -s $state/hooked
[ "$(jq -r .hook $state/hooked)" = on_done ]
[ "$(jq -r .input $state/hooked)" = $state/incoming/film.mp4 ]
says 'the film is converted, metrics say so, the hook was called'

# What hardens the service leaves ffmpeg its fence: the examination, under the very settings of the unit.
sed -e 's#^ExecStart=.*#ExecStart=/usr/bin/plimsoll doctor --json --state-dir /var/lib/plimsoll --out /var/lib/plimsoll/films#' -e 's/^Type=.*/Type=oneshot/' \
    -e '/^WatchdogSec/d; /^Restart/d' -e '/^User=/a StandardOutput=file:/root/doctor.json' \
    /lib/systemd/system/plimsoll.service >/run/systemd/system/examined.service
systemctl daemon-reload
systemctl start examined
jq -r '.checks[] | "\(.status) \(.name): \(.value)"' /root/doctor.json | grep -E ' (ffmpeg|encoders|low rank|kill order|fence|cgroup|output folder):'
jq -e '.checks[] | select(.name == "fence") | .value | contains("(Landlock")' /root/doctor.json >/dev/null
says 'jobs stand behind their fence'

# Everything that belongs to it is installed, and found.
dpkg -L plimsoll >/root/files
grep -qx /usr/share/man/man1/plimsoll-serve.1.gz /root/files
for file in bash-completion/completions/plimsoll zsh/vendor-completions/_plimsoll fish/vendor_completions.d/plimsoll.fish; do
    grep -q plimsoll /usr/share/$file
done
first() { plimsoll profiles show "$1" >/root/shown && head -1 /root/shown; }
[ "$(first balanced)" = '# built in' ]
sed 's/^name: .*/name: house/' /usr/share/plimsoll/profiles/safe.yaml >/usr/share/plimsoll/profiles/house.yaml
[ "$(first house)" = '# /usr/share/plimsoll/profiles/house.yaml' ]
rm /usr/share/plimsoll/profiles/house.yaml
says 'profiles of /usr/share/plimsoll are found'

# A kill of the server is no end: systemd starts it anew, with its queue.
kill -KILL "$(systemctl show -P MainPID plimsoll)"
until_true sh -c "[ \$(systemctl show -P NRestarts plimsoll) = 1 ] && systemctl -q is-active plimsoll"
says 'it is started anew after a kill'

# An upgrade starts it anew; nothing is lost.
before=$(systemctl show -P MainPID plimsoll)
DEBIAN_FRONTEND=noninteractive dpkg -i /root/next.deb >/dev/null
until_true systemctl -q is-active plimsoll
[ "$(systemctl show -P MainPID plimsoll)" != "$before" ]
grep -q 'metrics 9464 --watch' /etc/default/plimsoll
hand_over second.mp4
until_true test -e $state/films/second.web-720p.mp4
p wait --idle --timeout 60s
p status --json >/root/status
jq -e '.watched[0].taken == 1 and .jobs.done == 1 and .jobs.already_done == 0' /root/status
says 'an upgrade keeps settings and record: what came since is taken, and nothing twice'

# On demand: nothing runs until somebody asks.
systemctl disable -q --now plimsoll.service
systemctl enable -q --now plimsoll.socket
[ "$(stat -c '%a %U' $state/control.sock)" = '600 plimsoll' ]
not systemctl -q is-active plimsoll
p status --json | jq -e .server.pid >/dev/null
systemctl -q is-active plimsoll
[ "$(stat -c '%a %U %G' $state/view.sock)" = '660 plimsoll plimsoll' ]
p stop
until_true not systemctl -q is-active plimsoll
systemctl -q is-active plimsoll.socket
p jobs >/dev/null
systemctl -q is-active plimsoll
says 'the socket starts it on demand, again and again'
# A server that cannot start is told to those who wait, and is not started again and again for them.
p stop
until_true not systemctl -q is-active plimsoll
echo 'profile: none-such' >/etc/plimsoll/settings.yaml
not timeout 20 plimsoll status --state-dir $state
systemctl -q is-active plimsoll.socket
rm /etc/plimsoll/settings.yaml
systemctl reset-failed plimsoll
p status
says 'a wrong setting fails those who wait, and the socket stays'

# Removed: nothing of it runs, films and queue are kept. Purged: films are kept.
dpkg -r plimsoll >/dev/null
not systemctl -q is-active plimsoll.service
not systemctl -q is-active plimsoll.socket
[ -e $state/plimsoll.db ]
not test -e /usr/bin/plimsoll
dpkg -P plimsoll >/dev/null
[ ! -e $state/plimsoll.db ] && [ ! -e /etc/default/plimsoll ]
[ -e $state/films/film.web-720p.mp4 ] && [ -e $state/incoming/film.mp4 ]
says 'removed and purged, films are kept'
