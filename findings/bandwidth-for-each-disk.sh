#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# libvirt 9.0.0 (Debian 12: 9.0.0-4+deb12u2), QEMU 7.2 (1:7.2+dfsg-7+deb12u18+b3); two hosts, which are namespaces here, each
# with disks of its own.
#
# Expected: the bandwidth of a migration (virsh migrate --bandwidth, VIR_MIGRATE_PARAM_BANDWIDTH) is what it takes of the network,
#           as its documentation has it.
# Seen:     with --copy-storage-all each disk gets the limit for itself, and they are copied at the same time: three disks take
#           three times as much. The memory, which follows, keeps to it.
# Matters:  divide the limit by the number of disks, and raise it for the memory when that begins to flow
#           (virDomainMigrateSetMaxSpeed at the first migration-iteration event).
set -eu
libvirt=9.0.0-4+deb12u2 qemu=1:7.2+dfsg-7+deb12u18+b3
[ "$(id -u)" -eq 0 ] || { echo "run this as root: it makes a system in a directory, and namespaces"; exit 2; }
if [ "${1:-}" != inside ] && [ "${1:-}" != host ]; then
    command -v debootstrap >/dev/null || { echo "install debootstrap first"; exit 2; }
    self=$(realpath "$0")
    work=$(mktemp -d)
    trap 'rm -rf --one-file-system "$work"' EXIT
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
    debootstrap --variant=minbase bookworm "$work/root" "$mirror" >"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
    cp /etc/resolv.conf "$work/root/etc/"
    printf 'deb %s bookworm main\ndeb %s bookworm-updates main\ndeb %s-security bookworm-security main\n' \
        "$mirror" "$mirror" "${mirror%/}" >"$work/root/etc/apt/sources.list"
    printf '#!/bin/sh\nexit 101\n' >"$work/root/usr/sbin/policy-rc.d"
    chmod +x "$work/root/usr/sbin/policy-rc.d"
    chroot "$work/root" sh -ec "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update; apt-get -qq --no-install-recommends install \
        libvirt-daemon=$libvirt libvirt-daemon-driver-qemu=$libvirt libvirt-daemon-system=$libvirt libvirt-clients=$libvirt libvirt0=$libvirt \
        qemu-system-x86=$qemu qemu-utils iproute2" >>"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
    cp "$self" "$work/root/finding"
    unshare --mount --net --pid --ipc --uts --fork --kill-child chroot "$work/root" bash /finding inside
    exit
fi
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib/libvirt
mkdir -p /w
mount -t tmpfs tmpfs /w
for disk in a b c; do qemu-img create -q -f raw /w/$disk.raw 64M; done
ip link set lo up
mkdir -p /run/libvirt
cat >/etc/libvirt/qemu.conf <<'X'
cgroup_controllers = []
namespaces = []
security_driver = "none"
stdio_handler = "file"
X
cat >"/etc/libvirt/$1.conf" <<X
listen_tls = 0
listen_tcp = 1
auth_tcp = "none"
host_uuid = "00000000-0000-4000-8000-$([ "$1" = inside ] && echo 00000000000a || echo 00000000000b)"
X
if [ "$1" = host ]; then
    hostname b
    ip addr add 10.9.0.2/24 dev vb
    ip link set vb up
    exec libvirtd --listen --config /etc/libvirt/host.conf
fi
hostname a
mount -t sysfs sysfs /sys
ip link add va type veth peer name vb
ip addr add 10.9.0.1/24 dev va
ip link set va up
unshare --mount --propagation unchanged --net --pid --ipc --uts --fork --kill-child bash /finding host >/tmp/b.log 2>&1 &
other=$!
for _ in $(seq 100); do pid=$(cat "/proc/$other/task/$other/children"); [ -z "$pid" ] || break; sleep 0.1; done
ip link set vb netns "${pid% }"
libvirtd -d --listen --config /etc/libvirt/inside.conf
there='qemu+tcp://10.9.0.2/system'
for uri in qemu:///system $there; do
    for _ in $(seq 100); do virsh -q -c "$uri" uri >/dev/null 2>&1 && break; sleep 0.2; done
done
for disk in a b c; do head -c 64M /dev/urandom >/w/$disk.raw; done
disks=
for disk in a b c; do
    disks="$disks<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='/w/$disk.raw'/><target dev='vd$disk' bus='virtio'/></disk>"
done
cat >/tmp/v.xml <<X
<domain type='qemu'><name>v</name><memory unit='MiB'>32</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator>$disks</devices></domain>
X
virsh -q create /tmp/v.xml
virsh -q migrate v "$there" --live --p2p --copy-storage-all --bandwidth 4 --migrateuri tcp://10.9.0.2 &
sent() { cat /sys/class/net/va/statistics/tx_bytes; }
for _ in $(seq 100); do [ "$(sent)" -lt 2000000 ] || break; sleep 0.1; done
from=$(sent) begun=$(date +%s%N)
limits=$(for disk in a b c; do virsh -q blockjob v vd$disk --info --bytes 2>/dev/null | grep -o 'limit: [0-9]*'; done | sort | uniq -c | xargs)
sleep 8
rate=$((($(sent) - from) * 1000000000 / ($(date +%s%N) - begun)))
wait %2
echo "asked for: 4 MiB/s; of the jobs of its disks (count, limit in bytes/s): $limits; sent in 8 s: $((rate / 1048576)) MiB/s"
if [ "$limits" != "3 limit: 4194304" ] || [ "$rate" -lt $((2 * 4194304)) ]; then
    echo "this has changed: see the head of the script"
    exit 1
fi
echo "as it was seen"
