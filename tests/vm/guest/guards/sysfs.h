/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUARDS_SYSFS_H
#define GUARDS_SYSFS_H

#include <stddef.h>
#include <stdint.h>

#define PCI_COMMAND_BME 4u

/* All return 0 or a file descriptor, or -errno. */
int write_file(const char *path, const char *text);
int pci_write(const char *bdf, const char *attribute, const char *text);
int pci_driver(const char *bdf, char *name, size_t size);
int pci_bind_vfio(const char *bdf);
int pci_open_cdev(const char *bdf);
int pci_virtfn(const char *bdf, char *vf, size_t size); /* the address of its first VF */

/* COMMAND, 0xffff if it cannot be read. */
uint16_t pci_command(const char *bdf);
int pci_set_command(const char *bdf, uint16_t command);

/*
 * The lower half of the MSI address, all ones if there is none. Nobody saves it while MSI is off,
 * so it is 0 after a reset.
 */
uint32_t pci_msi_address(const char *bdf);
int pci_set_msi_address(const char *bdf, uint32_t address);

/* A 32-bit register in BAR 0 of a device that nobody has open; all ones if it cannot be read. */
uint32_t pci_register(const char *bdf, size_t offset);

#endif
