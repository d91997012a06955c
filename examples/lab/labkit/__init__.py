# SPDX-License-Identifier: GPL-2.0-or-later
"""labkit: a datacentre of namespaces on one machine. See examples/lab/README.md."""
