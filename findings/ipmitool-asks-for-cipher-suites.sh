#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# ipmitool 1.8.19 (Debian 12: 1.8.19-4+deb12u2) against the BMC of OpenIPMI's ipmi_sim 2.0.33 (2.0.33-1+b1).
#
# Expected: with -I lanplus a status takes the same time whether or not a cipher suite is named.
# Seen:     without -C, ipmitool asks the BMC which suites it has before it opens a session. A BMC that does not answer this
#           question costs 10 s for each call ("Unable to Get Channel Cipher Suites"); then it goes on with suite 3 and works.
#               without -C:  10.2 s   "Chassis Power is on"
#               with -C 3:    0.1 s   "Chassis Power is on"
# Matters:  fence_ipmilan calls ipmitool three times and more to switch a node off. Its parameter `cipher` passes -C.
#           So give `cipher` to the fence device of such a BMC, or the VMs of a lost node are down for half a minute longer.
set -eu
[ "$(id -u)" -eq 0 ] || { echo "run this as root: it makes a network namespace"; exit 2; }
if [ "${1:-}" != inside ]; then
    self=$(realpath "$0")
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    cd "$work"
    # The three that are looked at are pinned; what they link is taken as it comes.
    apt-get -qq -o APT::Sandbox::User=root download ipmitool=1.8.19-4+deb12u2 openipmi=2.0.33-1+b1 libopenipmi0=2.0.33-1+b1 \
        libfreeipmi17 libsnmp40 libreadline8 libtinfo6 libsensors5 libgcrypt20 libgpg-error0 libpopt0 libncurses6
    for package in *.deb; do dpkg-deb -x "$package" root; done
    unshare --net --kill-child --fork "$self" inside "$work"
    exit
fi
cd "$2"
lib=$PWD/root/usr/lib/x86_64-linux-gnu
export LD_LIBRARY_PATH=$lib:$PWD/root/lib/x86_64-linux-gnu PATH=$PWD/root/usr/bin:$PWD/root/usr/sbin:$PATH
ip link set lo up
mkdir state
cat >lan.conf <<'X'
name "bmc"
set_working_mc 0x20
  startlan 1
    addr 127.0.0.1 623
    priv_limit admin
    allowed_auths_user none md2 md5 straight
    allowed_auths_admin none md2 md5 straight
    guid 0123456789abcdef0123456789abcdef
  endlan
  chassis_control "./chassis"
  user 2 true "admin" "secret" admin 10 none md2 md5 straight
X
printf 'mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nmc_enable 0x20\n' >emulation
cat >chassis <<'X'
#!/bin/sh
[ "$1 $2" != "get power" ] || echo power:1
X
chmod +x chassis
ipmi_sim -n -c lan.conf -f emulation -s state </dev/null >sim.log 2>&1 &
sim=$!
trap 'kill "$sim"' EXIT

# Milliseconds that a status takes; what it says must be the same each time.
status_ms() {
    local from to said
    from=$(date +%s%3N)
    said=$(ipmitool -I lanplus "$@" -H 127.0.0.1 -U admin -P secret chassis power status 2>/dev/null) || true
    to=$(date +%s%3N)
    [ "$said" = "Chassis Power is on" ] || { echo "another answer than expected: '$said'" >&2; exit 1; }
    echo $((to - from))
}
# The first one waits until the BMC listens: ipmitool sends again by itself.
status_ms -C 3 >/dev/null
named=$(status_ms -C 3)
asked=$(status_ms)
echo "with -C 3: $named ms; without: $asked ms"
if [ "$asked" -lt 8000 ] || [ "$named" -gt 3000 ]; then
    echo "this has changed: see the head of the script"
    exit 1
fi
echo "as it was seen"
