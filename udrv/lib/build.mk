# SPDX-License-Identifier: BSD-2-Clause
$(call library-sources,log.c crc32c.c step.c name.c state.c state_area.c)
$(call library-sources,dma.c dma_book.c dma_memfd.c)
$(call library-sources,device.c vfio.c vfio_bar.c iommufd.c cdev.c)
$(call library-sources,handle.c handle_device.c handle_id.c handle_open.c handle_quiesce.c)
$(call library-sources,loop.c proto.c proto_socket.c)
