#!/usr/bin/env bash
# The package on a fresh Debian with a real systemd: installed, run, upgraded, removed. Nothing is changed on this machine: all
# of it happens in a folder made by debootstrap, started by systemd-nspawn without a network.
#   packaging/test-deb.sh PACKAGE.deb [FOLDER]
# FOLDER keeps the fresh Debian for the next time. Needs root, debootstrap, systemd-container, lintian, and ffmpeg for the film.
set -euo pipefail
deb=$(realpath "$1")
base=${2:-}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d /var/tmp/plimsoll-deb.XXXXXX)
trap 'rm -rf "$work"' EXIT
# systemd-nspawn keeps Landlock from whoever is inside, which no kernel does by itself.
fence=--system-call-filter='landlock_create_ruleset landlock_add_rule landlock_restrict_self'
step() { printf '\n== %s (%s)\n' "$*" "$(date +%T)"; }

step 'lintian'
lintian --fail-on error,warning --tag-display-limit 0 --info "$deb"

step 'a fresh Debian'
[ -n "$base" ] || base=$work/base
if [ ! -e "$base/made" ]; then
    debootstrap --variant=minbase --include=systemd-sysv,dbus,curl,jq bookworm "$base" >"$work/debootstrap.log"
    touch "$base/made"
fi
root=$work/root
cp -a "$base" "$root"
inside() { systemd-nspawn -q -D "$root" "$fence" --register=no --keep-unit --resolv-conf=copy-host --pipe "$@"; }

step 'dpkg -i, and apt gets what is missing'
cp "$deb" "$root/root/plimsoll.deb"
inside sh -c 'dpkg -i /root/plimsoll.deb >/dev/null 2>&1 && exit 1; apt-get update -qq && apt-get install -f -y -qq --no-install-recommends' \
    >"$work/apt.log" 2>&1 || { tail -20 "$work/apt.log"; exit 1; }
inside plimsoll --version

# The same version once more, as the next one: an upgrade of a service that is at work.
mkdir "$work/next"
dpkg-deb -R "$deb" "$work/next"
sed -i 's/^Version: .*/&+next/' "$work/next/DEBIAN/control"
dpkg-deb --root-owner-group -b "$work/next" "$root/root/next.deb" >/dev/null
ffmpeg -v error -f lavfi -i testsrc2=s=640x360:d=5 -f lavfi -i sine=d=5 -c:v libx264 -c:a aac "$root/root/film.mp4"
cp "$here/test-deb-inside.sh" "$root/root/test.sh"
cat >"$root/etc/systemd/system/test.service" <<'U'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'bash /root/test.sh >/root/test.log 2>&1; echo $? >/root/test.status; systemctl poweroff --no-block'
[Install]
WantedBy=default.target
U
ln -s ../test.service "$root/etc/systemd/system/multi-user.target.wants/test.service"

step 'systemd starts it'
timeout 300 systemd-nspawn -q -b -D "$root" "$fence" --register=no --keep-unit --private-network >"$work/boot.log" 2>&1 </dev/null || true
cat "$root/root/test.log" 2>/dev/null || { tail -40 "$work/boot.log"; exit 1; }
[ "$(cat "$root/root/test.status")" = 0 ] || { tail -40 "$root/root/journal.txt" 2>/dev/null; echo 'FAILED'; exit 1; }

step 'as in a container: any user, without an entry among the users, 512 MB'
inside sh -c 'dpkg -i /root/plimsoll.deb >/dev/null && install -d -m 1777 /data'
cp "$here/test-image-inside.sh" "$root/root/image.sh"
limit=0
for kind in memory/:memory.limit_in_bytes :memory.max; do
    group=/sys/fs/cgroup/${kind%:*}plimsoll-deb.$$
    if mkdir "$group" 2>/dev/null && echo 512M >"$group/${kind#*:}" 2>/dev/null; then
        limit=536870912
        break
    fi
    [ ! -d "$group" ] || rmdir "$group"
    group=
done
# shellcheck disable=SC2016 # it is for the shell inside
unshare --mount --pid --fork --kill-child bash -c '
    [ -z "$2" ] || echo $$ >"$2/cgroup.procs"
    mount -t proc proc "$1/proc" && mount --rbind /sys "$1/sys" && mount --rbind /dev "$1/dev"
    exec chroot "$1" bash /root/image.sh "$3"' - "$root" "$group" "$limit"
[ -z "$group" ] || rmdir "$group"

step 'all passed'
