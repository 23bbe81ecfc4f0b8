/* Interrupts a piece of work after a given number of instructions, and calls a function there. */
/* SPDX-License-Identifier: BSD-2-Clause */
#include "support/steps.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <stdint.h>
#include <ucontext.h>

#if defined(__x86_64__) && !defined(__ILP32__)
enum { TRAP_FLAG = 0x100 };

static unsigned steps;
static unsigned stop_at;
static steps_between *stopped;

/*
 * Handles the trap after each instruction of the work. When the wanted instruction has been reached, it ends the
 * trapping, so that the rest of the work runs at full speed.
 */
static void steps_trap(int number, siginfo_t *info, void *context)
{
    (void)number, (void)info;
    if (++steps == stop_at) {
        ((ucontext_t *)context)->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)TRAP_FLAG;
        stopped(context);
    }
}

/* Sets or clears the trap flag of the processor, which makes the processor trap after each instruction. The code pushes
 * nothing to the 128 bytes below the stack pointer, because the compiler may keep data there. */
static void steps_set_trap_flag(uint64_t flag)
{
    __asm__ volatile("leaq -128(%%rsp), %%rsp\n\t"
                     "pushfq\n\t"
                     "andq $~0x100, (%%rsp)\n\t"
                     "orq %0, (%%rsp)\n\t"
                     "popfq\n\t"
                     "leaq 128(%%rsp), %%rsp"
                     :
                     : "r"(flag)
                     : "memory", "cc");
}

void steps_need(void)
{
}

bool steps_run(unsigned at, steps_work *work, steps_between *between)
{
    struct sigaction action = {.sa_sigaction = steps_trap, .sa_flags = SA_SIGINFO};
    cr_assert_eq(sigaction(SIGTRAP, &action, NULL), 0);
    steps = 0;
    stop_at = at;
    stopped = between;
    steps_set_trap_flag(TRAP_FLAG);
    work();
    steps_set_trap_flag(0);
    return steps >= at;
}
#else
void steps_need(void)
{
    cr_skip("only x86-64 traps after each instruction at a program's wish");
}

bool steps_run(unsigned at, steps_work *work, steps_between *between)
{
    (void)at, (void)between;
    work();
    return false;
}
#endif
