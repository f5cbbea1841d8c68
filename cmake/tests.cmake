# Tests: test/test_<thing>.c (cmocka), test/op_suite*.c (a main of its own, no cmocka), test/test_<thing>.sh (gets the
# program and the repository as arguments; exit 77 = skipped). A name with "_slow" is labelled slow, all others quick;
# `make check` runs the quick ones, with one WebGPU driver: the others, and the least limits, are slow.
# bench/bench_<thing>.c are built beside them, but are no tests.
set(TDL_TEST_DATA "${PROJECT_SOURCE_DIR}/test/data")

function(tdl_label_test name)
  if(name MATCHES "_slow")
    set_tests_properties(${name} PROPERTIES LABELS slow TIMEOUT 1800 SKIP_RETURN_CODE 77)
  else()
    set_tests_properties(${name} PROPERTIES LABELS quick TIMEOUT 600 SKIP_RETURN_CODE 77)
  endif()
endfunction()

function(tdl_test_flags target)
  target_compile_definitions(${target} PRIVATE TDL_EXPERIMENTAL TDL_TEST_DATA="${TDL_TEST_DATA}"
                                               TDL_SHARED_DATA="${TDL_SHARED_DATA}" TDL_REPO="${PROJECT_SOURCE_DIR}")
  if(TDL_WEBGPU_INCLUDE)
    target_compile_definitions(${target} PRIVATE TDL_WEBGPU_LIBRARY="${TDL_WEBGPU_INCLUDE}/libwgpu_native-release.so")
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
  add_test(NAME ${name} COMMAND ${name})
  tdl_label_test(${name})
endfunction()

# The ops' cases: run by the op suite, measured by the micro-benchmark.
add_library(tdl_op_cases STATIC ${PROJECT_SOURCE_DIR}/test/support/op_cases.c)
tdl_test_flags(tdl_op_cases)

file(GLOB op_suites CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/op_suite*.c)
foreach(source IN LISTS op_suites)
  tdl_add_c_test(${source} tdl_op_cases)
endforeach()

if(TARGET op_suite) # the cases whose reference takes long
  add_test(NAME op_suite_slow COMMAND op_suite --slow)
  tdl_label_test(op_suite_slow)
endif()
# The WebGPU kernels once more, under the limits that every adapter has.
add_test(NAME op_suite_webgpu_min_slow COMMAND op_suite_webgpu --device webgpu:0:min)
tdl_label_test(op_suite_webgpu_min_slow)
# And with the cases that take long: dispatches of more workgroups than one dimension holds.
add_test(NAME op_suite_webgpu_slow COMMAND op_suite_webgpu --slow)
tdl_label_test(op_suite_webgpu_slow)

# And on a driver without f16 and with other subgroups, where tools/setup.sh test could fetch it.
if(EXISTS ${TDL_WEBGPU_DIR}/swiftshader.json)
  add_test(NAME op_suite_webgpu_swiftshader_slow COMMAND op_suite_webgpu)
  tdl_label_test(op_suite_webgpu_swiftshader_slow)
  set_tests_properties(op_suite_webgpu_swiftshader_slow PROPERTIES
    ENVIRONMENT "VK_DRIVER_FILES=${TDL_WEBGPU_DIR}/swiftshader.json;NODEVICE_SELECT=1"
    PASS_REGULAR_EXPRESSION "SwiftShader.*, 0 failed" SKIP_REGULAR_EXPRESSION "skipped:")
  if(EXISTS ${TDL_WEBGPU_DIR}/libwebgpu_dawn.so) # whose compiler is that of browsers, and stricter
    add_test(NAME op_suite_webgpu_dawn_slow COMMAND op_suite_webgpu --compile --library ${TDL_WEBGPU_DIR}/libwebgpu_dawn.so)
    tdl_label_test(op_suite_webgpu_dawn_slow)
    set_tests_properties(op_suite_webgpu_dawn_slow PROPERTIES
      ENVIRONMENT "VK_DRIVER_FILES=${TDL_WEBGPU_DIR}/swiftshader.json;NODEVICE_SELECT=1"
      PASS_REGULAR_EXPRESSION "SwiftShader.*, 0 failed" SKIP_REGULAR_EXPRESSION "skipped:")
  endif()
else()
  message(STATUS "SwiftShader is not there: its tests are left out (tools/setup.sh test fetches it)")
endif()

file(GLOB benches CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/bench/bench_*.c)
if(TDL_OPS_ONLY)
  list(FILTER benches EXCLUDE REGEX "/bench_tokens\\.c$") # needs a tokenizer
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

pkg_check_modules(CMOCKA IMPORTED_TARGET cmocka)
if(NOT CMOCKA_FOUND)
  message(STATUS "cmocka is not installed: the tests are not built (tools/setup.sh test)")
  return()
endif()

file(GLOB support_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/support/*.c)
list(FILTER support_sources EXCLUDE REGEX "/op_cases\\.c$")
set(test_libraries tdl_op_cases PkgConfig::CMOCKA ${TDL_DEPENDENCIES})
if(support_sources)
  add_library(tdl_test_support STATIC ${support_sources})
  tdl_test_flags(tdl_test_support)
  target_link_libraries(tdl_test_support PUBLIC treadle_static PkgConfig::CMOCKA)
  list(PREPEND test_libraries tdl_test_support)
endif()

file(GLOB c_tests CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/test_*.c)
foreach(source IN LISTS c_tests)
  tdl_add_c_test(${source} ${test_libraries})
endforeach()
if(EXISTS ${TDL_WEBGPU_DIR}/swiftshader.json) # an invariant model there too
  add_test(NAME test_session_bits_swiftshader_slow COMMAND test_session_bits webgpu-tiny)
  tdl_label_test(test_session_bits_swiftshader_slow)
  set_tests_properties(test_session_bits_swiftshader_slow PROPERTIES
    ENVIRONMENT "VK_DRIVER_FILES=${TDL_WEBGPU_DIR}/swiftshader.json;NODEVICE_SELECT=1")
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
