#!/bin/sh
# Installs service-registry from the folder in which this script lies: the program, its man pages
# and completions, and unit files for systemd; where systemd runs, it makes the user, too. Nothing
# is started; a registry that runs is started again, with the program that is installed now.
#
#   ./install.sh                  # into /usr/local, as root
#   PREFIX=/opt/registry ./install.sh
#   DESTDIR=/tmp/root ./install.sh         # into a tree that is copied elsewhere later
#   ./install.sh --uninstall      # takes out what it installed; settings and database stay
set -eu

PREFIX="${PREFIX:-/usr/local}"
DESTDIR="${DESTDIR:-}"
here="$(cd "$(dirname "$0")" && pwd)"
units=/etc/systemd/system
settings=/etc/service-registry/registry.yaml

# Each file of the folder, and where it belongs.
files() {
    echo "bin/service-registry $PREFIX/bin/service-registry 755"
    for file in "$here"/share/man/man1/*.1; do
        echo "share/man/man1/$(basename "$file") $PREFIX/share/man/man1/$(basename "$file") 644"
    done
    share="$PREFIX/share"
    bash=bash-completion/completions/service-registry
    echo "share/$bash $share/$bash 644"
    echo "share/zsh/vendor-completions/_service-registry" \
        "$share/zsh/site-functions/_service-registry 644"
    fish=fish/vendor_completions.d/service-registry.fish
    echo "share/$fish $share/$fish 644"
    dashboard=grafana-dashboard.json
    echo "$dashboard $share/service-registry/$dashboard 644"
    for unit in service-registry.service service-registry-run@.service; do
        echo "systemd/$unit $units/$unit 644"
    done
    echo "sysusers/service-registry.conf /etc/sysusers.d/service-registry.conf 644"
}

install_files() {
    files | while read -r source target mode; do
        install -D -m "$mode" "$here/$source" "$DESTDIR$target"
    done
    # The units name the place where the Debian package has the program.
    sed -i "s|/usr/bin/service-registry|$PREFIX/bin/service-registry|" \
        "$DESTDIR$units"/service-registry*.service
    if [ -e "$DESTDIR$settings" ]; then
        install -D -m 644 "$here/registry.yaml" "$DESTDIR$settings.new"
        echo "kept $settings; the one of this version is beside it, as registry.yaml.new"
    else
        install -D -m 644 "$here/registry.yaml" "$DESTDIR$settings"
    fi
}

uninstall_files() {
    files | while read -r _ target _; do
        rm -f "$DESTDIR$target"
    done
    echo "kept $settings and /var/lib/service-registry"
}

# Whether this is about the host itself, and systemd runs it.
has_systemd() {
    [ -z "$DESTDIR" ] && [ -d /run/systemd/system ]
}

case "${1:-}" in
'')
    install_files
    if has_systemd; then
        systemd-sysusers service-registry.conf
        systemctl daemon-reload
        systemctl try-restart service-registry.service
        echo "installed; 'systemctl enable --now service-registry' starts it now and at every boot"
    fi
    ;;
--uninstall)
    if has_systemd; then
        systemctl stop 'service-registry-run@*.service' || true
        systemctl disable --now service-registry.service || true
        systemctl disable service-registry-run@.service || true
    fi
    uninstall_files
    if has_systemd; then
        systemctl daemon-reload
    fi
    ;;
*)
    echo "usage: install.sh [--uninstall]" >&2
    exit 2
    ;;
esac
