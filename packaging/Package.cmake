# SPDX-License-Identifier: GPL-2.0-or-later
# A package for the Debian release that it is built on: cmake --build --preset release --target package
#
# It brings what a node needs: no compiler, no list of packages. dpkg-shlibdeps finds the libraries of the programs. This
# file names everything else that a node runs; comments explain the entries that are not obvious.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME clusterd)
set(CPACK_PACKAGE_VERSION "${PROJECT_VERSION}")
set(CPACK_PACKAGE_CONTACT "clusterd maintainers <root@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "failover cluster manager for virtual machines")
set(CPACK_PACKAGE_DESCRIPTION "clusterd keeps virtual machines running on a cluster of libvirt hosts. It starts the VMs of
a lost node elsewhere once that node is known to be off, moves VMs live or quick, and drains nodes.")
set(CPACK_PACKAGING_INSTALL_PREFIX "${CMAKE_INSTALL_PREFIX}")
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(depends
    corosync
    libvirt-daemon-system
    libvirt-clients
    # virtlockd and its plugin: packages of their own since Debian 13, part of libvirt-daemon before.
    "libvirt-daemon-lock | libvirt-daemon (<< 10)"
    "libvirt-daemon-plugin-lockd | libvirt-daemon (<< 10)"
    qemu-system-x86
    qemu-utils
    fence-agents
    # fence_ipmilan runs it; Debian 12 does not require it.
    ipmitool
    # examples/certificates calls it.
    openssl
    systemd)
list(JOIN depends ", " CPACK_DEBIAN_PACKAGE_DEPENDS)
# Only for VMs with a TPM.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "swtpm, swtpm-tools")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA "${CMAKE_CURRENT_SOURCE_DIR}/postinst" "${CMAKE_CURRENT_SOURCE_DIR}/conffiles")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
