# SPDX-License-Identifier: GPL-2.0-or-later
# The flags of every target: link the interface target `clusterd_flags` PRIVATE (or PUBLIC in a static library).
#
# It also gives the two include roots, so that an include names the part it reaches into and the include rule can be
# read off it:  #include "base/list.h"  #include "wire/message.h"  #include "core/core.h"  #include "placement/placement.h"

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)

if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Debug or RelWithDebInfo" FORCE)
endif()
# CMake's own defaults define NDEBUG in release builds; our checks stay on, so the flags are said here in full.
# Frame pointers cost next to nothing and make every profile and core dump readable.
set(CMAKE_C_FLAGS_DEBUG "-O1 -g -fno-omit-frame-pointer")
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g -fno-omit-frame-pointer")
set(CMAKE_C_FLAGS_RELEASE "-O2")

add_library(clusterd_flags INTERFACE)
target_include_directories(clusterd_flags INTERFACE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/clusterd")
target_compile_definitions(clusterd_flags INTERFACE _GNU_SOURCE CLUSTERD_VERSION="${PROJECT_VERSION}")
target_compile_options(clusterd_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wundef
    -Wformat=2 -Wcast-align -Wimplicit-fallthrough -Wswitch-enum -Wold-style-definition -Wwrite-strings
    -fno-common -fstack-protector-strong -fstack-clash-protection
    # The same object for the same sources, wherever they lie (not for dev: gcov and gdb need the true path).
    "$<$<CONFIG:RelWithDebInfo>:-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=>")
target_link_options(clusterd_flags INTERFACE -Wl,-z,relro,-z,now -Wl,-z,noexecstack -Wl,--as-needed)
# libvirt's own VIR_DOMAIN_EVENT_CALLBACK makes such a cast, for each event but one; clang 19 is the first to mind.
if(CMAKE_C_COMPILER_ID STREQUAL "Clang" AND CMAKE_C_COMPILER_VERSION VERSION_GREATER_EQUAL 19)
    target_compile_options(clusterd_flags INTERFACE -Wno-cast-function-type-mismatch)
endif()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    target_compile_options(clusterd_flags INTERFACE -fcf-protection)
endif()
if(CLUSTERD_WERROR)
    target_compile_options(clusterd_flags INTERFACE -Werror)
endif()

if(CLUSTERD_SANITIZE)
    # Compile with everything but libFuzzer's main(), which only fuzz targets link (clusterd_fuzz_target).
    string(REPLACE "fuzzer" "fuzzer-no-link" CLUSTERD_SANITIZE_LIBS "${CLUSTERD_SANITIZE}")
    target_compile_options(clusterd_flags INTERFACE
        -fsanitize=${CLUSTERD_SANITIZE_LIBS} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(clusterd_flags INTERFACE -fsanitize=${CLUSTERD_SANITIZE_LIBS})
    # The sanitizer's checks replace glibc's; both at once hide each other's findings.
    target_compile_options(clusterd_flags INTERFACE -U_FORTIFY_SOURCE)
else()
    target_compile_options(clusterd_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
endif()
if(CLUSTERD_MUTANTS)
    target_compile_definitions(clusterd_flags INTERFACE CLUSTERD_MUTANTS)
endif()
if(CLUSTERD_COVERAGE)
    target_compile_options(clusterd_flags INTERFACE --coverage -fprofile-update=atomic)
    target_link_options(clusterd_flags INTERFACE --coverage)
endif()
