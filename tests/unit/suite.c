// SPDX-License-Identifier: BSD-2-Clause
#include "tests/unit/suite.h"

TCase *suite_case(Suite *suite, const char *name, double timeout)
{
	TCase *tc = tcase_create(name);

	tcase_set_timeout(tc, timeout);
	suite_add_tcase(suite, tc);
	return tc;
}

int suite_run(Suite *suite)
{
	SRunner *sr = srunner_create(suite);
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed != 0;
}
