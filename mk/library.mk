# SPDX-License-Identifier: BSD-2-Clause
# libudrv: the archive for the guest, the shared library for installation, the headers and their checks.

LIBRARY_MAP	:= udrv/lib/libudrv.map
PUBLIC_HEADERS	:= $(sort $(wildcard include/udrv/*.h))
ALL_OBJECTS	+= $(foreach f,$(FLAVOURS),$(addprefix $(BUILD)/$f/,$(LIBRARY_OBJ)))

.PHONY: library
library: $(if $(LIBRARY_OBJ),$(BUILD)/lib/libudrv.a $(BUILD)/lib/libudrv.so)

$(BUILD)/lib/libudrv.a: $(addprefix $(BUILD)/obj/,$(LIBRARY_OBJ))
	$(archive)

$(BUILD)/asan/lib/libudrv.a: $(addprefix $(BUILD)/asan/,$(LIBRARY_OBJ))
	$(archive)

$(BUILD)/step/lib/libudrv.a: $(addprefix $(BUILD)/step/,$(LIBRARY_OBJ))
	$(archive)

# -z defs: a symbol that is missing shows here and not at a user's.
$(BUILD)/lib/$(SONAME): $(addprefix $(BUILD)/pic/,$(LIBRARY_OBJ)) $(LIBRARY_MAP)
	$(call quiet,LD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$(SONAME) -Wl,--version-script=$(LIBRARY_MAP) \
		-Wl,-z,defs -Wl,--as-needed -o $@ $(filter %.o,$^) -lfdt -luring $(LIBS)

$(BUILD)/lib/libudrv.so: $(BUILD)/lib/$(SONAME)
	$(Q)ln -sf $(SONAME) $@

# Each public header stands alone, in C and in C++.
HEADER_STAMPS := $(foreach h,$(PUBLIC_HEADERS:include/%=%),$(BUILD)/headers/$h.c.ok $(BUILD)/headers/$h.cc.ok)

.PHONY: headers-alone
headers-alone: $(HEADER_STAMPS)

$(BUILD)/headers/%.c.ok: include/% $(PUBLIC_HEADERS) $(BUILD)/flags $(BUILD)/uapi.id
	$(call quiet,HDR-C,$*)
	$(Q)mkdir -p $(@D)
	$(Q)printf '#include <%s>\n#include <%s>\n' $* $* | $(CC) $(CPPFLAGS) $(CFLAGS) -fsyntax-only -x c -
	$(Q)touch $@

$(BUILD)/headers/%.cc.ok: include/% $(PUBLIC_HEADERS) $(BUILD)/flags $(BUILD)/uapi.id
	$(call quiet,HDR-C++,$*)
	$(Q)mkdir -p $(@D)
	$(Q)printf '#include <%s>\n#include <%s>\n' $* $* | $(CXX) $(CPPFLAGS) -std=c++17 -Wall -Wextra -Werror \
		-fsyntax-only -x c++ -
	$(Q)touch $@

.PHONY: install
install: library programs ## library, headers, pkg-config file, tools, man pages, unit (PREFIX=, DESTDIR=)
	install -d $(DESTDIR)$(PREFIX)/lib/pkgconfig $(DESTDIR)$(PREFIX)/include/udrv \
		$(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/sbin
	install -m 644 $(PUBLIC_HEADERS) $(DESTDIR)$(PREFIX)/include/udrv/
	install -m 644 $(BUILD)/lib/libudrv.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 $(BUILD)/lib/$(SONAME) $(DESTDIR)$(PREFIX)/lib/
	ln -sf $(SONAME) $(DESTDIR)$(PREFIX)/lib/libudrv.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' mk/udrv.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/udrv.pc
	$(foreach p,$(GUEST_PROGRAMS) $(GUEST_TOOLS),install -m 755 $p $(DESTDIR)$(PREFIX)/sbin/ &&) true
	$(foreach m,$(MAN_PAGES),install -D -m 644 $m $(DESTDIR)$(PREFIX)/share/man/man$(lastword $(subst ., ,$m))/$(notdir $m) &&) true
	$(foreach u,$(UNITS),install -d $(DESTDIR)$(PREFIX)/lib/systemd/system && sed -e 's|@SBINDIR@|$(PREFIX)/sbin|' $u \
		> $(DESTDIR)$(PREFIX)/lib/systemd/system/$(notdir $(u:.in=)) &&) true
