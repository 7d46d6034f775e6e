/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stores to persistent memory.
 *
 * A process may stop between any two instructions, so what it leaves in a state memfd must be right
 * after each store. The functions below make such a store a single, ordered one. In the unit tests'
 * build (UDRV_STEP_HOOK) a hook runs after each of them: a test counts the steps of an operation,
 * then runs it once for every n and leaves with longjmp() at step n, as if the process had been
 * killed there, and looks at what a successor makes of the memory.
 *
 * Values are little endian in memory.
 */
#ifndef UDRV_LIB_STEP_H
#define UDRV_LIB_STEP_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef UDRV_STEP_HOOK
/*
 * NULL: do nothing. Defined in step.c; visible to the tests through the archive, not the shared
 * library.
 */
extern void (*udrv_step_hook)(void);
#define UDRV_STEP()                       \
	do {                              \
		if (udrv_step_hook)       \
			udrv_step_hook(); \
	} while (0)
#else
#define UDRV_STEP() \
	do {        \
	} while (0)
#endif

/* Everything stored before is visible to whoever sees the new value. */
static inline void udrv_store16(uint16_t *p, uint16_t v)
{
	__atomic_store_n(p, htole16(v), __ATOMIC_RELEASE);
	UDRV_STEP();
}

static inline void udrv_store32(uint32_t *p, uint32_t v)
{
	__atomic_store_n(p, htole32(v), __ATOMIC_RELEASE);
	UDRV_STEP();
}

static inline void udrv_store64(uint64_t *p, uint64_t v)
{
	__atomic_store_n(p, htole64(v), __ATOMIC_RELEASE);
	UDRV_STEP();
}

static inline uint16_t udrv_load16(const uint16_t *p)
{
	return le16toh(__atomic_load_n(p, __ATOMIC_ACQUIRE));
}

static inline uint32_t udrv_load32(const uint32_t *p)
{
	return le32toh(__atomic_load_n(p, __ATOMIC_ACQUIRE));
}

static inline uint64_t udrv_load64(const uint64_t *p)
{
	return le64toh(__atomic_load_n(p, __ATOMIC_ACQUIRE));
}

/* Fill memory that nothing refers to yet: in any order, so a step may stop in the middle of it. */
static inline void udrv_store_bytes(void *dst, const void *src, size_t len)
{
#ifdef UDRV_STEP_HOOK
	size_t half = len / 2;

	memcpy(dst, src, half);
	UDRV_STEP();
	memcpy((uint8_t *)dst + half, (const uint8_t *)src + half, len - half);
	UDRV_STEP();
#else
	memcpy(dst, src, len);
#endif
}

static inline void udrv_store_zero(void *dst, size_t len)
{
#ifdef UDRV_STEP_HOOK
	size_t half = len / 2;

	memset((uint8_t *)dst + half, 0, len - half);
	UDRV_STEP();
	memset(dst, 0, half);
	UDRV_STEP();
#else
	memset(dst, 0, len);
#endif
}

#endif
