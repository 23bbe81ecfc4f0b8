"""The code that the tests in test/whole share: they run programs and their cases, talk to a process that takes orders,
and parse statistics."""
# SPDX-License-Identifier: BSD-2-Clause
