/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A fake device with the MANA model behind it, a driver on top, and a wire
 * whose other end is the test.
 */
#ifndef TESTS_UNIT_MANA_FIXTURE_H
#define TESTS_UNIT_MANA_FIXTURE_H

#include <stdbool.h>

#include <udrv/bar.h>
#include <udrv/mana.h>
#include <udrv/mana_spec.h>

#include "tests/model/mana/mana_model.h"
#include "tests/unit/fake_device.h"
#include "tests/unit/fake_log.h"

#define MANA_FIXTURE_WIRE 512 /* frames that the wire keeps of each vport */

struct mana_wire {
	struct net_backend backend; /* first */
	uint8_t *frame[MANA_FIXTURE_WIRE];
	size_t len[MANA_FIXTURE_WIRE];
	unsigned int n; /* sent by the device, in this order */
	uint64_t lost;	/* did not fit */
};

struct mana_fixture {
	struct mana_model *m;
	struct mana_model_opts model;
	struct fake_device fd;
	struct fake_log log;
	struct udrv_mana *mana;
	struct udrv_mana_opts opts;
	struct udrv_loop *loop;
	struct mana_wire wire[MANA_MODEL_MAX_VPORTS];
	uint16_t command; /* of configuration space */
	int eventfd[MANA_MODEL_MAX_VECTORS];
	bool still; /* reading a register does not let the device go on */
	bool eager; /* writing one does: the driver never has to wait */
	/* of BAR 0, instead of the fixture's, from the next mapping on */
	const struct udrv_bar_ops *bar_ops;
	bool no_reset; /* the function cannot be reset */
	uint64_t buf;  /* pool offset of the test's buffer */
	uint64_t buf_size;
	uint64_t own_used; /* bytes of the pool that are the test's */
};

/*
 * The pool has room for the driver and for a buffer of @buf_size bytes, allocated at the start; it
 * is cut into @nruns pieces (0: one). Fails the test if something is wrong.
 */
void mana_fixture_init(struct mana_fixture *fx, const struct mana_model_opts *mo,
		       const struct udrv_mana_opts *opts, uint64_t buf_size, unsigned int nruns);
void mana_fixture_free(struct mana_fixture *fx);
/* Device and driver agree that nothing forbidden happened. */
void mana_fixture_clean(const struct mana_fixture *fx);
/* The end of a test: mana_fixture_clean(), and everything freed. */
void mana_fixture_end(struct mana_fixture *fx);

/* udrv_mana_start() or the test fails. */
void mana_fixture_start(struct mana_fixture *fx);
/* The process dies: its memory is freed here so that leaks show, nothing else is done. */
void mana_fixture_crash(struct mana_fixture *fx);
/* A successor opens state and pool and resumes. Returns what udrv_mana_resume() does. */
int mana_fixture_resume(struct mana_fixture *fx);
/* Make a loop and arm the vectors on it. Returns what udrv_mana_irq_arm() does. */
int mana_fixture_listen(struct mana_fixture *fx, void (*fn)(void *ctx, struct udrv_mana_queue *q),
			void *ctx);

/*
 * A fixed RSS key for all vports: a random one leaves a queue without any of
 * a few flows now and then.
 */
void mana_fixture_key(struct mana_fixture *fx);
/* Let the device do all that it can. */
void mana_fixture_run(struct mana_fixture *fx);

/*
 * A UDP datagram (IPv4) to the vport, of @len bytes in all (at least 60), whose payload begins with
 * @id. @flow selects the source port. Returns @len.
 */
size_t mana_frame(uint8_t *frame, unsigned int vport, uint32_t flow, uint64_t id, size_t len);
/* The id in one, or in one that the driver sent; UINT64_MAX: it is no such frame. */
uint64_t mana_frame_id(const uint8_t *frame, size_t len);
/* One arrives. */
void mana_inject(struct mana_fixture *fx, unsigned int vport, uint32_t flow, uint64_t id,
		 size_t len);

/*
 * Put a frame of @len bytes with @id into the test's buffer at @at and send it. Returns what
 * udrv_mana_send() does.
 */
int mana_send_one(struct mana_fixture *fx, struct udrv_mana_queue *q, uint64_t at, uint64_t id,
		  size_t len);

#endif
