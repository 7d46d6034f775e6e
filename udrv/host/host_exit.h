/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef UDRV_HOST_HOST_EXIT_H
#define UDRV_HOST_HOST_EXIT_H

/**
 * udrv-host's exit status that tells the agent: this handle is of no use, make a new one (message
 * was logged)
 */
#define HOST_EXIT_HANDLE 3

/**
 * udrv-host's exit status that tells the agent: no host can run this device with this driver, do
 * not try again (message was logged)
 */
#define HOST_EXIT_DEVICE 4

#endif
