# SPDX-License-Identifier: MIT
# Fuzz targets: fuzz/fuzz_<thing>.c defines LLVMFuzzerTestOneInput. With TDL_FUZZ=ON each is a libFuzzer program.
# In every other build the same targets are linked to a small main that replays fuzz/seeds/<thing>/ as a quick test,
# so an input that once crashed stays tested under every compiler and sanitizer.
file(GLOB fuzz_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/fuzz/fuzz_*.c)
foreach(source IN LISTS fuzz_sources)
  get_filename_component(name ${source} NAME_WE)
  string(REGEX REPLACE "^fuzz_" "" thing ${name})
  if(TDL_FUZZ)
    add_executable(${name} ${source})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  elseif(TDL_TESTS)
    add_executable(${name} ${source} ${PROJECT_SOURCE_DIR}/fuzz/replay_main.c)
    add_test(NAME seeds_${thing} COMMAND ${name} ${PROJECT_SOURCE_DIR}/fuzz/seeds/${thing})
    set_tests_properties(seeds_${thing} PROPERTIES LABELS quick TIMEOUT 600)
  else()
    continue()
  endif()
  set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -Wno-missing-prototypes) # libFuzzer has no header
  target_compile_definitions(${name} PRIVATE TDL_EXPERIMENTAL)
  target_link_libraries(${name} PRIVATE tdl_flags treadle_static ${TDL_DEPENDENCIES} m)
endforeach()
