// SPDX-License-Identifier: MIT
// adapter.h - devices for tests that go on without an adapter, on what is left: the program then counts as skipped, not as passed.
#ifndef TDL_TEST_ADAPTER_H
#define TDL_TEST_ADAPTER_H

#include "treadle.h"

// NULL: this machine has no such WebGPU adapter, or the build has no WebGPU; it was said. Any other device must open.
tdl_device *adapter_open(const tdl_device_desc *desc);

// The status to exit with: n_failed, or 77, skipped, where nothing failed but adapter_open found none.
int adapter_verdict(int n_failed);

#endif
