// SPDX-License-Identifier: BSD-2-Clause
/* /proc/interrupts: which of a device's vectors have had an interrupt. */
#include <check.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/suite.h"
#include "udrv/host/irq_lines.h"

#define BDF "0000:01:00.0"

static uint64_t all[IRQ_WORDS];

static unsigned int delivered(char *text, const uint64_t *vectors)
{
	FILE *f = fmemopen(text, strlen(text), "r");
	unsigned int n;

	ck_assert_ptr_nonnull(f);
	n = irq_lines_delivered(f, BDF, vectors);
	fclose(f);
	return n;
}

static char *append_line(char *at, unsigned int cpus, unsigned int count, const char *bdf,
			 unsigned int vector)
{
	at += sprintf(at, " 24: ");
	for (unsigned int i = 0; i < cpus; i++)
		at += sprintf(at, "%10u ", i == cpus - 1 ? count : 0);
	return at + sprintf(at, " PCI-MSIX-%s %4u-edge      vfio-msix[%u](%s)\n", bdf, vector,
			    vector, bdf);
}

START_TEST(counts_what_has_come)
{
	char text[2048], *at = text;
	const uint64_t one[IRQ_WORDS] = { 1u << 1 };

	at += sprintf(at,
		      "           CPU0       CPU1\n  1:          9          9  IO-APIC    1-edge      i8042\n");
	at = append_line(at, 2, 0, BDF, 0);
	at = append_line(at, 2, 3, BDF, 1);
	at = append_line(at, 2, 7, "0000:02:00.0", 2);
	at = append_line(at, 2, 1, BDF, 3);
	ck_assert_uint_eq(delivered(text, all), 2);
	ck_assert_uint_eq(delivered(text, one), 1);
}
END_TEST

/* As many vectors as a controller with 64 I/O queues has, and as many as there can be. */
START_TEST(vectors_beyond_the_first_word)
{
	const uint64_t late[IRQ_WORDS] = { [1] = 1, [IRQ_WORDS - 1] = 1ull << 63 };
	char text[2048], *at = text;

	at = append_line(at, 4, 1, BDF, 63);
	at = append_line(at, 4, 1, BDF, 64);
	at = append_line(at, 4, 1, BDF, IRQ_VECTORS_MAX - 1);
	at = append_line(at, 4, 1, BDF, IRQ_VECTORS_MAX);
	ck_assert_uint_eq(delivered(text, late), 2);
	ck_assert_uint_eq(delivered(text, all), 3);
}
END_TEST

START_TEST(lines_of_many_processors)
{
	const unsigned int cpus = 512;
	char *text = malloc(cpus * 16 * 2), *at = text;

	at = append_line(at, cpus, 0, BDF, 1);
	append_line(at, cpus, 1, BDF, 2);
	ck_assert_uint_eq(delivered(text, all), 1);
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("irq_lines");
	TCase *tc = suite_case(suite, "irq_lines", 60);

	memset(all, 0xff, sizeof(all));
	tcase_add_test(tc, counts_what_has_come);
	tcase_add_test(tc, vectors_beyond_the_first_word);
	tcase_add_test(tc, lines_of_many_processors);
	return suite_run(suite);
}
