# SPDX-License-Identifier: MIT
# CPU kernels: src/ops/**/*_cpu.c, compiled once per instruction set. Each compilation sees TDL_ISA (plain, avx2, avx512,
# neon: the suffix of its symbols) and TDL_ISA_<NAME>=1; src/ops picks among the results at run time by CPU feature.
# Files *_bf16_cpu.c are for sets that multiply BF16, and those have no others: avx512_bf16 sees TDL_ISA_AVX512=1 as well.
set(TDL_ISAS plain)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$")
  list(APPEND TDL_ISAS avx2 avx512 avx512_bf16)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  list(APPEND TDL_ISAS neon)
endif()

set(TDL_ISA_FLAGS_plain "")
set(TDL_ISA_FLAGS_avx2 -mavx2 -mfma -mf16c)
set(TDL_ISA_FLAGS_avx512 -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mavx2 -mfma -mf16c
                         -mprefer-vector-width=512)
set(TDL_ISA_FLAGS_avx512_bf16 ${TDL_ISA_FLAGS_avx512} -mavx512bf16)
set(TDL_ISA_FLAGS_neon -march=armv8.2-a+dotprod+fp16)

# Sets `out` to the objects of every instruction set.
function(tdl_add_kernels out)
  file(GLOB_RECURSE kernel_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/ops/*_cpu.c)
  set(objects "")
  if(kernel_sources)
    foreach(isa IN LISTS TDL_ISAS)
      string(TOUPPER ${isa} isa_upper)
      set(isa_sources ${kernel_sources})
      set(isa_definitions TDL_ISA=${isa} TDL_ISA_${isa_upper}=1)
      if(isa MATCHES "_bf16$")
        list(FILTER isa_sources INCLUDE REGEX "_bf16_cpu\\.c$")
        list(APPEND isa_definitions TDL_ISA_AVX512=1)
      else()
        list(FILTER isa_sources EXCLUDE REGEX "_bf16_cpu\\.c$")
      endif()
      add_library(treadle_kernels_${isa} OBJECT ${isa_sources})
      target_compile_definitions(treadle_kernels_${isa} PRIVATE ${isa_definitions})
      target_compile_options(treadle_kernels_${isa} PRIVATE ${TDL_ISA_FLAGS_${isa}})
      target_link_libraries(treadle_kernels_${isa} PRIVATE tdl_flags tdl_library_flags)
      list(APPEND objects $<TARGET_OBJECTS:treadle_kernels_${isa}>)
    endforeach()
  endif()
  set(${out} ${objects} PARENT_SCOPE)
endfunction()
