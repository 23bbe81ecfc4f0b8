"""The code that all server tests share: it starts servers, puts load on them, and reads the statistics that the library
writes (dumps)."""
# SPDX-License-Identifier: BSD-2-Clause
import sys

# Debian installs Python modules in this directory. A Python that is not Debian's, but comes first in PATH, would not
# search it. The module psycopg2 has compiled code, which works with Debian's Python only.
sys.path.append("/usr/lib/python3/dist-packages")
