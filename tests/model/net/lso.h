/* SPDX-License-Identifier: BSD-2-Clause */
/* Large sends: one TCP segment of up to 64 KiB and more, cut into those that fit on the wire. */
#ifndef TESTS_MODEL_NET_LSO_H
#define TESTS_MODEL_NET_LSO_H

#include "backend.h"
#include "frame.h"
#include "tx.h"

/* Longest headers of a large send: what a NIC keeps of them. */
#define NET_LSO_HEADERS_MAX 256

/**
 * net_lso() - cut and send
 * @b: where to
 * @frame: the large send; is written to: a segment's headers are put in front of its payload, over
 *	   the payload of the one before
 * @f: parsed as a large send
 * @mss: payload of each segment
 * @result: counts are added; @error is set with -EINVAL
 *
 * Returns: as net_tx().
 */
int net_lso(struct net_backend *b, uint8_t *frame, const struct net_frame *f, uint16_t mss,
	    struct net_tx_result *result);

#endif
