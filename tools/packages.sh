#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Installs the missing Debian packages that a part of clusterd needs, and starts nothing.
#
# Debian starts and enables the services of a package. That is wrong here: the lab must not touch the host's corosync or
# libvirt, and a build machine needs neither. Three measures keep them down:
#   1. While apt runs, /usr/sbin/policy-rc.d answers 101 ("do not"). Packages' scripts start services through invoke-rc.d
#      or deb-systemd-invoke, and both ask it. The former file is restored, also after a signal; after a SIGKILL the next
#      run restores it.
#   2. The policy does not cover enabling: a unit would start at the next boot. This run therefore disables the units (and
#      init scripts) of the packages that it installed. Those of packages that were there before stay as they are.
#   3. needrestart is suspended: it must not restart services of the host unasked.
set -u -o pipefail
export LC_ALL=C PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:${PATH:-}"

# set | why | packages; <13:NAME is for releases of Debian before 13 only, >=13:NAME for 13 and later
table="
build | the compiler and the libraries that clusterd links
      | gcc libc6-dev cmake ninja-build pkgconf libcpg-dev libquorum-dev libvotequorum-dev libcmap-dev
      | libcorosync-common-dev libqb-dev libvirt-dev libsqlite3-dev libjansson-dev libsmartcols-dev libinih-dev libxml2-dev
package | the Debian package of clusterd (cmake --target package)
      | dpkg-dev
run   | the lab: real corosync, libvirt and QEMU in namespaces, and what its nodes and guests are made of
      | corosync libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-utils bindfs tini iproute2 procps util-linux
      | busybox-static cpio openssl python3 zstd swtpm swtpm-tools >=13:libvirt-daemon-lock >=13:libvirt-daemon-plugin-lockd
unit  | unit tests, their runners, and the second compiler
      | libcmocka-dev clang <13:libclang-rt-14-dev >=13:libclang-rt-dev python3 python3-pytest systemd apparmor
test  | the system tests' runner
      | python3 python3-pytest python3-pytest-timeout python3-pytest-xdist
first | the machines of the README's first cluster (tests/system/test_first_cluster.py): systemd, BMCs, what a node's package needs
      | systemd-sysv dbus dpkg-dev fence-agents ipmitool openipmi
lint  | the checks on the sources
      | python3 binutils clang-format clang-tidy cppcheck shellcheck mandoc
fence | real fence agents, for the unit tests that are skipped without them (29 packages, 8 MB)
      | fence-agents
cov   | the coverage report
      | gcovr
debian | what the README says, done on a fresh Debian of another release
      | debootstrap python3
peers | bench placement and peers: what others place, and a solver that proves how few moves are enough
      | pacemaker-cli-utils ganeti-htools coinor-cbc
"

say() { printf 'packages.sh: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

usage() {
    cat <<EOF
Usage: tools/packages.sh SET...          install what is missing of these sets (root)
       tools/packages.sh --check SET...  only say what is missing; exit status 1 if anything is
       tools/packages.sh --list          show the sets
       tools/packages.sh kernel DIR      unpack the guests' kernel (linux-image-cloud-amd64) under DIR; installs nothing
Sets: $(set_names)
EOF
}

# The number of this Debian release; testing and sid have none, and are newer than all numbered ones.
release() { (VERSION_ID='' && . /etc/os-release 2>/dev/null; echo "${VERSION_ID%%.*}") | grep -E '^[0-9]+$' || echo 999; }

# The table above in two forms: the names of the sets; and one set's packages on this release, or its reason.
set_names() { awk -F'|' '$1 ~ /[a-z]/ { gsub(/ /, "", $1); printf "%s%s", sep, $1; sep = " " } END { print "" }' <<<"$table"; }
set_why() { awk -F'|' -v s="$1" '{ n = $1; gsub(/ /, "", n) } n == s { sub(/^ /, "", $2); print $2 }' <<<"$table"; }
set_packages() {
    awk -F'|' -v s="$1" '{ n = $1; gsub(/ /, "", n) } n != "" { on = (n == s); next } on { print $2 }' <<<"$table" |
        tr -s ' ' '\n' | awk -F: -v release="$(release)" '
            $1 == "" { next }
            NF == 1 { print; next }
            { limit = $1; gsub(/[^0-9]/, "", limit); if (($1 ~ /^</) == (release + 0 < limit + 0)) print $2 }'
}

installed() { dpkg-query -W -f='${db:Status-Abbrev}\n' "$1" 2>/dev/null | grep '^.i' >/dev/null; }

missing_of() {
    local set package
    for set in "$@"; do
        for package in $(set_packages "$set"); do
            installed "$package" || echo "$package"
        done
    done | sort -u
}

policy=/usr/sbin/policy-rc.d
saved=/usr/sbin/policy-rc.d.before-clusterd
mark='# clusterd tools/packages.sh: for the time of one apt-get; it may be removed when no apt-get runs.'

policy_is_ours() { [ -f "$policy" ] && grep -qF "$mark" "$policy" 2>/dev/null; }

policy_restore() {
    # Removes our file and restores the former one (even if it was a symbolic link).
    if policy_is_ours; then
        rm -f "$policy"
    fi
    if [ -e "$saved" ] || [ -L "$saved" ]; then
        mv -f "$saved" "$policy"
    fi
    return 0
}

policy_forbid() {
    policy_restore # it may still be there from a run that was killed
    if [ -e "$policy" ] || [ -L "$policy" ]; then
        mv "$policy" "$saved" || return 1
    fi
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >"$policy.new" && chmod 755 "$policy.new" && mv "$policy.new" "$policy"
}

# Units and init scripts of a package, by name. Those of the system itself, which a minimal image may get as dependencies,
# stay as the system wants them.
units_of() {
    case "$1" in systemd | systemd-* | udev | dbus | dbus-* | logrotate | polkitd) return ;; esac
    dpkg -L "$1" 2>/dev/null | sed -nE 's,^(/usr)?/lib/systemd/system/([^/@]+\.(service|socket|timer|path))$,\2,p' | sort -u
}
scripts_of() {
    case "$1" in systemd | udev | dbus | procps | kmod) return ;; esac
    dpkg -L "$1" 2>/dev/null | sed -n 's,^/etc/init\.d/\([^/]*\)$,\1,p'
}

disable_new() {
    local package unit script
    for package in "$@"; do
        for unit in $(units_of "$package"); do
            command -v systemctl >/dev/null || break
            [ "$(systemctl is-enabled "$unit" 2>/dev/null)" = enabled ] || continue
            if systemctl disable "$unit" >>"$log" 2>&1; then
                say "left disabled: $unit (of $package)"
            else
                say "could not disable $unit (of $package): it would start at the next boot; run: systemctl disable $unit"
            fi
            # Nothing should run; stop a package by name if its scripts bypass policy-rc.d.
            if [ -d /run/systemd/system ] && systemctl is-active --quiet "$unit"; then
                systemctl stop "$unit" >>"$log" 2>&1
                say "stopped: $unit (of $package), which started in spite of policy-rc.d"
            fi
        done
        for script in $(scripts_of "$package"); do
            if command -v update-rc.d >/dev/null; then
                update-rc.d "$script" disable >>"$log" 2>&1
            fi
        done
    done
}

apt() {
    DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical NEEDRESTART_SUSPEND=1 NEEDRESTART_MODE=l APT_LISTCHANGES_FRONTEND=none \
        apt-get -q -y -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-confdef \
        -o Dpkg::Options::=--force-confold -o Acquire::Retries=3 "$@" </dev/null >>"$log" 2>&1 9>&-
}

apt_install() { [ "$stopped" = no ] && apt install --no-install-recommends "$@"; }

# Package lists may be absent (a fresh image) or too old (the mirror has dropped the file): one remedy for each.
apt_update_once() {
    [ "$updated$stopped" = nono ] || return 1
    updated=yes
    apt update
}

candidates_known() {
    local package
    for package in "$@"; do
        apt-cache policy "$package" 2>/dev/null | grep -E 'Candidate: [0-9]' >/dev/null || return 1
    done
}

names() { dpkg-query -W -f='${db:Status-Abbrev} ${Package}\n' 2>/dev/null | awk '$1 ~ /^.i/ { print $2 }' | sort -u; }

lock_open() {
    mkdir -p /run/lock
    exec 9>>/run/lock/clusterd-packages.lock || die "cannot write /run/lock; is / mounted read-only?"
}

lock() {
    lock_open
    flock -w 900 9 || die "another packages.sh has been at work for 15 minutes (/run/lock/clusterd-packages.lock); try again later"
}

# Restores what a killed run has left, even if there is nothing to install; not while another run is active.
clear_up() {
    [ "$(id -u)" -eq 0 ] && policy_is_ours || return 0
    lock_open
    flock -n 9 && policy_restore
    exec 9>&-
}

log_open() {
    log=$(mktemp /tmp/clusterd-packages.XXXXXX.log) || die "cannot write to /tmp; make room there"
    updated=no
    stopped=no # by a signal
}

log_fail() {
    tail -n 15 "$log" >&2
    die "$1; the whole log is in $log"
}

install() {
    local before missing set
    local -a list new
    lock
    log_open
    missing=$(missing_of "$@") # again: another run may have done the work while we waited
    [ -n "$missing" ] || { rm -f "$log"; return 0; }
    mapfile -t list <<<"$missing"
    for set in "$@"; do
        missing=$(missing_of "$set" | tr '\n' ' ')
        [ -z "$missing" ] || say "for $set ($(set_why "$set")) apt-get installs: $missing"
    done

    before=$(names)
    # A signal waits for the end of apt-get (a foreground child). Whatever apt-get did until then is treated as always:
    # nothing of it may start by itself.
    trap 'stopped=yes' INT TERM HUP QUIT
    trap policy_restore EXIT
    policy_forbid || die "cannot write $policy; is /usr mounted read-only?"
    candidates_known "${list[@]}" || apt_update_once || log_fail "apt-get update failed; check the network and /etc/apt/sources.list"
    apt_install "${list[@]}" || { apt_update_once && apt_install "${list[@]}"; }
    local rc=$?
    # After a failure, too: installed packages must not start by themselves.
    mapfile -t new < <(comm -13 <(echo "$before") <(names))
    disable_new "${new[@]}"
    policy_restore
    trap - INT TERM HUP QUIT EXIT
    if [ "$stopped" = yes ]; then
        rm -f "$log"
        say "stopped by a signal; what apt-get had installed by then starts nothing"
        exit 130
    fi
    [ "$rc" -eq 0 ] || log_fail "apt-get could not install: $(missing_of "$@" | tr '\n' ' ')"
    rm -f "$log"
}

# The guests need a kernel image and its modules; the host does not: an installed kernel would become the host's next boot
# kernel. Therefore the package is only unpacked.
kernel() {
    local dir=$1 image work rc
    [ -d "$dir" ] || mkdir -p "$dir" || die "cannot make $dir"
    dir=$(cd "$dir" && pwd)
    if compgen -G "$dir/boot/vmlinuz-*" >/dev/null; then
        return 0
    fi
    lock
    log_open
    candidates_known linux-image-cloud-amd64 || apt_update_once || log_fail "apt-get update failed; check the network and /etc/apt/sources.list"
    rm -rf "$dir"/.fetch.* # of a run that was killed
    work=$(mktemp -d "$dir/.fetch.XXXXXX") || die "cannot write to $dir"
    image=$(kernel_name)
    say "fetching the guests' kernel $image into $dir (not installed)"
    kernel_fetch "$image" "$work" || { apt_update_once && image=$(kernel_name) && kernel_fetch "$image" "$work"; } ||
        { rm -rf "$work"; log_fail "could not fetch $image"; }
    kernel_unpack "$work" "$dir"
    rc=$?
    rm -rf "$work"
    [ "$rc" -eq 0 ] || log_fail "could not unpack $image, or it has no kernel and modules where they are looked for"
    rm -f "$log"
}

kernel_depends() { apt-cache depends --important "$1" 2>/dev/null | sed -nE "s/.*Depends: ($2)\$/\1/p"; }
kernel_name() { kernel_depends linux-image-cloud-amd64 'linux-image-[0-9].*' | head -n 1; }

# Since Debian 14 the image is an empty package: kernel, modules and their lists are in three packages that it depends on.
kernel_fetch() {
    local -a more
    mapfile -t more < <(kernel_depends "$1" 'linux-(base|binary|modules)-[0-9].*')
    # apt fetches as user _apt if that user may write there; in a private directory it fetches as root and says so.
    (cd "$2" && rm -f ./*.deb && apt download -o APT::Sandbox::User=root "$1" "${more[@]}")
}

# Debian 12 has boot/vmlinuz-REL and lib/modules/REL, 13 has usr/lib/modules/REL, and 14 has the kernel there, too. The result
# always has the layout of 12. The kernel comes last: its presence means that everything is there.
kernel_unpack() {
    local package modules kernel rel
    for package in "$1"/*.deb; do
        dpkg-deb -x "$package" "$1/root" >>"$log" 2>&1 || return 1
    done
    for modules in "$1"/root/{usr/,}lib/modules/*/; do
        modules=${modules%/}
        rel=${modules##*/}
        for kernel in "$1/root/boot/vmlinuz-$rel" "$modules/vmlinuz"; do
            [ -f "$kernel" ] && [ -d "$modules/kernel" ] || continue
            mkdir -p "$2/lib/modules" "$2/boot" && rm -rf "$2/lib/modules/$rel" &&
                mv "$modules" "$2/lib/modules/$rel" || return 1
            [ -f "$kernel" ] || kernel=$2/lib/modules/$rel/vmlinuz
            mv "$kernel" "$2/boot/vmlinuz-$rel"
            return
        done
    done
    return 1
}

main() {
    local check=no set missing
    case "${1:-}" in
    -h | --help) usage; exit 0 ;;
    --list)
        for set in $(set_names); do
            printf '%-6s %s\n       %s\n' "$set" "$(set_why "$set")" "$(set_packages "$set" | tr '\n' ' ')"
        done
        exit 0
        ;;
    --check) check=yes; shift ;;
    esac
    [ $# -gt 0 ] || { usage >&2; exit 2; }
    command -v apt-get >/dev/null ||
        die "this is not a Debian system (no apt-get); install by hand what 'tools/packages.sh --list' names"
    if [ "$1" = kernel ]; then
        [ $# -eq 2 ] || { usage >&2; exit 2; }
        kernel "$2"
        exit 0
    fi
    for set in "$@"; do
        case " $(set_names) " in *" $set "*) ;; *) die "no set named '$set'; there are: $(set_names)" ;; esac
    done
    missing=$(missing_of "$@" | tr '\n' ' ')
    [ "$check" = yes ] || clear_up
    [ -n "$missing" ] || exit 0
    if [ "$check" = yes ]; then
        echo "missing: $missing"
        exit 1
    fi
    [ "$(id -u)" -eq 0 ] || die "missing: ${missing}- only root can install them; as root run: $0 $*"
    install "$@"
}

main "$@"
