#!/bin/sh
# Debian packages the next step needs: `setup.sh PACKAGE...` installs those whose command is missing. With root it
# installs; without, it says what to install and what works without it. Everything it prints goes to stderr.
set -eu

command_of() {
    case "$1" in
        mosquitto) echo mosquitto /usr/sbin/mosquitto ;;
        chromium) echo chromium /usr/bin/chromium ;;
        postgresql) echo initdb /usr/lib/postgresql/*/bin/initdb ;;
        qemu-system-x86) echo qemu-system-x86_64 ;;
        strace) echo strace ;;
        golang-go) echo go /usr/local/go/bin/go ;;
        iproute2) echo ip ;;
        python3-venv) echo "" ;;
    esac
}

left_out() {
    case "$1" in
        mosquitto) echo "without it the server starts its embedded broker, and the tests of mosquitto are left out" ;;
        chromium) echo "without it the tests in a browser are left out" ;;
        postgresql) echo "without it the tests of the server on a real PostgreSQL are left out" ;;
        qemu-system-x86) echo "without it the proofs on the real Linux Bluetooth stack are left out" ;;
        golang-go) echo "without it no InfluxDB can be built, and the tests over a real one are left out" ;;
        strace) echo "without it the proof of a power cut is left out" ;;
        iproute2) echo "without it the proof of a silent partition is left out" ;;
        python3-venv) echo "without it no environment can be made" ;;
    esac
}

present() {
    if [ "$1" = python3-venv ]; then
        "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null
        return
    fi
    for name in $(command_of "$1"); do
        command -v "$name" >/dev/null 2>&1 && return
    done
    return 1
}

# Debian's package makes a database cluster of its own and starts it with the machine. The tests start theirs.
without_a_cluster() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-common >&2 &&
        sed -i 's/^#*create_main_cluster.*/create_main_cluster = false/' /etc/postgresql-common/createcluster.conf
}

missing=""
for package in "$@"; do
    present "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    echo "installing:$missing" >&2
    apt-get update -qq >&2
    case "$missing" in *postgresql*) without_a_cluster || true ;; esac
    # The hub's own unit is not wanted: the server starts its broker itself, with its own configuration.
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2 && exit 0
    echo "apt-get could not install:$missing" >&2
fi
for package in $missing; do
    echo "missing: $package: $(left_out "$package"); to have it: sudo apt-get install $package" >&2
done
