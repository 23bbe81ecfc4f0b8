/* Keeps a table of the test program's own, which says which worker owns each slot. The table does not depend on the
 * pools' metadata. Owners are entered and removed by atomic exchanges only. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_CLAIM_H
#define STRESS_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/bucket.h"

/*
 * A claim says that a slot has an owner. The claim is made after the pool has returned the slot, and dropped before the
 * slot is freed. So if a claim is made for a slot that has one already, the slot has two owners. A slot with a claim is
 * live by its metadata at every moment, also in the child of a fork. `serial` is changed by atomic exchanges that are
 * relaxed on purpose: the pool, and not these exchanges, must order a slot's former owner before its next one.
 * `request` is not atomic, so that ThreadSanitizer reports a data race if the pool does not order two owners.
 */
struct claim {
    uint64_t serial; /* the serial number of the owner, which no other owner has; 0 if the slot has no owner */
    size_t request;
    bool filled; /* false while the owner of the slot is still filling it */
};

/* Maps the table of claims. The program calls this function after the range of slots has been set up. */
void claim_open(void);

/*
 * claim_make enters the owner of a slot that the pool has just returned, claim_fill notes that the slot's content is
 * written, and claim_drop removes the owner before the slot is freed, and returns the claim that the slot had.
 * claim_make ends the process if the slot has an owner already, and claim_drop if it has none.
 */
void claim_make(const char *slot, size_t request, uint64_t serial);
void claim_fill(const char *slot);
struct claim claim_drop(const char *slot);

/* Returns the claim for the slot with this number; its `serial` is 0 if the slot has no owner. No thread may allocate
 * or free during the call. */
struct claim claim_read(uint32_t number);

/* Returns how many slots of the bucket have an owner in the table of claims. No thread may allocate or free during the
 * call. */
uint64_t claim_count(unsigned bucket);

#endif
