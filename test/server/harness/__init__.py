"""The code that all server tests share: it starts servers, puts load on them, and reads the statistics that the library
writes (dumps)."""
# SPDX-License-Identifier: BSD-2-Clause
import sys

# Debian installs Python modules here. Another Python that comes first in PATH does not look there by itself. The module
# psycopg2 has compiled code, for Debian's Python alone.
sys.path.append("/usr/lib/python3/dist-packages")
