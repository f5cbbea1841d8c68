# SPDX-License-Identifier: MIT
# Compiler flags, as interface targets:
#   tdl_flags          everything of ours: language, warnings, include paths, banned functions, sanitizers
#   tdl_library_flags  what only the library gets
#   tdl_sanitize       the sanitizers alone, for whatever links our objects
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(tdl_sanitize INTERFACE)
if(TDL_SANITIZE)
  target_compile_options(tdl_sanitize INTERFACE -fsanitize=${TDL_SANITIZE} -fno-sanitize-recover=all
                                                -fno-omit-frame-pointer)
  target_link_options(tdl_sanitize INTERFACE -fsanitize=${TDL_SANITIZE})
endif()

add_library(tdl_flags INTERFACE)
target_include_directories(tdl_flags INTERFACE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(tdl_flags INTERFACE _GNU_SOURCE)
target_compile_options(tdl_flags INTERFACE
  -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wcast-qual -Wundef -Wvla
  -Wwrite-strings $<$<BOOL:${TDL_WERROR}>:-Werror>
  # Sums must not depend on what a compiler fuses; nothing here reads errno or floating-point traps.
  -ffp-contract=off -fno-math-errno -fno-trapping-math
  -ffunction-sections -fdata-sections)
target_link_libraries(tdl_flags INTERFACE tdl_sanitize)

# Strings written without a size, and calls that end the process, do not compile.
add_library(tdl_library_flags INTERFACE)
target_compile_definitions(tdl_library_flags INTERFACE TDL_EXPERIMENTAL)
target_compile_options(tdl_library_flags INTERFACE -include ${PROJECT_SOURCE_DIR}/src/base/banned.h)

if(NOT TDL_SANITIZE)
  set(TDL_SHARED_LINK_OPTIONS -Wl,--no-undefined -Wl,--gc-sections)
endif()
