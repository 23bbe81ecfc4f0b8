"""The code that the tests of the whole library share: programs, cases, a process that takes orders, statistics."""
# SPDX-License-Identifier: BSD-2-Clause
