/* Wraps the calls by which a program limits its own memory, such as setrlimit, so that the pools know the limit. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/attributes.h"
#include "os/os_process.h"
#include "os/sandbox.h"
#include "pool/pool.h"
#include "route/fallback.h"

/*
 * The wrappers here call functions of libc that POSIX does not allow in signal handlers. A limit that another process
 * sets is not noticed here; the pools learn of it when the kernel refuses memory for the first time.
 */
typedef int set_function(int resource, const struct rlimit *limit);
typedef int change_function(pid_t process, int resource, const struct rlimit *limit, struct rlimit *former);

/*
 * <sys/resource.h> declares these functions with its own type for `resource`, so they are declared here by their
 * symbol names. rlimit64 is the same structure as rlimit, because rlim_t has 64 bits.
 */
_Static_assert(sizeof(struct rlimit) == sizeof(struct rlimit64), "the forms for large limits");
int limit_set(int resource, const struct rlimit *limit) __asm__("setrlimit");
int limit_set_large(int resource, const struct rlimit *limit) __asm__("setrlimit64");
int limit_change(pid_t process, int resource, const struct rlimit *limit, struct rlimit *former) __asm__("prlimit");
int limit_change_large(pid_t process, int resource, const struct rlimit *limit,
                       struct rlimit *former) __asm__("prlimit64");

/* Returns true if the limit is a finite one on mapped memory (RLIMIT_AS or RLIMIT_DATA), which counts memory that is
 * not used yet, too. */
static bool limits_memory(int resource, const struct rlimit *limit)
{
    return limit != NULL && limit->rlim_cur != RLIM_INFINITY && (resource == RLIMIT_AS || resource == RLIMIT_DATA);
}

/*
 * Tells the pools about a new limit. A child of vfork limits only itself, but shares its parent's memory, so the parent
 * begins to save memory too early. There is no other harm.
 */
static void note(int resource, const struct rlimit *limit)
{
    if (limits_memory(resource, limit)) {
        pool_limit_charge(limit->rlim_cur);
        fallback_expect_refusals();
    }
}

static int set(const char *name, int resource, const struct rlimit *limit)
{
    set_function *next = (set_function *)dlsym(RTLD_NEXT, name);
    if (next == NULL) {
        errno = ENOSYS;
        return -1;
    }
    int status = next(resource, limit);
    if (status == 0) {
        note(resource, limit);
    }
    return status;
}

/* Returns true if prlimit takes `process` for this process: 0, its id, or the id of the calling thread. */
static bool is_own(pid_t process)
{
    return process == 0 || process == sandbox_process() || process == os_thread();
}

static int change(const char *name, pid_t process, int resource, const struct rlimit *limit, struct rlimit *former)
{
    change_function *next = (change_function *)dlsym(RTLD_NEXT, name);
    if (next == NULL) {
        errno = ENOSYS;
        return -1;
    }
    int status = next(process, resource, limit, former);
    if (status == 0 && is_own(process)) {
        note(resource, limit);
    }
    return status;
}

EXPORTED int limit_set(int resource, const struct rlimit *limit)
{
    return set("setrlimit", resource, limit);
}

EXPORTED int limit_set_large(int resource, const struct rlimit *limit)
{
    return set("setrlimit64", resource, limit);
}

EXPORTED int limit_change(pid_t process, int resource, const struct rlimit *limit, struct rlimit *former)
{
    return change("prlimit", process, resource, limit, former);
}

EXPORTED int limit_change_large(pid_t process, int resource, const struct rlimit *limit, struct rlimit *former)
{
    return change("prlimit64", process, resource, limit, former);
}
