"""What the server tests have in common: starting servers, putting load on them, reading dumps."""
# SPDX-License-Identifier: BSD-2-Clause
