/* Tests of buffers/buffer_memory.c, which maps memory at an address of a chosen alignment. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "buffers/buffer_memory.h"
#include "os/os.h"
#include "support/os_failing.h"

Test(buffer_memory, maps_cleared_pages_at_the_alignment)
{
    static const struct {
        size_t size, alignment;
    } cases[] = {{1, 1}, {4096, 4096}, {5000, 64}, {4096, 65536}, {65536, 65536}, {12288, 1 << 22}, {1 << 22, 1 << 20}};
    os_failing_never();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t held = os_failing_held();
        char *start = buffer_map(cases[i].size, cases[i].alignment);
        cr_assert_not_null(start);
        cr_assert_eq((uintptr_t)start % cases[i].alignment, 0);
        cr_assert_eq((uintptr_t)start % os_page_size(), 0);
        for (size_t at = 0; at < cases[i].size; at++) {
            cr_assert_eq(start[at], 0);
        }
        memset(start, 'x', cases[i].size);
        cr_assert_eq(os_failing_held() - held, os_round_to_pages(cases[i].size),
                     "case %zu keeps pages beyond its size mapped", i);
        cr_assert(buffer_unmap(start, cases[i].size));
        cr_assert_eq(os_failing_held(), held);
    }
}

Test(buffer_memory, refuses_what_cannot_be)
{
    os_failing_never();
    cr_assert_null(buffer_map(0, 4096));
    cr_assert_null(buffer_map(SIZE_MAX, 4096));
    cr_assert_null(buffer_map(PTRDIFF_MAX, 4096));
    cr_assert_null(buffer_map(4096, (size_t)1 << 63));
}

Test(buffer_memory, a_refusal_of_the_kernel_is_no_memory)
{
    os_failing_from(1);
    cr_assert_null(buffer_map(4096, 4096));
    cr_assert_null(buffer_map(4096, 65536));
}

Test(buffer_memory, pages_that_cannot_be_unmapped_are_purged)
{
    os_failing_never();
    char *start = buffer_map(8192, 4096);
    memset(start, 'x', 8192);
    os_failing_keep_mapped(true);
    cr_assert_not(buffer_unmap(start, 8192));
    cr_assert_eq(start[0], 0);
    cr_assert_eq(start[8191], 0);
}
