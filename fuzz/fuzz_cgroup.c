// SPDX-License-Identifier: MIT
// fuzz_cgroup.c - the parsers of control groups' files on any bytes, as lines and as whole files.
#include "base/cgroup.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    const char *text = (const char *)bytes;
    static tdl_cgroup_mount mount;
    bool unified;
    tdl_text path;
    double cpus = 0.0;
    uint64_t number;
    if (tdl_cgroup_parse_group(text, size, "cpu", &unified, &path) &&
        (path.size == 0 || path.size >= TDL_CGROUP_PATH_MAX || path.ptr[0] != '/' ||
         path.ptr + path.size > text + size))
        abort();
    if (tdl_cgroup_parse_mount(text, size, "cpu", &mount) &&
        (strnlen(mount.root, sizeof mount.root) >= sizeof mount.root || mount.root[0] != '/' ||
         strnlen(mount.point, sizeof mount.point) >= sizeof mount.point || mount.point[0] != '/'))
        abort();
    if (tdl_cgroup_parse_cpu_max(text, size, &cpus) && !(cpus > 0.0)) abort();
    tdl_cgroup_parse_number(text, size, &number);
    return 0;
}
