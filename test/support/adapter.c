// SPDX-License-Identifier: MIT
// adapter.c - see adapter.h.
#include "support/adapter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { EXIT_SKIPPED = 77 };

static bool missed;

tdl_device *adapter_open(const tdl_device_desc *desc) {
    tdl_error err = {0};
    tdl_device *device = NULL;
    if (tdl_device_open(desc, &device, &err) == TDL_OK) return device;
    if (!desc->name || strncmp(desc->name, "webgpu", strlen("webgpu")) != 0) fail_msg("%s", err.message);
    print_message("skipped on %s: %s\n", desc->name, err.message);
    missed = true;
    return NULL;
}

int adapter_verdict(int n_failed) { return n_failed ? n_failed : missed ? EXIT_SKIPPED : 0; }
