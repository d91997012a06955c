#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# libvirt 9.0.0 (Debian 12: 9.0.0-4+deb12u2) with swtpm 0.7.1 (0.7.1-1.3) and QEMU 7.2 (1:7.2+dfsg-7+deb12u18+b3).
#
# Expected: (1) a <tpm> whose <source type='dir' path='...'/> names a directory has its state there, or is refused;
#           (2) a VM whose TPM state is on shared storage can be saved, and restored on another host: nobody copies the state.
# Seen:     (1) <source> is dropped without a word, and the state is made in /var/lib/libvirt/swtpm;
#           (2) virsh save fails: "the running swtpm does not support migration with shared storage". Shared is what libvirt takes
#               for it, here a FUSE mount that calls itself glusterfs. On a local file system the same VM is saved.
# Matters:  a VM with a TPM that libvirt runs can neither fail over nor move quickly there. A swtpm that is run by somebody else, and
#           that libvirt knows as <backend type='external'>, is saved and restored (libvirt leaves it alone).
set -eu
libvirt=9.0.0-4+deb12u2 swtpm=0.7.1-1.3 qemu=1:7.2+dfsg-7+deb12u18+b3
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
        swtpm=$swtpm swtpm-tools=$swtpm qemu-system-x86=$qemu qemu-utils iproute2 bindfs" >>"$work/log" 2>&1 ||
        { tail "$work/log"; exit 1; }
    [ -e "$work/root/dev/fuse" ] || mknod "$work/root/dev/fuse" c 10 229
    cp "$self" "$work/root/finding"
    unshare --mount --net --pid --ipc --uts --fork --kill-child chroot "$work/root" bash /finding inside
    exit
fi
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
ip link set lo up
mkdir -p /w/tpm /w/shared /run/libvirt
cat >>/etc/libvirt/qemu.conf <<'X'
user = "root"
group = "root"
swtpm_user = "root"
swtpm_group = "root"
cgroup_controllers = []
namespaces = []
security_driver = "none"
X
virtlogd -d
libvirtd -d
for _ in $(seq 100); do virsh -q uri >/dev/null 2>&1 && break; sleep 0.2; done
uuid=5a4e2a6c-8b52-4f0e-9d3e-5a1b7b1f0c01
cat >/w/v.xml <<X
<domain type='qemu'><name>v</name><uuid>$uuid</uuid><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type arch='x86_64' machine='pc'>hvm</type></os><devices><emulator>/usr/bin/qemu-system-x86_64</emulator>
<tpm model='tpm-tis'><backend type='emulator' version='2.0'><source type='dir' path='/w/tpm'/></backend></tpm></devices></domain>
X
# Prints what a save of the VM says; the state's file must have been made.
save() {
    virsh -q create /w/v.xml
    [ -s "/var/lib/libvirt/swtpm/$uuid/tpm2/tpm2-00.permall" ] || echo "the state is not where it was expected"
    virsh -q dumpxml v | grep -q "path='/w/tpm'" && echo "the definition keeps <source>"
    virsh -q save v /w/saved 2>&1 || true
    virsh -q destroy v >/dev/null 2>&1 || true
    rm -f /w/saved
}
local=$(save)
bindfs -o subtype=glusterfs /w/shared /var/lib/libvirt/swtpm
shared=$(save)
echo "in the directory that <source> names: $(find /w/tpm -type f | wc -l) files"
echo "save with the state on a local file system: ${local:-ok}"
echo "save with the state on shared storage: ${shared:-ok}"
if [ -n "$local" ] || [ -n "$(ls /w/tpm)" ] ||
    [[ "$shared" != *"the running swtpm does not support migration with shared storage"* ]]; then
    echo "this has changed: see the head of the script"
    exit 1
fi
echo "as it was seen"
