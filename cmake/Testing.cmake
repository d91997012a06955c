# SPDX-License-Identifier: GPL-2.0-or-later
# How tests are registered.
#
#   clusterd_unit_test(NAME SOURCES a.c ... LIBS clusterd_core ... [TIMEOUT SECONDS] [LABELS more ...])
#       a cmocka program; ctest name NAME, label `unit`; cmocka is linked, sources' warnings are ours.
#   clusterd_fuzz_target(NAME SOURCES a.c ... LIBS ...)
#       a libFuzzer program (LLVMFuzzerTestOneInput); built by the preset `fuzz` only. The target fuzz_targets is all of them.

function(clusterd_unit_test name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "SOURCES;LIBS;LABELS")
    if(NOT CLUSTERD_TESTS)
        return()
    endif()
    if(NOT arg_TIMEOUT)
        set(arg_TIMEOUT 60)
    endif()
    add_executable(test_${name} ${arg_SOURCES})
    target_link_libraries(test_${name} PRIVATE clusterd_flags ${arg_LIBS} PkgConfig::CMOCKA)
    target_include_directories(test_${name} PRIVATE "${PROJECT_SOURCE_DIR}/tests")
    target_compile_definitions(test_${name} PRIVATE CLUSTERD_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    add_test(NAME ${name} COMMAND test_${name})
    set_tests_properties(${name} PROPERTIES LABELS "unit;${arg_LABELS}" TIMEOUT ${arg_TIMEOUT})
endfunction()

function(clusterd_fuzz_target name)
    cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "SOURCES;LIBS")
    if(NOT CLUSTERD_SANITIZE MATCHES "fuzzer")
        return()
    endif()
    add_executable(fuzz_${name} ${arg_SOURCES})
    target_link_libraries(fuzz_${name} PRIVATE clusterd_flags ${arg_LIBS})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=${CLUSTERD_SANITIZE})
    if(NOT TARGET fuzz_targets)
        add_custom_target(fuzz_targets)
    endif()
    add_dependencies(fuzz_targets fuzz_${name})
endfunction()
