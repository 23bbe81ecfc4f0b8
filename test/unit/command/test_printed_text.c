/* Tests of command/printed_text.c, which collects what a command prints, and then writes the text as a whole, or
 * nothing if memory is short. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "command/printed_text.h"
#include "support/tree.h"

enum { PIECE_SIZE = 10000 };

/* Prints `count` pieces of PIECE_SIZE bytes each. */
static void print_pieces(struct printed_text *printed, int count)
{
    static char piece[PIECE_SIZE];
    memset(piece, 'x', sizeof piece);
    for (int i = 0; i < count; i++) {
        fwrite(piece, 1, sizeof piece, printed->file);
    }
}

Test(printed_text, whole_text_is_kept)
{
    static const int counts[] = {0, 1, 100};
    for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        struct printed_text printed;
        cr_assert(printed_text_begin(&printed));
        print_pieces(&printed, counts[i]);
        cr_expect_eq(printed_text_end(&printed), EXIT_DONE);
        cr_expect_eq(printed.size, (size_t)counts[i] * PIECE_SIZE);
        cr_expect_eq(strlen(printed.text), printed.size);
        free(printed.text);
    }
}

Test(printed_text, text_is_not_written_if_memory_runs_out, .fini = tree_close)
{
    char path[PATH_MAX];
    struct printed_text printed;
    struct rlimit limit;
    snprintf(path, sizeof path, "%s/text", tree_open());
    cr_assert(printed_text_begin(&printed));
    getrlimit(RLIMIT_AS, &limit);
    setrlimit(RLIMIT_AS, &(struct rlimit){0, limit.rlim_max});
    print_pieces(&printed, 10000);
    enum command_exit code = printed_text_write(&printed, path);
    setrlimit(RLIMIT_AS, &limit);
    cr_expect_eq(code, EXIT_UNWRITTEN);
    cr_expect_neq(access(path, F_OK), 0);
}
