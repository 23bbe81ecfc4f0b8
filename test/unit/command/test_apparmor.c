/* Tests of command/apparmor.c: whether an AppArmor profile removes LD_PRELOAD from the environment of the programs that
 * a process starts. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>

#include "command/apparmor.h"
#include "support/tree.h"

static const char *root;
static char profile[APPARMOR_NAME_SIZE];

static void open_tree(void)
{
    root = tree_open();
    tree_write("/etc/apparmor.d/usr.sbin.starter", "# a comment Ux\n"
                                                   "profile starter /usr/sbin/starter {\n"
                                                   "  /usr/sbin/kept ix,\n"
                                                   "  /usr/sbin/plain px -> other,\n"
                                                   "  /usr/sbin/clean Px -> other,\n"
                                                   "  /usr/lib/*/inherits rPix,\n"
                                                   "  /usr/bin/free Ux,\n"
                                                   "}\n"
                                                   "profile stranger {\n"
                                                   "  /usr/sbin/kept Px,\n"
                                                   "}\n");
    tree_write("/proc/self/attr/current", "starter (enforce)\n");
}

TestSuite(apparmor, .init = open_tree, .fini = tree_close);

Test(apparmor, capital_rules_remove_the_preload)
{
    cr_assert(apparmor_scrubs(root, "/usr/sbin/clean", profile));
    cr_assert_str_eq(profile, "starter");
    cr_assert(apparmor_scrubs(root, "/usr/lib/thing/inherits", profile));
    cr_assert(apparmor_scrubs(root, "/usr/bin/free", profile));
}

Test(apparmor, other_rules_do_not)
{
    cr_assert_not(apparmor_scrubs(root, "/usr/sbin/kept", profile), "the rule belongs to another profile");
    cr_assert_not(apparmor_scrubs(root, "/usr/sbin/plain", profile));
    cr_assert_not(apparmor_scrubs(root, "/usr/sbin/unnamed", profile));
}

Test(apparmor, complain_mode_does_not_count)
{
    tree_write("/proc/self/attr/current", "starter (complain)\n");
    cr_assert_not(apparmor_scrubs(root, "/usr/sbin/clean", profile));
    tree_write("/proc/self/attr/current", "unconfined\n");
    cr_assert_not(apparmor_scrubs(root, "/usr/sbin/clean", profile));
}

Test(apparmor, nothing_to_read)
{
    tree_remove("/proc/self/attr/current");
    cr_assert_not(apparmor_scrubs(root, "/usr/sbin/clean", profile));
    tree_write("/proc/self/attr/current", "starter (enforce)\n");
    tree_remove("/etc/apparmor.d/usr.sbin.starter");
    cr_assert_not(apparmor_scrubs(root, "/usr/sbin/clean", profile));
}
