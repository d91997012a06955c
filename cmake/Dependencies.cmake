# SPDX-License-Identifier: GPL-2.0-or-later
# The libraries, found by pkg-config; link them as PkgConfig::NAME. What fails here is installed by `tools/packages.sh build`.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(clusterd_dependency name module)
    pkg_check_modules(${name} IMPORTED_TARGET GLOBAL ${module})
    if(NOT ${name}_FOUND)
        message(FATAL_ERROR "clusterd: library ${module} not found by pkg-config; as root run: tools/packages.sh build")
    endif()
endfunction()

clusterd_dependency(CPG libcpg)
# cs_strerror(), which all of corosync's libraries share, lies in a library that their .pc files do not name.
clusterd_dependency(COROSYNC_COMMON libcorosync_common)
target_link_libraries(PkgConfig::CPG INTERFACE PkgConfig::COROSYNC_COMMON)
clusterd_dependency(QUORUM libquorum)
clusterd_dependency(VOTEQUORUM libvotequorum)
clusterd_dependency(CMAP libcmap)
clusterd_dependency(QB "libqb>=2.0")
clusterd_dependency(LIBVIRT "libvirt>=9.0")
clusterd_dependency(SQLITE3 sqlite3)
clusterd_dependency(JANSSON jansson)
clusterd_dependency(SMARTCOLS smartcols)
clusterd_dependency(INIH inih)
clusterd_dependency(LIBXML2 libxml-2.0)
if(CLUSTERD_TESTS)
    clusterd_dependency(CMOCKA cmocka)
endif()
