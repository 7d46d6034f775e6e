/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SHA-256's compression function, in two ways that give the same. */
#ifndef UDRV_COMMON_SHA256_BLOCK_H
#define UDRV_COMMON_SHA256_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const uint32_t sha256_k[64];

/* @n blocks of 64 bytes at @p into the state @h */
void sha256_c_blocks(uint32_t h[8], const uint8_t *p, size_t n);
void sha256_ni_blocks(uint32_t h[8], const uint8_t *p, size_t n);

/* Has this CPU what sha256_ni_blocks() takes? */
bool sha256_ni_there(void);

#endif
