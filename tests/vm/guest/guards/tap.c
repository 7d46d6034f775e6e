/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tap.h"

static int number, failures;

static void line(bool good, const char *fmt, va_list ap)
{
	failures += !good;
	printf("%s %d - ", good ? "ok" : "not ok", ++number);
	vprintf(fmt, ap);
}

void tap(bool good, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	line(good, fmt, ap);
	va_end(ap);
	putchar('\n');
}

static const char *name(long err)
{
	return err < 0 ? strerror((int)-err) : "success";
}

void tap_is(long got, int want, const char *fmt, ...)
{
	bool good = want ? got == want : got >= 0;
	va_list ap;

	va_start(ap, fmt);
	line(good, fmt, ap);
	va_end(ap);
	if (good)
		printf(": %s\n", name(got));
	else
		printf(": %s (%ld), must be %s\n", name(got), got, name(want));
}

bool tap_need(long got, const char *fmt, ...)
{
	va_list ap;

	if (got >= 0)
		return true;
	va_start(ap, fmt);
	line(false, fmt, ap);
	va_end(ap);
	printf(": %s\n", name(got));
	return false;
}

int tap_number(void)
{
	return number;
}

int tap_share(int begin)
{
	fflush(stdout);
	return (number - begin) | (failures ? 64 : 0);
}

void tap_take(int shared)
{
	number += shared & 63;
	failures += shared >> 6;
}

int tap_end(void)
{
	printf("1..%d\n# %s\n", number, failures ? "FAILED" : "passed");
	fflush(stdout);
	return failures;
}
