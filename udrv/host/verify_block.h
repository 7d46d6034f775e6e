/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The verifying workload's blocks: 4 KiB that say what they are, so that anyone can check a disk.
 */
#ifndef UDRV_HOST_VERIFY_BLOCK_H
#define UDRV_HOST_VERIFY_BLOCK_H

#include <stdint.h>

/**
 * verify_block_fill() - make the block with this index and sequence number; @cycle: kexecs so far
 */
void verify_block_fill(void *buf, uint64_t index, uint64_t seq, uint32_t cycle);

/**
 * verify_block_check() - is @buf a whole block with this index?
 * @ret_seq: its sequence number
 *
 * Return: 0; -EBADMSG: no magic, another index, wrong checksum or contents (a torn or misplaced
 * block).
 */
int verify_block_check(const void *buf, uint64_t index, uint64_t *ret_seq);

#endif
