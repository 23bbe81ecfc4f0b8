/* Tests of buffers/ring_open.c when the kernel refuses memory. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>

#include "sockmalloc.h"
#include "support/os_failing.h"

Test(ring_refused, ring_needs_one_page_of_its_own)
{
    static _Alignas(128) char memory[1 << 14];
    os_failing_from(1);
    cr_assert(sockmalloc_ring_create(memory, sizeof memory, NULL) == NULL && errno == ENOMEM);
    cr_assert(sockmalloc_ring_attach(memory, sizeof memory, NULL) == NULL && errno == EINVAL, "no ring was made");
    os_failing_never();
    size_t held = os_failing_held();
    struct sockmalloc_ring *ring = sockmalloc_ring_create(memory, sizeof memory, NULL);
    cr_assert_not_null(ring);
    os_failing_from(1);
    cr_assert(sockmalloc_ring_attach(memory, sizeof memory, NULL) == NULL && errno == ENOMEM);
    void *message = sockmalloc_ring_alloc(ring, 1000, 0);
    cr_assert_not_null(message, "an allocation makes no system call");
    sockmalloc_ring_free(ring, message);
    cr_assert_eq(sockmalloc_ring_close(ring), 0);
    cr_assert_eq(os_failing_held(), held);
}
