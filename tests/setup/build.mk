# SPDX-License-Identifier: GPL-2.0-or-later
# Tests of the set-up scripts that need neither a network nor a VM
TESTS_unit += unit=tap:tests/setup/packages.sh unit=tap:tests/setup/source.sh unit=tap:tests/setup/columns.sh unit=tap:tests/setup/takeover.sh
