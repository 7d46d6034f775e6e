/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef UDRV_LIB_CRC32C_H
#define UDRV_LIB_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/*
 * CRC-32C (Castagnoli; RFC 3720, B.4), as in the state format and the verifying workload's blocks.
 * udrv_crc32c(0, buf, len) is the checksum of a buffer; pass the result on to go on with the next
 * one.
 */
uint32_t udrv_crc32c(uint32_t crc, const void *buf, size_t len);

#endif
