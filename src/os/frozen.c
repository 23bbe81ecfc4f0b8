/* Keeps objects read-only after start-up, and makes them writable while one of them is changed. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "os/frozen.h"

#include "base/span.h"
#include "os/lock.h"
#include "os/os.h"

static struct span frozen[FROZEN_OBJECTS];
static unsigned count;
static struct lock lock;

COLD void frozen_add(void *object, size_t size)
{
    if (count < FROZEN_OBJECTS && os_freeze(object, size)) {
        frozen[count++] = (struct span){object, size};
    }
}

bool frozen_open(void)
{
    bool open = lock_take(&lock);
    bool held = open;
    for (unsigned i = 0; i < count && open; i++) {
        open = os_thaw(frozen[i].start, frozen[i].size);
    }
    if (held && !open) {
        frozen_close();
    }
    return open;
}

void frozen_close(void)
{
    for (unsigned i = 0; i < count; i++) {
        os_freeze(frozen[i].start, frozen[i].size);
    }
    lock_release(&lock);
}

void frozen_after_fork(void)
{
    lock_reset(&lock);
}
