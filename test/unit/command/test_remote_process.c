/* Tests of command/remote_process.c. The command remembers a process by its id and its start time. When the process has
 * ended, another process may get the id, and must not be taken for the first one. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <criterion/criterion.h>
#include <errno.h>
#include <unistd.h>

#include "command/remote_process.h"

Test(remote_process, start_time_tells_processes_of_one_id_apart)
{
    struct remote_process target;
    remote_process_open(&target, getpid());
    cr_expect(remote_process_is_same(&target));
    cr_expect(remote_process_queue(&target, -1, 0, 0), "signal 0 only checks that the process exists");
    target.start++;
    cr_expect_not(remote_process_is_same(&target));
    errno = 0;
    cr_expect_not(remote_process_queue(&target, -1, 0, 0), "without a handle, the start time decides");
    cr_expect_eq(errno, ESRCH);
}
