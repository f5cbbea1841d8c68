// SPDX-License-Identifier: MIT
// cgroup.h - what Linux control groups leave this process of the machine: CPU time and memory.
//
// A container that may use 2 of 16 CPUs is seldom told so by its affinity: the kernel lets it run on all 16 and stops it when its
// quota of a period is used up. The quota stands in files of the process' own group and of every group above it; the
// smallest counts. Version 1 has a tree of groups for each controller, version 2 one tree for all; a system may have
// both ("hybrid"). /proc/self/cgroup names the groups, /proc/self/mountinfo says where their files are.
//
// Everything here is a hint: a file that is absent, cut or malformed limits nothing.
#ifndef TDL_BASE_CGROUP_H
#define TDL_BASE_CGROUP_H

#include "base/limits.h"
#include "treadle.h"

// A line of /proc/self/cgroup, "4:cpu,cpuacct:/a/b" or "0::/a/b", whose group limits `controller`. false: another line.
bool tdl_cgroup_parse_group(const char *line, size_t size, const char *controller, bool *unified, tdl_text *path);

typedef struct tdl_cgroup_mount {
    bool unified;                    // version 2
    char root[TDL_CGROUP_PATH_MAX];  // the group that is mounted, as /proc/self/cgroup calls it
    char point[TDL_CGROUP_PATH_MAX]; // where
} tdl_cgroup_mount;

// A line of /proc/self/mountinfo that mounts groups which can limit `controller`. false: another line.
bool tdl_cgroup_parse_mount(const char *line, size_t size, const char *controller, tdl_cgroup_mount *out);

// Version 2's cpu.max, "200000 100000" or "max 100000": how many CPUs. false: no limit.
bool tdl_cgroup_parse_cpu_max(const char *bytes, size_t size, double *cpus);
// A file with one number, such as cpu.cfs_quota_us and memory.max. false: none, or "max", or negative.
bool tdl_cgroup_parse_number(const char *bytes, size_t size, uint64_t *number);

// The smallest limit of the process' group and those above it. `root` stands before every path: "" but in tests.
double tdl_cgroup_cpus(const char *root); // 0: no limit
// Bytes that the process may still take before a group is full; UINT64_MAX: no limit. *limit: of the tightest group.
uint64_t tdl_cgroup_memory(const char *root, uint64_t *limit);

#endif
