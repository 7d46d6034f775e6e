/* SPDX-License-Identifier: BSD-2-Clause */
/* The model behind vfio-user: one thread for QEMU's messages, one for the device. */
#ifndef TESTS_MODEL_MANA_SERVE_H
#define TESTS_MODEL_MANA_SERVE_H

#include <stdio.h>

#include "tests/model/mana/mana_model.h"

#define SERVE_MAX_FAULTS 16u

/**
 * struct serve_opts - what to serve, and how
 * @socket: path
 * @model: its @ops and @ctx are filled in
 * @fault, @nfaults: SPEC or SPEC@MS, MS after reception is first enabled
 * @out: lines of the contract: ready, resets, the report
 * @log: everything else
 */
struct serve_opts {
	const char *socket;
	struct mana_model_opts model;
	const char *fault[SERVE_MAX_FAULTS];
	unsigned int nfaults;
	FILE *out;
	FILE *log;
};

/*
 * Serve one QEMU until it goes, or SIGTERM or SIGINT, which the caller has blocked. Returns 0 or
 * -errno (said on the log); the number of violations goes to @violations.
 */
int serve(const struct serve_opts *opts, unsigned int *violations);

/* The JSON line. */
void report(FILE *out, const struct mana_model *m);

#endif
