/* Replaces top_screen.c where the command was built without ncurses. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "command/top_screen.h"

const char *top_screen_open(void)
{
    return "the screen of top is missing, because this command was built without ncurses; --batch is there";
}

void top_screen_close(void)
{
}

void top_screen_draw(struct top_list *list, const struct top_view *view)
{
    (void)list;
    (void)view;
}

bool top_screen_wait(const struct top_list *list, struct top_view *view, int milliseconds)
{
    (void)list;
    (void)view;
    (void)milliseconds;
    return false;
}
