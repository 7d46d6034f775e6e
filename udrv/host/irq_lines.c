// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "udrv/host/irq_lines.h"

/* Vector of a line "24:  3  0  PCI-MSIX-0000:01:00.0  1-edge  vfio-msix[1](0000:01:00.0)" that has
 * counted, or -1. */
static int line_vector(const char *line, const char *bdf)
{
	const char *name = strstr(line, "vfio-msix[");
	const char *p = strchr(line, ':');
	unsigned long long sum = 0;

	if (!name || !p || !strstr(name, bdf))
		return -1;
	for (p++; p < name;) {
		char *end;
		unsigned long long v = strtoull(p, &end, 10);

		if (end == p || (*end != ' ' && *end != '\t'))
			break;
		sum += v;
		p = end;
	}
	return sum ? atoi(name + strlen("vfio-msix[")) : -1;
}

unsigned int irq_lines_delivered(FILE *f, const char *bdf, const uint64_t vectors[IRQ_WORDS])
{
	unsigned int n = 0;
	char *line = NULL;
	size_t size = 0;

	/* A line has a column for each CPU: there is no telling how long it is. */
	while (getline(&line, &size, f) >= 0) {
		int v = line_vector(line, bdf);

		if (v >= 0 && v < (int)IRQ_VECTORS_MAX)
			n += vectors[v / 64] >> v % 64 & 1;
	}
	free(line);
	return n;
}
