// SPDX-License-Identifier: MIT
// Control groups: the parsers on good and bad lines, and whole fake systems (a directory that stands before every path) with
// version 1, version 2, both, namespaces, containers, and files that are damaged.
#include "base/cgroup.h"
#include "base/thread.h"
#include "support/test_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

// ---- a fake system

typedef struct fake {
    char root[TEST_PATH_SIZE];
} fake;

// Writes a file with the directories above it.
static void put(const fake *f, const char *path, const char *text) {
    char full[2 * TEST_PATH_SIZE];
    int size = snprintf(full, sizeof full, "%s%s", f->root, path);
    assert_in_range(size, 1, sizeof full - 1);
    for (char *at = full + strlen(f->root) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(full, 0700);
        *at = '/';
    }
    test_file_write(full, text, strlen(text));
}

static double cpus_of(const char *groups, const char *mounts,
                      const char *const *files) { // files: path, text, ..., NULL
    fake f;
    test_dir_make(f.root);
    if (groups) put(&f, "/proc/self/cgroup", groups);
    if (mounts) put(&f, "/proc/self/mountinfo", mounts);
    for (; *files; files += 2) put(&f, files[0], files[1]);
    double cpus = tdl_cgroup_cpus(f.root);
    test_dir_remove(f.root);
    return cpus;
}

#define FILES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define V2_MOUNT "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V1_MOUNT "33 32 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n"

static void check(double got, double expected) { assert_true(got > expected - 1e-9 && got < expected + 1e-9); }

static void test_version_2(void **state) {
    (void)state;
    const char *groups = "0::/a.slice/b.scope\n";
    check(cpus_of(groups, V2_MOUNT, FILES("/sys/fs/cgroup/a.slice/b.scope/cpu.max", "250000 100000\n")), 2.5);
    check(cpus_of(groups, V2_MOUNT, FILES("/sys/fs/cgroup/a.slice/b.scope/cpu.max", "max 100000\n")), 0);
    // The group above is tighter, or the only one with a limit.
    check(cpus_of(groups, V2_MOUNT,
                  FILES("/sys/fs/cgroup/a.slice/b.scope/cpu.max", "400000 100000\n", "/sys/fs/cgroup/a.slice/cpu.max",
                        "50000 100000\n")),
          0.5);
    check(cpus_of(groups, V2_MOUNT,
                  FILES("/sys/fs/cgroup/a.slice/b.scope/cpu.max", "max 100000\n", "/sys/fs/cgroup/a.slice/cpu.max",
                        "300000 100000\n")),
          3);
    check(cpus_of(groups, V2_MOUNT, FILES("/sys/fs/cgroup/a.slice/other.scope/cpu.max", "100000 100000\n")), 0);
    // In a namespace of its own a container is "/", and the file stands at the mount point.
    check(cpus_of("0::/\n", V2_MOUNT, FILES("/sys/fs/cgroup/cpu.max", "200000 100000\n")), 2);
    // A process outside the namespace's root: what can be seen is the root.
    check(cpus_of("0::/../x\n", V2_MOUNT, FILES("/sys/fs/cgroup/cpu.max", "200000 100000\n")), 2);
    // No namespace, but the container's group alone is mounted; the name has a space.
    check(cpus_of("0::/docker/a b\n", "30 23 0:26 /docker/a\\040b /sys/fs/cg\\040x ro - cgroup2 cgroup2 rw\n",
                  FILES("/sys/fs/cg x/cpu.max", "700000 100000\n")),
          7);
}

static void test_version_1(void **state) {
    (void)state;
    const char *groups = "5:memory:/m\n4:cpu,cpuacct:/docker/c1\n3:cpuset:/\n";
    check(cpus_of(groups, V1_MOUNT,
                  FILES("/sys/fs/cgroup/cpu,cpuacct/docker/c1/cpu.cfs_quota_us", "150000\n",
                        "/sys/fs/cgroup/cpu,cpuacct/docker/c1/cpu.cfs_period_us", "50000\n")),
          3);
    check(cpus_of(groups, V1_MOUNT,
                  FILES("/sys/fs/cgroup/cpu,cpuacct/docker/c1/cpu.cfs_quota_us", "-1\n",
                        "/sys/fs/cgroup/cpu,cpuacct/docker/c1/cpu.cfs_period_us", "100000\n")),
          0);
    check(cpus_of(groups, V1_MOUNT,
                  FILES("/sys/fs/cgroup/cpu,cpuacct/docker/c1/cpu.cfs_quota_us", "-1\n",
                        "/sys/fs/cgroup/cpu,cpuacct/docker/c1/cpu.cfs_period_us", "100000\n",
                        "/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "100000\n",
                        "/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us", "100000\n")),
          1);
    // The group itself is the mount's root: as containers without a namespace see it. Other mounts come before.
    check(cpus_of(groups,
                  "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n31 30 0:27 /other /x rw - cgroup cgroup rw,cpu,cpuacct\n"
                  "32 30 0:27 /docker/c1 /cg ro,nosuid master:1 propagate_from:2 - cgroup cgroup rw,cpu,cpuacct\n",
                  FILES("/cg/cpu.cfs_quota_us", "400000\n", "/cg/cpu.cfs_period_us", "100000\n", "/x/cpu.cfs_quota_us",
                        "100000\n", "/x/cpu.cfs_period_us", "100000\n")),
          4);
    // cpuset and cpuacct are not cpu.
    check(cpus_of("3:cpuset,cpuacct:/a\n", "33 32 0:29 / /cg rw - cgroup cgroup rw,cpuset,cpuacct\n",
                  FILES("/cg/a/cpu.cfs_quota_us", "100000\n", "/cg/a/cpu.cfs_period_us", "100000\n")),
          0);
}

// Version 1 has the controller, version 2 the processes.
static void test_hybrid(void **state) {
    (void)state;
    const char *groups = "4:cpu,cpuacct:/c\n1:name=systemd:/c\n0::/u\n";
    const char *mounts = "34 32 0:30 / /sys/fs/cgroup/unified rw shared:10 - cgroup2 cgroup2 rw\n" V1_MOUNT;
    check(cpus_of(groups, mounts,
                  FILES("/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_quota_us", "200000\n",
                        "/sys/fs/cgroup/cpu,cpuacct/c/cpu.cfs_period_us", "100000\n")),
          2);
    check(cpus_of(groups, mounts, FILES("/sys/fs/cgroup/unified/u/cpu.max", "600000 100000\n")), 6);
}

static void test_damaged(void **state) {
    (void)state;
    static const char *const bad[] = {"",          "\n",        "max",   "100000",     "100000 ",
                                      "100000 0",  "0 100000",  "-5 10", "1e5 100000", "99999999999999999999 1",
                                      " 1 1",      "1  1",      "1 1 1", "max max\n",  "1\n1",
                                      "2 1\n\n\n", "\xff\xff 1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check(cpus_of("0::/\n", V2_MOUNT, FILES("/sys/fs/cgroup/cpu.max", bad[i])), 0);
    const char *const *good = FILES("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    check(cpus_of(NULL, V2_MOUNT, good), 0);
    check(cpus_of("0::/\n", NULL, good), 0);
    static const char *const groups[] = {"",         "0::\n",        "0::a\n",         "0:\n",   "0::/",
                                         "::/\n\n:", "x:cpuset:/\n", "0:memory:/x\n0", "00::/\n"};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) check(cpus_of(groups[i], V2_MOUNT, good), 0);
    static const char *const mounts[] = {"",
                                         "30 23 0:26 / /sys/fs/cgroup rw - cgroup2\n",
                                         "30 23 0:26 / /sys/fs/cgroup rw cgroup2 cgroup2 rw\n",
                                         "30 23 0:26 / /sys/fs/cgroup\\0 rw - cgroup2 cgroup2 rw\n",
                                         "30 23 0:26 / /sys/fs/cgroup\\000 rw - cgroup2 cgroup2 rw\n",
                                         "30 23 0:26 / sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
                                         "30 23 0:26 / /sys/fs/cgroup rw - cgroup3 cgroup2 rw\n"};
    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) check(cpus_of("0::/\n", mounts[i], good), 0);
}

// A line longer than the reader holds, and a path longer than is kept, are left out; what follows is still read.
static void test_long_lines(void **state) {
    (void)state;
    char *text = malloc(20000 + sizeof V2_MOUNT), name[1100];
    const char *const *good = FILES("/sys/fs/cgroup/cpu.max", "200000 100000\n");
    assert_non_null(text);
    memset(text, 'x', 20000);
    snprintf(text + 20000, sizeof V2_MOUNT + 0, "%s", V2_MOUNT);
    text[19999] = '\n';
    check(cpus_of("0::/\n", text, good), 2);
    text[19999] = 'x';
    check(cpus_of("0::/\n", text, good), 0);
    for (int n = TDL_CGROUP_PATH_MAX - 2; n <= TDL_CGROUP_PATH_MAX + 1; n++) {
        snprintf(name, sizeof name, "0::/%0*d\n", n - 1, 0);
        check(cpus_of(name, V2_MOUNT, good), n < TDL_CGROUP_PATH_MAX ? 2 : 0);
    }
    free(text);
}

static void test_memory(void **state) {
    (void)state;
    fake f;
    test_dir_make(f.root);
    uint64_t limit;
    put(&f, "/proc/self/cgroup", "0::/a/b\n");
    put(&f, "/proc/self/mountinfo", V2_MOUNT);
    assert_true(tdl_cgroup_memory(f.root, &limit) == UINT64_MAX && limit == UINT64_MAX);
    put(&f, "/sys/fs/cgroup/a/b/memory.max", "max\n");
    put(&f, "/sys/fs/cgroup/a/memory.max", "1000000\n");
    put(&f, "/sys/fs/cgroup/a/memory.current", "400000\n");
    assert_int_equal(tdl_cgroup_memory(f.root, &limit), 600000);
    assert_int_equal(limit, 1000000);
    put(&f, "/sys/fs/cgroup/a/b/memory.max", "2000000\n"); // larger, but fuller
    put(&f, "/sys/fs/cgroup/a/b/memory.current", "1999999\n");
    assert_int_equal(tdl_cgroup_memory(f.root, &limit), 1);
    assert_int_equal(limit, 1000000);
    put(&f, "/proc/self/cgroup", "4:memory:/m\n");
    put(&f, "/proc/self/mountinfo", "33 32 0:29 / /mem rw - cgroup cgroup rw,memory\n");
    put(&f, "/mem/m/memory.limit_in_bytes", "9223372036854771712\n"); // how version 1 says "none"
    assert_true(tdl_cgroup_memory(f.root, &limit) == UINT64_MAX && limit == UINT64_MAX);
    put(&f, "/mem/memory.limit_in_bytes", "5000\n");
    put(&f, "/mem/memory.usage_in_bytes", "6000\n");
    assert_int_equal(tdl_cgroup_memory(f.root, &limit), 0);
    test_dir_remove(f.root);
}

// Of this machine: whatever it has, the numbers fit together.
static void test_host_info(void **state) {
    (void)state;
    tdl_host_info info = {.size = sizeof info};
    tdl_error err = {0};
    assert_int_equal(tdl_host_get_info(&info, &err), TDL_OK);
    assert_in_range(info.n_cpus, 1, 1 << 16);
    assert_in_range(info.n_threads, 1, info.n_cpus);
    assert_int_equal(info.n_threads, tdl_cpu_count() < 256 ? tdl_cpu_count() : 256);
    if (info.cpu_quota > 0 && info.cpu_quota < info.n_cpus)
        assert_int_equal(info.n_threads, info.cpu_quota < 1 ? 1 : (int)info.cpu_quota);
    assert_true(info.memory_size > 0 && info.memory_available <= info.memory_size);
    info.size = 3;
    assert_int_equal(tdl_host_get_info(&info, &err), TDL_ERROR_ARGUMENT);
    assert_int_equal(tdl_host_get_info(NULL, &err), TDL_ERROR_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_version_2), cmocka_unit_test(test_version_1),  cmocka_unit_test(test_hybrid),
        cmocka_unit_test(test_damaged),   cmocka_unit_test(test_long_lines), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_host_info),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
