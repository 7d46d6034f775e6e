/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GUARDS_KEXEC_H
#define GUARDS_KEXEC_H

/* Load a kernel and an image, with this kernel's command line and @more. Returns 0 or -errno. */
int kexec_load_file(const char *kernel, const char *image, const char *more);
int kexec_reboot(void); /* comes back only if it is refused, with -errno */

#endif
