/* The full screen of `top`: lines that fit its width, and the keys. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TOP_SCREEN_H
#define SOCKMALLOC_TOP_SCREEN_H

#include <stdbool.h>

#include "command/top_list.h"

struct top_view {
    enum top_order order;
    bool folds;
    int selected; /* a process's number, whose buckets are shown; 0: the first's */
    double interval;
};

/* Takes the terminal over. False if it is none, or one that nothing is known of. */
bool top_screen_open(void);

/* Gives it back as it was. */
void top_screen_close(void);

void top_screen_draw(const struct top_list *list, const struct top_view *view);

/* Waits so long for a key, and changes the view by it. False at the key that ends it, or without a
 * terminal. */
bool top_screen_wait(const struct top_list *list, struct top_view *view, int milliseconds);

#endif
