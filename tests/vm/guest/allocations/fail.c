/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdio.h>

#include "allocations.h"
#include "faults.h"
#include "../guards/tap.h"

#define MANY 2000u /* more than any call makes */

int fail_one(struct world *w, unsigned int device, const struct call *call, unsigned int nth,
	     unsigned int *ret_count)
{
	int ret, left;

	ret = faults_arm(nth ? nth : MANY);
	if (!ret)
		ret = call->fn(w, device);
	left = faults_disarm();
	if (left < 0)
		tap_is(left, 0, "%s: read how many allocations it made", call->what);
	if (!nth && ret_count)
		*ret_count = MANY - (unsigned int)left;
	return ret;
}

int fail_each(struct world *w, unsigned int device, const struct call *call,
	      void (*again)(struct world *w, unsigned int device, int ret))
{
	unsigned int nth, failed = 0, wrong = 0;
	int ret, left;

	for (nth = 1; nth < MANY; nth++) {
		ret = faults_arm(nth);
		if (!ret)
			ret = call->fn(w, device);
		left = faults_disarm();
		if (left)
			break;
		failed += ret < 0;
		if (ret < 0 && ret != -ENOMEM) {
			printf("# %s: allocation %u of it fails: %d\n", call->what, nth, ret);
			wrong++;
		}
		if (ret >= 0 && call->once)
			break;
		if (again)
			again(w, device, ret);
	}
	tap(!wrong && failed && nth < MANY && ret >= 0,
	    "%s: %u of %u allocations fail it, %u of them with something else; then it is %d",
	    call->what, failed, nth - 1, wrong, ret);
	return ret;
}
