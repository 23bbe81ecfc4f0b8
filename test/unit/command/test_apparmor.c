/* Tests of command/apparmor.c: which labels say that a profile of AppArmor confines a process. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdio.h>

#include "command/apparmor.h"
#include "support/tree.h"

static const struct {
    const char *label;
    const char *profile; /* NULL if no profile confines the process */
} labels[] = {
    {"starter (enforce)\n", "starter"},     {"/usr/sbin/a starter (enforce)\n", "/usr/sbin/a starter"},
    {"starter (complain)\n", NULL},         {"unconfined\n", NULL},
    {"system_u:system_r:httpd_t:s0", NULL}, {"", NULL},
};

Test(apparmor, profile_in_force_is_named, .fini = tree_close)
{
    char path[PATH_MAX];
    char profile[APPARMOR_NAME_SIZE];
    snprintf(path, sizeof path, "%s/proc/self/attr/current", tree_open());
    cr_assert_not(apparmor_read(path, profile), "there is no such file");
    for (unsigned i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        tree_write("/proc/self/attr/current", labels[i].label);
        cr_expect_eq(apparmor_read(path, profile), labels[i].profile != NULL, "%s", labels[i].label);
        if (labels[i].profile != NULL) {
            cr_expect_str_eq(profile, labels[i].profile);
        }
    }
}
