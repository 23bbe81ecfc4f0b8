"""The code that all server tests share: it starts servers, puts load on them, and reads dumps."""
# SPDX-License-Identifier: BSD-2-Clause
