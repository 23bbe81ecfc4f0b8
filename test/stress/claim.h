/* Keeps a table of the program's own that says which slot belongs to which owner. The table does not depend on the
 * metadata, and is changed by atomic exchanges only. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef STRESS_CLAIM_H
#define STRESS_CLAIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/bucket.h"

/* A claim is made after the pool has returned a slot and dropped before the slot is freed. So if a claim is made
 * while there is one already, the slot has two owners; and a slot with a claim is live by its metadata at every
 * moment, also in the child of a fork. The exchanges are relaxed on purpose: the pool, and not this table, must
 * order a slot's former owner before its next one. The rest of a claim is plain data, so that ThreadSanitizer
 * reports it if the pool did not do that. */
struct claim {
    uint64_t serial; /* the serial number of the owner, which no other owner has; 0 if the slot has no owner */
    size_t request;
    bool filled; /* false while the owner of the slot is still filling it */
};

/* Maps the table of claims. The program calls it after the range has been set up. */
void claim_open(void);

/*
 * claim_make makes the claim on a slot that the pool has just returned, claim_fill notes that the slot's content is
 * written, and claim_drop removes the claim. claim_make ends the process if the slot has an owner already, and
 * claim_drop if it has none.
 */
void claim_make(const char *slot, size_t request, uint64_t serial);
void claim_fill(const char *slot);
struct claim claim_drop(const char *slot);

/* Returns the claim on a slot. No thread may allocate or free meanwhile. */
struct claim claim_read(uint32_t number);

/* Returns how many slots of the bucket have a claim. No thread may allocate or free meanwhile. */
uint64_t claim_count(unsigned bucket);

#endif
