# SPDX-License-Identifier: MIT
# The tests that are cmocka programs, c_tests, with what they share (cmake/tests.cmake).
file(GLOB support_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/test/support/*.c)
list(FILTER support_sources EXCLUDE REGEX "/op_cases\\.c$")
set(test_libraries tdl_op_cases PkgConfig::CMOCKA ${TDL_DEPENDENCIES})
if(support_sources)
  add_library(tdl_test_support STATIC ${support_sources})
  tdl_test_flags(tdl_test_support)
  target_link_libraries(tdl_test_support PUBLIC treadle_static PkgConfig::CMOCKA)
  list(PREPEND test_libraries tdl_test_support)
endif()

foreach(source IN LISTS c_tests)
  tdl_add_c_test(${source} ${test_libraries})
endforeach()
add_test(NAME test_session_bits_webgpu_slow COMMAND test_session_bits webgpu-bundled)
tdl_label_test(test_session_bits_webgpu_slow)
if(EXISTS ${TDL_WEBGPU_DIR}/swiftshader.json) # an invariant model there too
  add_test(NAME test_session_bits_swiftshader_long COMMAND test_session_bits webgpu-tiny)
  tdl_label_test(test_session_bits_swiftshader_long)
  set_tests_properties(test_session_bits_swiftshader_long PROPERTIES
    ENVIRONMENT "VK_DRIVER_FILES=${TDL_WEBGPU_DIR}/swiftshader.json;NODEVICE_SELECT=1")
endif()
