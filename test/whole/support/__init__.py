"""The modules that the tests in test/whole share. These modules run programs and their cases, talk to processes that
take orders, and parse statistics."""
# SPDX-License-Identifier: BSD-2-Clause
