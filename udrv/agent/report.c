// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The report of the last update. Its first half comes with the directory, from the agent that left
 * the old kernel; the second is taken here, and recorded beside it once every device is dealt with.
 * A mark costs a read of the cycle counter: it may stand where every millisecond counts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "udrv/agent/agent.h"
#include "udrv/common/app.h"
#include "udrv/common/json.h"

#define MARKS (3 * AGENT_DEVICES + 8)
#define KEY   "marks"

static struct mark {
	char phase[16];
	char device[32];
	uint64_t tsc;
} marks[MARKS];
static unsigned int nmarks;
static bool kept; /* the first of them are PID 1's */

void report_mark(const char *phase, const char *device)
{
	struct mark *m = &marks[nmarks];

	if (nmarks == MARKS)
		return;
	m->tsc = app_tsc();
	app_join(m->phase, sizeof(m->phase), phase, "");
	app_join(m->device, sizeof(m->device), device ? device : "", "");
	nmarks++;
}

void report_keep(struct agent *a)
{
	int fd = app_memfd(KEY, marks, nmarks * sizeof(marks[0]));

	/* Without them the report has less to tell. */
	if (fd < 0)
		return;
	custody_put_fd(a, KEY, fd);
	close(fd);
}

bool report_kept(const char *name, int fd)
{
	ssize_t n;

	if (strcmp(name, KEY))
		return false;
	n = pread(fd, marks, sizeof(marks), 0);
	close(fd);
	nmarks = n > 0 ? (unsigned int)((size_t)n / sizeof(marks[0])) : 0;
	for (unsigned int i = 0; i < nmarks; i++)
		marks[i].phase[sizeof(marks[i].phase) - 1] =
			marks[i].device[sizeof(marks[i].device) - 1] = '\0';
	kept = true;
	return true;
}

/* The marks as phases since udrv-init's first instruction; how many there are. */
static unsigned int marks_phases(const struct agent *a, struct directory_phase *ret)
{
	static char names[MARKS][64];
	uint64_t khz = nmarks ? app_tsc_khz() : 0, from = a->tsc_init;

	for (unsigned int i = 0; i < nmarks && khz; i++) {
		double tsc_ns = 1e6 / (double)khz;

		snprintf(names[i], sizeof(names[i]), "%s%s%s", marks[i].phase,
			 marks[i].device[0] ? "-" : "", marks[i].device);
		ret[i].name = names[i];
		ret[i].start_ns = (uint64_t)((double)(from - a->tsc_init) * tsc_ns);
		ret[i].duration_ns = (uint64_t)((double)(marks[i].tsc - from) * tsc_ns);
		from = marks[i].tsc;
	}
	return khz ? nmarks : 0;
}

void report_settled(struct agent *a)
{
	struct directory_phase phases[MARKS];
	unsigned int n;
	void *fdt;
	int fd;

	/* Marks of an agent that came later tell of its own beginning, not of the update. */
	if (kept)
		report_mark("settle", NULL);
	if (!a->fdt)
		return;
	n = marks_phases(a, phases);
	fd = directory_refresh(a, phases, n, &fdt);
	if (fd < 0) {
		app_warn("the outcome of the update cannot be recorded: %s", app_errname(fd));
		return;
	}
	custody_put_fd(a, "directory", fd);
	if (kept)
		custody_drop(a, KEY);
	close(a->directory);
	a->directory = fd;
	free(a->fdt);
	a->fdt = fdt;
}

static struct json_object *marks_json(const struct agent *a)
{
	struct directory_phase phases[MARKS];
	unsigned int n = marks_phases(a, phases);
	struct json_object *array = json_object_new_array();

	for (unsigned int i = 0; i < n; i++)
		json_object_array_add(array, directory_phase_json(&phases[i]));
	return array;
}

/* A line for each device that is not what it was, and why. */
static struct json_object *degraded_json(struct json_object *outcomes)
{
	struct json_object *array = json_object_new_array();

	json_object_object_foreach(outcomes, name, o) {
		const char *decision = json_get_str(o, "decision", "?");
		const char *start = json_get_str(o, "start", "not settled yet");
		const char *error = json_get_str(o, "error", "");
		char line[320];

		if (!strcmp(decision, "keep") && !strcmp(start, "resumed"))
			continue;
		if (!strcmp(decision, "reset") && !strcmp(start, "started"))
			continue;
		if (!strcmp(decision, "detach") && !strcmp(start, "detached"))
			continue;
		snprintf(line, sizeof(line), "%s: %s, %s%s%s", name, start,
			 !strcmp(decision, "keep")   ? "was to be resumed" :
			 !strcmp(decision, "reset")  ? "was to be started clean" :
			 !strcmp(decision, "detach") ? "was to be left alone" :
						       "had failed before",
			 error[0] ? ": " : "", error);
		json_object_array_add(array, json_object_new_string(line));
	}
	return array;
}

struct json_object *report_json(const struct agent *a)
{
	struct json_object *o = directory_report(a->fdt);

	if (!o)
		return NULL;
	if (!json_length(json_get(o, "phases_after")))
		json_set(o, "phases_after", marks_json(a));
	json_set(o, "degraded", degraded_json(json_get(o, "outcomes")));
	return o;
}
