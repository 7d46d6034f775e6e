/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An update as a transaction: load → preserve → (prepared) → stop → reboot. Until the reboot
 * everything can be undone, at any time, and a limit of time is on each phase. I/O goes on all the
 * while.
 */
#ifndef UDRV_AGENT_UPDATE_H
#define UDRV_AGENT_UPDATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "udrv/agent/agent.h"
#include "udrv/agent/worker.h"

struct json_object;

#define UPDATE_PHASES	   (3 * AGENT_DEVICES + 8)
#define UPDATE_DEADLINE_NS 60000000000ull
#define UPDATE_HOLD_NS	   600000000000ull

/* From the beginning of this phase on there may be a kernel to be unloaded */
#define UPDATE_PHASE_LOAD "load"

/** enum update_stage - how far it is */
enum update_stage {
	UPDATE_IDLE,
	UPDATE_LOAD,	 /* a worker loads the next kernel */
	UPDATE_PRESERVE, /* a worker preserves memory and devices */
	UPDATE_PREPARED, /* all can be had; commit or abort is awaited */
	UPDATE_STOP,	 /* hosts of devices that are not kept are ending */
	UPDATE_LEAVE,	 /* PID 1 has been asked to go on to the next kernel */
	UPDATE_UNDO,	 /* a worker that was killed is ending; then all is undone */
};

/**
 * struct update - one at a time
 * @client, @id: who asked, and is told; NULL: has gone
 * @aborter, @abort_id: who asked for the end
 * @kernel_digest, @image_digest: SHA-256 that the files must have; "": unknown
 * @dry_run: undo it once it is prepared
 * @hold: wait for a commit once it is prepared
 * @deadline_ns: limit of each phase
 * @hold_ns: limit of the wait for a commit
 * @due_ns: when the present phase's time is over; 0: it has no limit
 * @err, @why: the first thing that went wrong
 * @begin_ns, @phase_ns: when the update and its present phase began
 * @last: what became of the last one that did not end in a reboot; ""
 */
struct update {
	struct agent *a;
	enum update_stage stage;
	struct agent_client *client;
	uint32_t id;
	struct agent_client *aborter;
	uint32_t abort_id;
	int kernel, image;
	char *cmdline;
	char kernel_digest[65], image_digest[65];
	bool dry_run, hold;
	uint64_t deadline_ns, hold_ns, due_ns;
	char release[65];
	struct worker worker;
	int session;
	bool loaded, updating;
	int err;
	char why[384];
	uint64_t begin_ns, phase_ns;
	char phase_now[32], device_now[32];
	struct directory_phase phase[UPDATE_PHASES];
	char phase_name[UPDATE_PHASES][64];
	unsigned int nphases;
	char last[512];
};

/* update.c */
int update_refuse(struct update *u, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void update_phase_begin(struct update *u, const char *phase, const char *device);
void update_phase_end(struct update *u);
bool update_keeps(const struct agent_device *d);

/* prepare.c: what workers do */
int prepare_load(void *ctx, struct worker *w);
int prepare_preserve(void *ctx, struct worker *w);
/**
 * prepare_updating() - set or clear the word in each kept device's state;
 * -EBUSY, -errno with @u->why
 */
int prepare_updating(struct update *u, bool on);

/* commit.c */
/** commit_begin() - end the hosts of devices that are not kept */
void commit_begin(struct update *u);
/** commit_stopped() - are they all gone? */
bool commit_stopped(const struct update *u);
/** commit_kill() - end those that take too long the hard way */
void commit_kill(struct update *u);
/**
 * commit_leave() - write the directory and reboot. 0: PID 1 does that, soon; -errno with @u->why
 */
int commit_leave(struct update *u);
/** commit_undo() - devices that were stopped are started again */
void commit_undo(struct update *u);

#endif
