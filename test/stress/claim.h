/* Who owns which slot, by the program's own account: a table beside the metadata, changed by exchange alone. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_CLAIM_H
#define STRESS_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/bucket.h"

/* The claim on a slot is made after the pool has handed it out and dropped before it is given back. So a slot whose
 * claim is made while there is one is in two hands, and a slot with a claim is live by its metadata, at every instant:
 * in the child of a fork, too. The exchanges are relaxed on purpose: they must not order a slot's former owner before
 * its next one, which is for the pool to do. What else a claim says is therefore plain data, and ThreadSanitizer sees
 * whether the pool did. */
struct claim {
    uint64_t serial; /* 0: nobody's */
    size_t request;
    bool filled; /* false while its owner is still at it */
};

/* After the regions are laid. */
void claim_open(void);

/* Makes the claim on a slot that was just handed out, whose content is not there yet; says that it
 * is; and drops it. Each dies of what can't be. */
void claim_make(const char *slot, size_t request, uint64_t serial);
void claim_fill(const char *slot);
struct claim claim_drop(const char *slot);

/* What a claim says. At rest. */
struct claim claim_read(uint32_t number);

/* How many claims there are on the bucket's slots. At rest. */
uint64_t claim_count(unsigned bucket);

#endif
