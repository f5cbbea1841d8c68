# SPDX-License-Identifier: MIT
# Tests: test/test_<thing>.c (cmocka), test/op_suite*.c (a main of its own, no cmocka), test/test_<thing>.sh (gets the
# program and the repository as arguments; exit 77 = skipped). The name says who runs a test: with "_long" it is labelled
# long (`make test-long` alone runs it), with "_slow" slow (`make test` too), all others quick (`make check` too, with one
# WebGPU driver). What repeats is long: the same cases on another driver, under other limits, in other builds (tools/test.sh).
# bench/bench_<thing>.c are built beside them, but are no tests.
set(TDL_TEST_DATA "${PROJECT_SOURCE_DIR}/test/data")

function(tdl_label_test name)
  if(name MATCHES "_long")
    set_tests_properties(${name} PROPERTIES LABELS long TIMEOUT 7200 SKIP_RETURN_CODE 77)
  elseif(name MATCHES "_slow")
    set_tests_properties(${name} PROPERTIES LABELS slow TIMEOUT 1800 SKIP_RETURN_CODE 77)
  else()
    set_tests_properties(${name} PROPERTIES LABELS quick TIMEOUT 600 SKIP_RETURN_CODE 77)
  endif()
endfunction()

function(tdl_test_flags target)
  target_compile_definitions(${target} PRIVATE TDL_EXPERIMENTAL TDL_TEST_DATA="${TDL_TEST_DATA}"
                                               TDL_SHARED_DATA="${TDL_SHARED_DATA}" TDL_REPO="${PROJECT_SOURCE_DIR}")
  if(TDL_WEBGPU AND TDL_WEBGPU_INCLUDE)
    target_include_directories(${target} SYSTEM PRIVATE ${TDL_WEBGPU_INCLUDE})
    target_compile_definitions(${target} PRIVATE TDL_WEBGPU=1 TDL_WEBGPU_LIBRARY="${TDL_WEBGPU_INCLUDE}/libwgpu_native-release.so")
  endif()
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/test)
  target_link_libraries(${target} PRIVATE tdl_flags)
endfunction()

# A test program: its own source and the static library, so that internal functions are in reach.
function(tdl_add_c_test source)
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  tdl_test_flags(${name})
  target_link_libraries(${name} PRIVATE ${ARGN} treadle_static Threads::Threads m)
  add_test(NAME ${name} COMMAND ${name} ${TDL_TEST_ARGUMENTS_${name}})
  tdl_label_test(${name})
endfunction()

# The ops' cases: run by the op suite, measured by the micro-benchmark.
add_library(tdl_op_cases STATIC ${PROJECT_SOURCE_DIR}/test/support/op_cases.c)
tdl_test_flags(tdl_op_cases)

# Most of the time goes to the driver, which compiles every shader for every format of weights: the quick test has each kernel
# do two cases, the slow one all but those whose reference takes long, the long one all.
set(TDL_TEST_ARGUMENTS_op_suite_webgpu --cases 2)
if(TDL_OPS_ONLY) # an emulator takes minutes: two tests, which run beside each other
  set(TDL_TEST_ARGUMENTS_op_suite --part 1/2)
  add_test(NAME op_suite_second COMMAND op_suite --part 2/2)
  tdl_label_test(op_suite_second)
endif()
file(GLOB op_suites CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/op_suite*.c)
foreach(source IN LISTS op_suites)
  tdl_add_c_test(${source} tdl_op_cases)
endforeach()

# The cases whose reference takes long, but for the longest. Long: all cases, with another seed, and with the guard page before tensors instead of behind.
add_test(NAME op_suite_slow COMMAND op_suite --slow-only)
tdl_label_test(op_suite_slow)
add_test(NAME op_suite_long COMMAND op_suite --slow --guard-before --seed 2)
tdl_label_test(op_suite_long)
# The long one has dispatches of more workgroups than one dimension holds.
add_test(NAME op_suite_webgpu_slow COMMAND op_suite_webgpu)
tdl_label_test(op_suite_webgpu_slow)
add_test(NAME op_suite_webgpu_long COMMAND op_suite_webgpu --slow)
tdl_label_test(op_suite_webgpu_long)
# All once more, under the limits that every adapter has.
add_test(NAME op_suite_webgpu_min_long COMMAND op_suite_webgpu --device webgpu:0:min --slow)
tdl_label_test(op_suite_webgpu_min_long)

# And on a driver without f16 and with other subgroups, where tools/setup.sh test could fetch it.
if(EXISTS ${TDL_WEBGPU_DIR}/swiftshader.json)
  add_test(NAME op_suite_webgpu_swiftshader_long COMMAND op_suite_webgpu)
  tdl_label_test(op_suite_webgpu_swiftshader_long)
  set_tests_properties(op_suite_webgpu_swiftshader_long PROPERTIES
    ENVIRONMENT "VK_DRIVER_FILES=${TDL_WEBGPU_DIR}/swiftshader.json;NODEVICE_SELECT=1"
    PASS_REGULAR_EXPRESSION "SwiftShader.*, 0 failed" SKIP_REGULAR_EXPRESSION "skipped:")
endif()
# The kernels that multiply matrices by hardware, which no adapter here does: their products made one by one.
add_test(NAME op_suite_webgpu_matrix_slow COMMAND op_suite_webgpu --matrix 16 --far)
tdl_label_test(op_suite_webgpu_matrix_slow)
add_test(NAME op_suite_webgpu_matrix_long COMMAND op_suite_webgpu --matrix 16)
tdl_label_test(op_suite_webgpu_matrix_long)
add_test(NAME op_suite_webgpu_matrix8_long COMMAND op_suite_webgpu --matrix 8)
tdl_label_test(op_suite_webgpu_matrix8_long)
# Every shader through Dawn, whose compiler is that of browsers and stricter, also held to the least limits. Skipped where Dawn is not there.
add_test(NAME op_suite_webgpu_dawn COMMAND op_suite_webgpu --compile --library ${TDL_WEBGPU_DIR}/libwebgpu_dawn.so)
tdl_label_test(op_suite_webgpu_dawn)
add_test(NAME op_suite_webgpu_dawn_min COMMAND op_suite_webgpu --compile --library ${TDL_WEBGPU_DIR}/libwebgpu_dawn.so
                                               --device webgpu:0:min)
tdl_label_test(op_suite_webgpu_dawn_min)
if(NOT EXISTS ${TDL_WEBGPU_DIR}/swiftshader.json)
  message(STATUS "SwiftShader is not there: its tests are left out (tools/setup.sh test fetches it)")
endif()

file(GLOB benches CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/bench_*.c)
if(TDL_OPS_ONLY)
  list(FILTER benches EXCLUDE REGEX "/bench_(tokens|model)\\.c$") # need a tokenizer, a file format
endif()
foreach(source IN LISTS benches)
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  tdl_test_flags(${name})
  target_link_libraries(${name} PRIVATE tdl_op_cases treadle_static Threads::Threads m)
endforeach()

if(TDL_OPS_ONLY OR TDL_FUZZ)
  return()
endif()

# Without cmocka most tests are not there. tools/test.sh reads how many, and fails.
set(not_built ${PROJECT_BINARY_DIR}/tests_not_built.txt)
pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka)
file(GLOB c_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/test_*.c)
if(CMOCKA_FOUND)
  file(REMOVE ${not_built})
  include(tests_cmocka)
else()
  list(LENGTH c_tests n_not_built)
  file(WRITE ${not_built} "${n_not_built} tests not built, cmocka is not installed: run tools/setup.sh test\n")
  message(STATUS "cmocka is not installed: ${n_not_built} tests are not built (tools/setup.sh test)")
endif()

file(GLOB script_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/test_*.sh)
if(TDL_SANITIZE) # such a build is not for installing, and its libraries have the sanitizers' symbols
  list(FILTER script_tests EXCLUDE REGEX "/test_(install|examples|symbols)\\.sh$")
endif()
if(TARGET treadle)
  foreach(source IN LISTS script_tests)
    get_filename_component(name ${source} NAME_WE)
    add_test(NAME ${name} COMMAND bash ${source} $<TARGET_FILE:treadle> ${PROJECT_SOURCE_DIR})
    tdl_label_test(${name})
  endforeach()
endif()
