/* Shows `top` on the full screen: draws lines that fit the width, and reads keys. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TOP_SCREEN_H
#define SOCKMALLOC_TOP_SCREEN_H

#include "command/top_list.h"
#include "command/top_text.h"

/*
 * Prepares the terminal. Returns NULL, or a text that says what is wrong: stdin or stdout is no terminal, its type is
 * unknown, or the command was built without ncurses.
 */
const char *top_screen_open(void);

/* Restores the terminal. */
void top_screen_close(void);

/* Draws the list, or the help. In colour where the terminal has colours and the environment has no NO_COLOR. */
void top_screen_draw(struct top_list *list, const struct top_view *view);

/*
 * Waits the given milliseconds for a key, and changes the view by it. Returns false if the key ends the command or the
 * terminal is gone.
 */
bool top_screen_wait(const struct top_list *list, struct top_view *view, int milliseconds);

#endif
