"""What the tests of the whole library share: programs, cases, a process to command, statistics."""
# SPDX-License-Identifier: BSD-2-Clause
