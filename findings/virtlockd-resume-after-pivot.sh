#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# libvirt 9.0.0 (Debian 12: 9.0.0-4+deb12u2) with virtlockd, and QEMU 7.2 (1:7.2+dfsg-7+deb12u18+b3).
#
# Expected: a guest whose disk is mirrored by a block copy may be paused, pivoted to the copy, and resumed.
# Seen:     the resume fails, each time: "error: resource busy: Lockspace resource '/w/copy.raw' is locked". The lock is the VM's
#           own: the block copy took a lease of the copy when it began, and the resume, which takes the leases of all disks anew,
#           does not know that. Pivoted while it runs, the same guest is paused and resumed without a complaint.
# Matters:  who wants the switch of several disks to be one moment for the guest has to pause it first. What then helps without
#           stopping the VM is to let QEMU go on by its monitor; libvirt sees that, and the lease is right again at the next pause.
set -eu
libvirt=9.0.0-4+deb12u2 qemu=1:7.2+dfsg-7+deb12u18+b3
[ "$(id -u)" -eq 0 ] || { echo "run this as root: it makes a system in a directory, and namespaces"; exit 2; }
if [ "${1:-}" != inside ]; then
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
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
ip link set lo up
mkdir -p /w /run/libvirt
cat >>/etc/libvirt/qemu.conf <<'X'
lock_manager = "lockd"
user = "root"
group = "root"
cgroup_controllers = []
namespaces = []
security_driver = "none"
X
virtlogd -d
virtlockd -d
libvirtd -d
for _ in $(seq 100); do virsh -q uri >/dev/null 2>&1 && break; sleep 0.2; done

# $1: pivot while the guest is paused, or while it runs. Prints what the resume says.
resume_after() {
    rm -f /w/*.raw
    qemu-img create -q -f raw /w/disk.raw 16M
    cat >/w/v.xml <<'X'
<domain type='qemu'><name>v</name><memory unit='MiB'>32</memory><vcpu>1</vcpu><os><type arch='x86_64' machine='pc'>hvm</type></os>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><disk type='file' device='disk'><driver name='qemu' type='raw'/>
<source file='/w/disk.raw'/><target dev='vda' bus='virtio'/></disk></devices></domain>
X
    virsh -q create /w/v.xml
    virsh -q blockcopy v vda --dest /w/copy.raw --format raw --transient-job --wait >/dev/null
    [ "$1" = runs ] || virsh -q suspend v
    virsh -q blockjob v vda --pivot
    [ "$1" = paused ] || virsh -q suspend v
    # Until libvirt shows the copy as the disk.
    for _ in $(seq 100); do virsh -q domblklist v | grep -q copy.raw && break; sleep 0.1; done
    virsh -q resume v 2>&1 || true
    virsh -q destroy v
}
running=$(resume_after runs)
paused=$(resume_after paused)
echo "pivot while it runs, then pause and resume: ${running:-ok}"
echo "pause, pivot, then resume: ${paused:-ok}"
if [ -n "$running" ] || [[ "$paused" != *"resource busy: Lockspace resource '/w/copy.raw' is locked"* ]]; then
    echo "this has changed: see the head of the script"
    exit 1
fi
echo "as it was seen"
