# The life of the Debian package on a host that systemd runs: installed and started as README.md
# says, supervised, upgraded over changed settings, removed, purged. Then the tarball. Nothing but
# loopback is reached. In / lie README.md's commands in install.sh, start.sh and backup.sh, the
# package where README.md has it, the next two, and what the tarball has in it, in tarball.
set -eu
export DEBIAN_FRONTEND=noninteractive
settings=/etc/service-registry/registry.yaml
state=/var/lib/service-registry
overrides=/etc/systemd/system/service-registry.service.d

fail() {
    echo "in the root of its own: $*"
    systemctl status --no-pager 'service-registry*' || true
    journalctl --no-pager --unit 'service-registry*' --lines=50
    exit 1
}

property() {
    systemctl show --value --property "$1" service-registry
}

# Waits until a command succeeds.
wait_until() {
    attempts=300
    until "$@" >/dev/null 2>&1; do
        attempts=$((attempts - 1))
        [ "$attempts" -gt 0 ] || fail "in vain: $*"
        sleep 0.1
    done
}

is_found() {
    service-registry discover PSU | grep --quiet "$1"
}

has_property() {
    [ "$(property "$1")" = "$2" ]
}

tells_status() {
    systemctl status service-registry | grep --quiet "Status: \"$1"
}

has_warning() {
    journalctl --unit service-registry --priority warning | grep --quiet "$1"
}

ip link set lo up
echo '127.0.0.1 localhost' >/etc/hosts # which installing Debian makes

echo '-- install'
. /install.sh
[ -s /usr/share/service-registry/grafana-dashboard.json ] || fail 'there is no dashboard'
getent passwd service-registry >/dev/null || fail 'there is no user'
[ -z "$(find /etc/systemd/system -name 'service-registry*')" ] || fail 'it is enabled'
has_property ActiveState inactive || fail 'it was started'

echo '-- start, register, discover'
. /start.sh
is_found 'Power Supply' || fail 'the service is not found'
systemctl is-enabled service-registry
[ -z "$(journalctl --quiet --unit service-registry --priority warning)" ] || fail 'it warns'
[ "$(stat --format '%U %a' "$state")" = 'service-registry 750' ] || fail 'others see the database'
wait_until tells_status '1 service registered, 0 connections refused'

echo '-- settings read anew, and a mistake in them'
systemctl reload service-registry
echo 'cleanup_intervall: 10' >>"$settings"
systemctl reload service-registry
wait_until has_warning 'the settings stay as they are: .*cleanup_intervall'
if systemctl restart service-registry; then fail 'it starts with a mistake in its settings'; fi
has_property ActiveState failed || fail 'it is started again with the same mistake'
has_property ExecMainStatus 2 || fail 'it does not tell of its mistake'
sed -i '$d' "$settings"
systemctl start service-registry

echo '-- backups, and where none can be'
. /backup.sh
[ "$(stat --format '%U' "$state/backup.db")" = service-registry ] || fail 'there is no backup'
has_no_backup() {
    if service-registry backup "$1" 2>/complaint; then fail "it takes $1 for a backup"; fi
    grep --quiet "$2" /complaint || fail "of $1 it says: $(cat /complaint)"
    [ ! -e "$1" ] || fail "$1 is there"
}
has_no_backup /tmp/backup.db 'it sees other folders than you'
has_no_backup /var/backups/registry.db 'ReadWritePaths='

echo '-- doctor: as root, as anybody, and while the registry is down'
service-registry doctor || fail 'doctor finds a problem'
runuser --user nobody -- service-registry doctor >/told || fail "nobody is told $(cat /told)"
for check in database 'database access'; do
    grep --quiet "^unknown  $check  " /told || fail "nobody is told $(cat /told)"
done
systemctl stop service-registry
mv "$state/service_registry.db" /saved.db
yes 'no database' | head --lines=500 >"$state/service_registry.db"
if service-registry doctor >/told; then fail "a spoilt database is told as $(cat /told)"; fi
grep --quiet "^problem  database .*$state/service_registry.db is not a SQLite" /told ||
    fail "a spoilt database is told as $(cat /told)"
mv /saved.db "$state/service_registry.db"
systemctl start service-registry

echo '-- a process that hangs'
mkdir "$overrides"
printf '[Service]\nWatchdogSec=2\nRestartSec=0\n' >"$overrides/watchdog.conf"
systemctl daemon-reload
systemctl restart service-registry
kill -STOP "$(property MainPID)"
wait_until has_property NRestarts 1
wait_until is_found 'Power Supply'
wait_until has_warning 'Watchdog timeout'
rm -r "$overrides"
systemctl daemon-reload

echo '-- a program that is registered while it runs'
mkdir "${settings%/*}/run"
cat >"${settings%/*}/run/psu.conf" <<'CONF'
RUN_OPTIONS=--name 'Second Supply' --type PSU2 --port 40124
RUN_COMMAND=/bin/sleep infinity
CONF
systemctl start service-registry-run@psu
service-registry wait PSU2 --timeout 20
systemctl stop service-registry-run@psu
if service-registry discover PSU2; then fail 'it is registered though it has ended'; fi
systemctl --quiet is-failed service-registry-run@psu && fail 'its end is taken for a failure'

echo '-- upgrade over settings as they came, then over changed ones'
before="$(property MainPID)"
dpkg --install /next.deb
grep --quiet '# Of upgrade 1.' "$settings" || fail 'the settings are old'
echo '# Of this host.' >>"$settings"
dpkg --install --force-confold /later.deb
grep --quiet '# Of this host.' "$settings" || fail 'the settings were overwritten'
grep --quiet '# Of upgrade 2.' "$settings.dpkg-dist" || fail 'the new settings are lost'
has_property ActiveState active || fail 'the upgrade has ended it'
[ "$(property MainPID)" != "$before" ] || fail 'the old version still runs'
is_found 'Power Supply' || fail 'the upgrade has lost a service'

echo '-- remove'
systemctl enable --now service-registry-run@psu
service-registry wait PSU2 --timeout 20
apt-get remove --yes service-registry
! systemctl --quiet is-active service-registry-run@psu || fail 'what was run with it still runs'
rm -r "$state-run" "${state%/*}/private/service-registry-run" "${settings%/*}/run"
[ ! -e /usr/bin/service-registry ] || fail 'the program is still there'
! pidof service-registry || fail 'it still runs'
[ -e "$settings" ] && [ -e "$state/service_registry.db" ] || fail 'settings or database are gone'

echo '-- back again, as it was enabled, and removed'
dpkg --install /later.deb
for unit in service-registry service-registry-run@psu; do
    systemctl --quiet is-enabled "$unit" || fail "$unit is not enabled any more"
done
has_property ActiveState inactive || fail 'it was started'
apt-get remove --yes service-registry

echo '-- purge'
apt-get purge --yes service-registry
left="$(find /etc /usr /var/lib -xdev -name 'service-registry*' -not -path '/var/lib/dpkg/*')"
[ -z "$left" ] || fail "left behind: $left"

echo '-- the tarball'
userdel service-registry
/tarball/install.sh
hash -r # the program has another place now
systemctl enable --now service-registry
exe="$(readlink "/proc/$(property MainPID)/exe")"
[ "$exe" = /usr/local/bin/service-registry ] || fail "$exe runs"
service-registry register --name 'Power Supply' --type PSU --host 127.0.0.1 --port 40123
is_found 'Power Supply' || fail 'the service is not found'
before="$(property MainPID)"
/tarball/install.sh
[ "$(property MainPID)" != "$before" ] || fail 'the version before still runs'
is_found 'Power Supply' || fail 'the upgrade has lost a service'
/tarball/install.sh --uninstall
has_property ActiveState inactive || fail 'it still runs'
[ ! -e "$exe" ] || fail 'the program is still there'
