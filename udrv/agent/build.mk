# SPDX-License-Identifier: GPL-2.0-or-later
# The agent's sources are in udrv/common/build.mk: all programs of the guest are one executable.
$(call units,udrv-agent.service.in)
