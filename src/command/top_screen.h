/* Shows `top` on the full screen: draws lines that fit the width, and reads keys. */
/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef SOCKMALLOC_TOP_SCREEN_H
#define SOCKMALLOC_TOP_SCREEN_H

#include "command/top_list.h"
#include "command/top_text.h"

/*
 * Sets up the terminal for the full screen. Returns NULL, or a text that says what is wrong: stdin or stdout is no
 * terminal, the type of the terminal is unknown, or the command was built without ncurses.
 */
const char *top_screen_open(void);

/* Restores the terminal. */
void top_screen_close(void);

/*
 * Draws the list, or the help if the view shows the help. Uses colours if the terminal has them and the environment has
 * no NO_COLOR.
 */
void top_screen_draw(struct top_list *list, const struct top_view *view);

/*
 * Waits at most the given milliseconds for a key, and changes the view as the key demands. Returns false if the key
 * ends the command or the terminal is gone.
 */
bool top_screen_wait(const struct top_list *list, struct top_view *view, int milliseconds);

#endif
