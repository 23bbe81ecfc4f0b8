/* Shows `top` on the full screen: draws lines that fit the width, and reads keys. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TOP_SCREEN_H
#define SOCKMALLOC_TOP_SCREEN_H

#include <stdbool.h>

#include "command/top_list.h"

struct top_view {
    enum top_order order;
    bool folds;
    int selected; /* process id of the process whose buckets are shown; 0 stands for the first process of the list */
    double interval;
};

/* Prepares the terminal. Returns false if stdin or stdout is no terminal, or if the terminal's type is unknown. */
bool top_screen_open(void);

/* Restores the terminal. */
void top_screen_close(void);

void top_screen_draw(struct top_list *list, const struct top_view *view);

/*
 * Waits the given milliseconds for a key, and changes the view by it. Returns false if the key ends the command or the
 * terminal is gone.
 */
bool top_screen_wait(const struct top_list *list, struct top_view *view, int milliseconds);

#endif
