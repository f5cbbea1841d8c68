// SPDX-License-Identifier: MIT
// matrix_emulation.h - the kernels of tile_matrix.wgsl on devices that multiply no matrices by hardware: what subgroups do there is
// done by the invocations one by one, so that all else in those kernels is tested on any device with F16.
//
// A left or right matrix becomes the place where it lies in its tile, which does not change before the product is made; of a matrix of
// sums each invocation of a subgroup holds its share. Products are of F16 and added up in F32, as by the hardware, in the order of
// the steps.
#ifndef TDL_TEST_MATRIX_EMULATION_H
#define TDL_TEST_MATRIX_EMULATION_H

#include "backend/webgpu/webgpu_device.h"

#include <string.h>

static const char emulation[] =
    "const OWN: u32 = MATRIX * MATRIX / SUBGROUP;\n"
    "var<private> own: u32;\n"
    "fn a_element(m: vec3<u32>, i: u32, k: u32) -> f32 {\n"
    "    let row = select(i, k, m.x == 1u);\n"
    "    let along = select(k, i, m.x == 1u);\n"
    "    return f32(a_tile[m.y + row * m.z + along / 4u][along & 3u]);\n"
    "}\n"
    "fn b_element(m: vec3<u32>, k: u32, j: u32) -> f32 {\n"
    "    let row = select(k, j, m.x == 1u);\n"
    "    let along = select(j, k, m.x == 1u);\n"
    "    return f32(b_tile[m.y + row * m.z + along / 4u][along & 3u]);\n"
    "}\n"
    "fn multiply(a: vec3<u32>, b: vec3<u32>, before: array<f32, OWN>) -> array<f32, OWN> {\n"
    "    var s = before;\n"
    "    for (var k = 0u; k < MATRIX; k += 1u) {\n"
    "        let of_b = b_element(b, k, own % MATRIX);\n"
    "        for (var e = 0u; e < OWN; e += 1u) { s[e] += a_element(a, (own + e * SUBGROUP) / MATRIX, k) * of_b; }\n"
    "    }\n"
    "    return s;\n"
    "}\n"
    "fn put_matrix(first: u32, sum: array<f32, OWN>) {\n"
    "    var s = sum;\n"
    "    for (var e = 0u; e < OWN; e += 1u) {\n"
    "        let at = own + e * SUBGROUP;\n"
    "        sums[first + at / 4u][at & 3u] = s[e];\n"
    "    }\n"
    "}\n";

static const char *const rewritten[][2] = {
    {"enable subgroups;\n", ""},
    {"enable chromium_experimental_subgroup_matrix;\n", ""},
    {"diagnostic(off, chromium.subgroup_matrix_uniformity);\n", ""},
    {"subgroup_matrix_left<f16, MATRIX, MATRIX>", "vec3<u32>"},
    {"subgroup_matrix_right<f16, MATRIX, MATRIX>", "vec3<u32>"},
    {"subgroup_matrix_result<f32, MATRIX, MATRIX>", "array<f32, OWN>"},
    {"subgroupMatrixLoad<Left, row_major>(&a_tile,", "vec3<u32>(0u,"},
    {"subgroupMatrixLoad<Left, col_major>(&a_tile,", "vec3<u32>(1u,"},
    {"subgroupMatrixLoad<Right, row_major>(&b_tile,", "vec3<u32>(0u,"},
    {"subgroupMatrixLoad<Right, col_major>(&b_tile,", "vec3<u32>(1u,"},
    {"subgroupMatrixMultiplyAccumulate(", "multiply("},
    {"subgroupMatrixStore<row_major>(&sums, subgroup * MATRIX_QUADS, sum, ROW_QUADS)",
     "put_matrix(subgroup * MATRIX_QUADS, sum)"},
    {", @builtin(subgroup_id) subgroup: u32) {",
     ") {\n    let subgroup = lane / SUBGROUP;\n    own = lane % SUBGROUP;"},
};

static bool emulate_matrices(tdl_str *code) {
    tdl_str text = tdl_str_make(code->mem);
    for (const char *at = code->ptr; *at;) {
        size_t i = 0, n = sizeof rewritten / sizeof *rewritten;
        while (i < n && strncmp(at, rewritten[i][0], strlen(rewritten[i][0])) != 0) i++;
        if (i < n) tdl_str_append(&text, rewritten[i][1], strlen(rewritten[i][1]));
        else tdl_str_append(&text, at, 1);
        at += i < n ? strlen(rewritten[i][0]) : 1;
    }
    tdl_str_append(&text, emulation, strlen(emulation));
    tdl_str_deinit(code);
    *code = text;
    return !code->failed;
}

#endif
