/* Makes a directory with files like those in /proc and /sys, so that a test can run code that reads such files. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/tree.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TREE_PATH_SIZE = 2048, TREE_FILES = 16 };

static char root[] = "/tmp/sockmalloc-tree-XXXXXX";

const char *tree_open(void)
{
    cr_assert_not_null(mkdtemp(root));
    return root;
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

void tree_close(void)
{
    cr_assert_eq(nftw(root, remove_one, TREE_FILES, FTW_DEPTH | FTW_PHYS), 0);
}

static void make_directories(char *path)
{
    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        cr_assert(mkdir(path, 0700) == 0 || errno == EEXIST, "%s", path);
        *slash = '/';
    }
}

static void tree_path(char path[TREE_PATH_SIZE], const char *below)
{
    cr_assert_lt(snprintf(path, TREE_PATH_SIZE, "%s%s", root, below), TREE_PATH_SIZE);
}

void tree_write(const char *below, const char *text)
{
    char path[TREE_PATH_SIZE];
    tree_path(path, below);
    make_directories(path);
    FILE *file = fopen(path, "we");
    cr_assert_not_null(file, "%s", path);
    cr_assert_geq(fputs(text, file), 0);
    cr_assert_eq(fclose(file), 0);
}

void tree_remove(const char *below)
{
    char path[TREE_PATH_SIZE];
    tree_path(path, below);
    cr_assert_eq(remove(path), 0);
}
