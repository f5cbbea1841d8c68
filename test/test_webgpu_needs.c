// SPDX-License-Identifier: MIT
// test_webgpu_needs.c - what shaders need of a device's limits, as the backend reads it from their text, and that no kernel needs more
// than src/ops/kernel.h lets it. Needs no library and no adapter.
#include "support/op_cases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#if defined(TDL_WEBGPU)

#include "backend/webgpu/webgpu_device.h"
#include "ops/op_impl.h"

// Sizes after the WGSL specification, 14.4.1, by hand.
static void memory_is_added_up(void **state) {
    (void)state;
    static const struct {
        const char *code;
        uint64_t size;
    } cases[] = {
        {"", 0},
        {"fn f() { var x: array<f32, 900>; }", 0},
        {"var<workgroup> a: u32;", 16},
        {"var<workgroup> a: array<f32, 256>;", 1024},
        {"var<workgroup> a: array<vec3<f32>, 10>; // each padded to 16", 160},
        {"var<workgroup> a: array<vec3<f16>, 10>;", 80},
        {"var<workgroup> a: vec3f; var<workgroup> b: vec2u; var<workgroup> c: vec4h;", 48},
        {"// var<workgroup> a: array<f32, 256>;\nvar<workgroup> n: atomic<u32>;", 16},
        {"const N: u32 = 3u * (2u + M) - 1u; const M: u32 = min(10u, 7u); var<workgroup> a: array<u32, N / 2u>;", 64},
        {"const N = max(0x10u, 3u) % 10u;\nvar<workgroup> a: array<array<u32, 2>, N>;", 48},
        {"alias Q = vec4<f16>; alias R = array<Q, 4>; var<workgroup> a: array<R, 3>;", 96},
        {"struct S { a: u32, b: vec4<f32>, c: f16, } var<workgroup> a: array<S, 2>;", 96},
        {"struct S {\n    a: f32, // one\n    b: f32,\n}\nvar<workgroup> a: array<S, 5>;", 48},
        {"var<workgroup> a: array<u32, 5>; var<workgroup> b: array<u32, 5>; // 20, rounded up, twice", 64},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tdl_webgpu_needs needs;
        char unread[40];
        if (!tdl_webgpu_needs_of(cases[i].code, &needs, unread, sizeof unread))
            fail_msg("%s: %s", cases[i].code, unread);
        if (needs.workgroup_memory != cases[i].size)
            fail_msg("%s: %llu", cases[i].code, (unsigned long long)needs.workgroup_memory);
    }
}

static void workgroup_and_bindings_are_counted(void **state) {
    (void)state;
    tdl_webgpu_needs needs;
    char unread[40];
    static const char code[] = "const W: u32 = 8u;\n"
                               "@group(0) @binding(0) var<uniform> p: Params;\n"
                               "@group(0) @binding(1) var<storage, read> x: array<f32>;\n"
                               "@group(0) @binding(2) var<storage, read_write> y: array<f32>;\n"
                               "var<private> z: f32;\n"
                               "@compute @workgroup_size(W * 2u, 4, 2u)\nfn main() {}\n";
    assert_true(tdl_webgpu_needs_of(code, &needs, unread, sizeof unread));
    assert_int_equal(needs.workgroup_size[0], 16);
    assert_int_equal(needs.workgroup_size[1], 4);
    assert_int_equal(needs.workgroup_size[2], 2);
    assert_int_equal(needs.n_storage, 2);
    assert_int_equal(needs.workgroup_memory, 0);
}

static void what_cannot_be_read_is_named(void **state) {
    (void)state;
    static const struct {
        const char *code, *unread;
    } cases[] = {
        {"var<workgroup> a: array<f32, COUNT>;", "COUNT"},
        {"var<workgroup> a: array<f32, 1u << 4u>;", "<"},
        {"var<workgroup> a: Unknown;", "Unknown"},
        {"const N: u32 = N; var<workgroup> a: array<u32, N>;", "N"},
        {"const N: u32 = count(); var<workgroup> a: array<u32, N>;", "count"},
        {"var<workgroup> a: array<u32, 4u / 0u>;", ">"},
        {"var<workgroup> a: array<u32, 0>;", ">"},
        {"var<workgroup> a: array<u32, 4294967295u * 4294967295u>;", ">"},
        {"var<workgroup> a: array<u32, 99999999999999999999u>;", "99999999999999999999u"},
        {"struct S { a: u32, var<workgroup> b: S;", "<"},
        {"@compute @workgroup_size(N) fn main() {}", "N"},
        {"var<workgroup> a: array<u32, 4", ""},
        {"var<workgroup>", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tdl_webgpu_needs needs;
        char unread[40];
        if (tdl_webgpu_needs_of(cases[i].code, &needs, unread, sizeof unread)) fail_msg("%s: read", cases[i].code);
        if (strcmp(unread, cases[i].unread) != 0) fail_msg("%s: '%s'", cases[i].code, unread);
    }
}

// A kernel with one decoder: within the limits that every adapter has, or, with matrices, those that the feature promises.
static void check_shader(const tdl_webgpu_device *device, const tdl_kernel *kernel, const char *decoder) {
    bool matrix = kernel->needs & TDL_FEATURE_GPU_MATRIX;
    tdl_webgpu_needs needs;
    char unread[40];
    tdl_str code = tdl_str_make(tdl_allocator_or_default(NULL));
    assert_true(tdl_webgpu_shader_text(device, kernel, decoder, &code));
    if (!tdl_webgpu_needs_of(code.ptr, &needs, unread, sizeof unread))
        fail_msg("%s: '%s' is not understood", kernel->name, unread);
    uint64_t all = needs.workgroup_size[0] * needs.workgroup_size[1] * needs.workgroup_size[2];
    if (needs.workgroup_memory > (matrix ? 32768 : 16384) || all < 64 || all > (matrix ? 1024 : 256) ||
        needs.n_storage > 8)
        fail_msg("%s: %llu bytes, %llu invocations, %u storage buffers", kernel->name,
                 (unsigned long long)needs.workgroup_memory, (unsigned long long)all, needs.n_storage);
    tdl_str_deinit(&code);
}

static void kernels_keep_to_the_limits(void **state) {
    (void)state;
    static const uint32_t sizes[][2] = {{8, 32}, {16, 16}, {16, 32}, {16, 64}}; // of matrices and subgroups
    enum { DECODERS_MAX = 64 };
    int n_shaders = 0;
    for (int op = TDL_OP_NONE + 1; op < TDL_OP_COUNT; op++) {
        const op_case_set *set = op_case_set_of((tdl_op)op);
        size_t n_kernels;
        const tdl_kernel *const *kernels = tdl_kernels_of((tdl_op)op, &n_kernels);
        for (size_t k = 0; k < n_kernels; k++) {
            const char *seen[DECODERS_MAX];
            size_t n_seen = 0;
            if (kernels[k]->backend != TDL_BACKEND_WEBGPU) continue;
            for (int dtype = 0; dtype < TDL_DTYPE_COUNT; dtype++) { // a decoder goes by a weight's type alone
                tdl_call call = {.attrs = set->list[0].attrs, .n_in = TDL_OP_IN_MAX};
                for (int i = 0; i < TDL_OP_IN_MAX; i++) call.in[i].dtype = (tdl_dtype)dtype;
                const char *decoder = kernels[k]->wgsl_decoder ? kernels[k]->wgsl_decoder(&call) : NULL;
                bool known = kernels[k]->wgsl_decoder && !decoder;
                for (size_t i = 0; i < n_seen; i++) known |= seen[i] == decoder;
                if (known) continue;
                seen[n_seen++] = decoder;
                for (const tdl_kernel *one = kernels[k]; one; one = one->merge)
                    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
                        const tdl_webgpu_device device = {.matrix_size = sizes[i][0], .subgroup_size = sizes[i][1]};
                        check_shader(&device, one, one == kernels[k] ? decoder : NULL);
                        n_shaders++;
                    }
            }
        }
    }
    assert_true(n_shaders > 400);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_added_up),
        cmocka_unit_test(workgroup_and_bindings_are_counted),
        cmocka_unit_test(what_cannot_be_read_is_named),
        cmocka_unit_test(kernels_keep_to_the_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) {
    print_message("skipped: built without WebGPU (tools/setup.sh webgpu fetches what it takes)\n");
    return 77;
}

#endif
