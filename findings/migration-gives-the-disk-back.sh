#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# libvirt 9.0.0 (Debian 12: 9.0.0-4+deb12u2), QEMU 7.2 (1:7.2+dfsg-7+deb12u18+b3); two hosts, which are namespaces here, and
# between them a FUSE file system without extended attributes (bindfs 1.14.7), as a shared one that libvirt does not know.
#
# Expected: after a live migration the disk belongs to the user of the QEMU that runs the guest, as libvirt's documentation of
#           dynamic_ownership has it.
# Seen:     it belongs to root: the source gives it back, although the guest runs on the target. A QEMU that has the file open
#           goes on. One that opens it again is refused: a guest that arrives paused (--suspend) cannot be resumed, "Could not
#           open '/w/disk.raw': Permission denied".
# Matters:  libvirt knows NFS, CephFS, GFS2, OCFS2 and some more as shared, and leaves their files alone. For any other file
#           system: shared_filesystems in qemu.conf (libvirt 10.9 and later), or dynamic_ownership = 0.
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
        qemu-system-x86=$qemu qemu-utils iproute2 bindfs" >>"$work/log" 2>&1 || { tail "$work/log"; exit 1; }
    cp "$self" "$work/root/finding"
    unshare --mount --net --pid --ipc --uts --fork --kill-child chroot "$work/root" bash /finding inside
    exit
fi
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib/libvirt
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
[ -e /dev/fuse ] || mknod -m 666 /dev/fuse c 10 229
mkdir -p /store /w
bindfs --xattr-none /store /w
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
qemu-img create -q -f raw /w/disk.raw 16M
cat >/tmp/v.xml <<'X'
<domain type='qemu'><name>v</name><memory unit='MiB'>32</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><disk type='file' device='disk'><driver name='qemu' type='raw' cache='none'/>
<source file='/w/disk.raw'/><target dev='vda' bus='virtio'/></disk></devices></domain>
X
owner() { stat -c %U:%G /w/disk.raw; }
virsh -q create /tmp/v.xml
before=$(owner)
virsh -q migrate v "$there" --live --p2p --unsafe --migrateuri tcp://10.9.0.2:49152
after=$(owner)
state=$(virsh -q -c "$there" domstate v)
virsh -q -c "$there" destroy v
echo "the disk while the guest runs on the source: $before"
echo "the disk while the guest is $state on the target: $after"
# The same, arriving paused, as one who wants to resume it himself has it.
virsh -q create /tmp/v.xml
virsh -q migrate v "$there" --live --p2p --unsafe --suspend --migrateuri tcp://10.9.0.2:49152
resumed=$(virsh -q -c "$there" resume v 2>&1 || true)
echo "arrived paused, then resumed: ${resumed:-ok}"
[[ "$resumed" == *"Could not open '/w/disk.raw': Permission denied"* ]] && denied=yes || denied=no
if [ "$before $after $state $denied" != "libvirt-qemu:libvirt-qemu root:root running yes" ]; then
    echo "this has changed: see the head of the script"
    exit 1
fi
echo "as it was seen"
