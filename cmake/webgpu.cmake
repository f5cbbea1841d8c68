# SPDX-License-Identifier: MIT
# WebGPU: built where wgpu-native's headers (webgpu.h, wgpu.h) are found; the library behind it is loaded at run time, by name, so nothing is linked.
#
#   tools/setup.sh webgpu      fetches both to build/webgpu, where this looks first
#   -DTDL_WEBGPU_DIR=DIR       where webgpu.h lies instead
#   -DTDL_WEBGPU=OFF           builds without it, whatever is there
#
# Every .wgsl file under src/ becomes a C string: shaders.wgsl is tdl_wgsl_shaders, declared in the generated wgsl.h.
option(TDL_WEBGPU "Build the WebGPU backend where webgpu.h is found" ON)
set(TDL_WEBGPU_DIR "${PROJECT_SOURCE_DIR}/build/webgpu" CACHE PATH "Where webgpu.h lies")

if(TDL_WEBGPU AND NOT TDL_OPS_ONLY)
  find_path(TDL_WEBGPU_INCLUDE wgpu.h HINTS ${TDL_WEBGPU_DIR} PATH_SUFFIXES webgpu include)
  if(NOT TDL_WEBGPU_INCLUDE)
    message(STATUS "webgpu.h is not there: building without WebGPU (tools/setup.sh webgpu fetches it)")
  endif()
endif()

# Programs of the build tree find a library that lies beside the header; installed ones look where the loader looks. (RPATH,
# not RUNPATH: a sanitizer's dlopen would hide the latter.)
if(TDL_WEBGPU_INCLUDE AND EXISTS ${TDL_WEBGPU_INCLUDE}/libwgpu_native-release.so)
  list(APPEND CMAKE_BUILD_RPATH ${TDL_WEBGPU_INCLUDE})
  add_link_options(-Wl,--disable-new-dtags)
endif()

# Adds the backend, its kernels and its shaders to `target`, or takes the files it is made of out of the build.
function(tdl_add_webgpu target)
  if(NOT TDL_WEBGPU OR NOT TDL_WEBGPU_INCLUDE)
    return()
  endif()
  file(GLOB_RECURSE shaders CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.wgsl)
  set(dir ${PROJECT_BINARY_DIR}/wgsl)
  add_custom_command(
    OUTPUT ${dir}/wgsl.c ${dir}/wgsl.h
    COMMAND ${CMAKE_COMMAND} -D "SHADERS=${shaders}" -D DIR=${dir} -P ${PROJECT_SOURCE_DIR}/cmake/wgsl.cmake
    DEPENDS ${shaders} ${PROJECT_SOURCE_DIR}/cmake/wgsl.cmake
    COMMENT "Shaders to C strings"
    VERBATIM)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/backend/webgpu/*.c
                                              ${PROJECT_SOURCE_DIR}/src/ops/*_webgpu.c)
  target_sources(${target} PRIVATE ${sources} ${dir}/wgsl.c ${dir}/wgsl.h)
  set_property(SOURCE ${sources} APPEND PROPERTY COMPILE_OPTIONS -I${dir} -isystem ${TDL_WEBGPU_INCLUDE})
  tdl_define_webgpu(${target})
endfunction()

# TDL_WEBGPU=1 for the files that ask for it, and no others: a build that gets WebGPU later compiles nothing else anew.
function(tdl_define_webgpu target)
  get_target_property(sources ${target} SOURCES)
  file(GLOB_RECURSE headers ${PROJECT_SOURCE_DIR}/src/*.h)
  foreach(source IN LISTS sources headers)
    if(NOT source MATCHES "^${PROJECT_SOURCE_DIR}/" OR source MATCHES "^${PROJECT_BINARY_DIR}/") # a library, a file of the build's
      continue()
    endif()
    file(STRINGS ${source} asks REGEX "defined\\(TDL_WEBGPU\\)" LIMIT_COUNT 1)
    if(asks AND source MATCHES "\\.h$")
      message(FATAL_ERROR "${source}: a header cannot ask for TDL_WEBGPU, which not every file has (cmake/webgpu.cmake)")
    elseif(asks)
      set_property(SOURCE ${source} APPEND PROPERTY COMPILE_DEFINITIONS TDL_WEBGPU=1)
    endif()
  endforeach()
endfunction()
