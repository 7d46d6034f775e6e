# SPDX-License-Identifier: BSD-2-Clause
# Test suites and long runs.

.PHONY: unit-programs
unit-programs: $(UNIT_TESTS)
