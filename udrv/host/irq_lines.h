/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UDRV_HOST_IRQ_LINES_H
#define UDRV_HOST_IRQ_LINES_H

#include <stdint.h>
#include <stdio.h>

#define IRQ_VECTORS_MAX 2048u /* of a function (PCI Express Base, MSI-X Table Size) */
#define IRQ_WORDS	(IRQ_VECTORS_MAX / 64)

/**
 * irq_lines_delivered() - how many of a device's vectors have had an interrupt?
 * @f: /proc/interrupts
 * @bdf: of the device
 * @vectors: those that count: bit n % 64 of word n / 64 for vector n
 */
unsigned int irq_lines_delivered(FILE *f, const char *bdf, const uint64_t vectors[IRQ_WORDS]);

#endif
