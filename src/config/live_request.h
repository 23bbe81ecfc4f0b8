/* Encodes a change of a setting, which a command tells a running program to make, as the value that a queued signal
 * carries. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_LIVE_REQUEST_H
#define SOCKMALLOC_LIVE_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "config/option.h"

/* A change that a command tells a program to make. The setting is one of OPTION_LIVE_ROWS, or OPTION_SAMPLE_SMALL,
 * which turns sampling on for a while. */
struct live_request {
    enum option option;
    /* the new value as setting_read stores it; for OPTION_SAMPLE_SMALL the milliseconds for which small requests shall
     * be sampled, at most LIVE_SAMPLE_MOST, or 0 to end the sampling */
    uint64_t number;
};

/*
 * The layout of the value of a signal: the upper 16 bits are a mark, by which the library recognizes its signals. The
 * next 6 bits are the number of the setting. The other 42 bits are the new value of the setting, and are all 1 for
 * SETTING_NONE. The value of a program's own signal does not have the mark: a pointer is below 2^47, and the integers
 * that programs use are too small.
 */
enum { LIVE_MARK_SHIFT = 48, LIVE_OPTION_SHIFT = 42, LIVE_SAMPLE_MOST = 600000 };

#define LIVE_MARK   UINT64_C(0x50c5)
#define LIVE_NUMBER ((UINT64_C(1) << LIVE_OPTION_SHIFT) - 1)

/* Returns the value of the signal that tells a program to make this change. */
static inline uint64_t live_request_encode(const struct live_request *request)
{
    uint64_t number = request->number == SETTING_NONE ? LIVE_NUMBER : request->number;
    return LIVE_MARK << LIVE_MARK_SHIFT | (uint64_t)request->option << LIVE_OPTION_SHIFT | number;
}

/* Returns true if the value has the mark, so that the signal is meant for the library. */
static inline bool live_request_is_marked(uint64_t value)
{
    return value >> LIVE_MARK_SHIFT == LIVE_MARK;
}

/* Decodes a value that has the mark. Returns false if the setting cannot be changed, or does not take the number. */
static inline bool live_request_decode(uint64_t value, struct live_request *request)
{
    unsigned option = (unsigned)(value >> LIVE_OPTION_SHIFT & ((1 << (LIVE_MARK_SHIFT - LIVE_OPTION_SHIFT)) - 1));
    uint64_t number = value & LIVE_NUMBER;
    *request = (struct live_request){(enum option)option, number == LIVE_NUMBER ? SETTING_NONE : number};
    if (option == OPTION_SAMPLE_SMALL) {
        return request->number <= LIVE_SAMPLE_MOST;
    }
    return option < OPTION_COUNT && option_is_live(request->option) && option_allows(request->option, request->number);
}

#endif
