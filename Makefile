# Builds carpool. `make help` lists what there is to make.
#
# make leaves in out/ what make install copies: the shared library, the static library, the header, the
# helper program of worker processes, and the descriptions for CMake and pkg-config. It can be used from
# there, moved, or installed.

VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
MAJOR := $(firstword $(subst ., ,$(VERSION)))

OUT ?= out
PREFIX ?= /usr/local
LIBDIR ?= lib
INCLUDEDIR ?= include
CARGO ?= cargo
OBJCOPY ?= objcopy
CFLAGS ?= -O2 -g
CARGO_TARGET_DIR ?= target
export CARGO_TARGET_DIR

# What the Rust code needs, as `--print native-static-libs` says, less what every C compiler adds.
NATIVE_LIBS := -lpthread -lm -ldl

# Rust's own archive. Its symbols are everybody's, so it is not what users get.
RUST := $(CARGO_TARGET_DIR)/$(addsuffix /,$(CARGO_BUILD_TARGET))release/libcarpool.a
SHARED := $(OUT)/lib/libcarpool.so.$(VERSION)
STATIC := $(OUT)/lib/libcarpool.a
WORKER := $(OUT)/libexec/carpool/carpool-worker
HEADER := $(OUT)/include/carpool.h
CDEF := $(OUT)/include/carpool.cdef.h
CMAKE := $(OUT)/lib/cmake/carpool/carpoolConfig.cmake
CMAKE_VERSION := $(OUT)/lib/cmake/carpool/carpoolConfigVersion.cmake
PC := $(OUT)/lib/pkgconfig/carpool.pc
# Three examples need a third-party library, whose header may be missing.
has_header = $(shell echo '\#include <$1>' | $(CC) $(CPPFLAGS) -E - > /dev/null 2>&1 && echo yes)
OPENSSL := $(call has_header,openssl/evp.h)
PNG := $(call has_header,png.h)
EXAMPLES := $(patsubst examples-c/%.c,$(OUT)/bin/%,$(filter-out %_functions.c,$(wildcard examples-c/*.c)))
EXAMPLES := $(if $(OPENSSL),$(EXAMPLES),$(filter-out %/sha256tree,$(EXAMPLES)))
EXAMPLES := $(if $(PNG),$(EXAMPLES),$(filter-out %/mandelbrot %/isolate,$(EXAMPLES)))
C := $(CC) -std=gnu11 -Wall -Wextra -Wpedantic $(CPPFLAGS) $(CFLAGS)

.PHONY: all package examples run test check model planted-faults soak fuzz chaos mutations asan valgrind bench counts header architecture install uninstall clean doctor help FORCE
.DELETE_ON_ERROR:

all: $(STATIC) $(WORKER) package                    ## the libraries and all that belongs to them (the default)

# Rust's standard library finds no __cxa_thread_atexit_impl, which takes the dynamic loader's lock: then a
# pool in a constructor that dlopen runs would wait for its threads, and they for the lock. It uses
# pthread_key_create instead.
NO_LOADER_LOCK := --wrap=__cxa_thread_atexit_impl

# Always asked: cargo knows what has changed, and what follows looks at the archive's time only.
$(RUST): FORCE
	+$(CARGO) rustc --release --locked --lib --crate-type staticlib $(CARGOFLAGS)

# The system's linker makes the shared library, because rustc sets neither SONAME nor exports. It is not
# unloaded by dlclose: its threads would run on in memory that is gone. Code and constants lie in one
# segment: 8 KB less, and one mapping less in every process.
$(SHARED): $(RUST) cmake/carpool.map
	@mkdir -p $(@D)
	$(CC) -shared -s -o $@ -Wl,--whole-archive $(RUST) -Wl,--no-whole-archive -Wl,--gc-sections \
	  -Wl,--version-script=cmake/carpool.map -Wl,-soname,libcarpool.so.$(MAJOR) -Wl,--build-id \
	  -Wl,-z,relro,-z,now,-z,nodelete,-z,defs,-z,noseparate-code -Wl,$(NO_LOADER_LOCK) $(LDFLAGS) -Wl,--as-needed $(NATIVE_LIBS)
	ln -sf $(@F) $(OUT)/lib/libcarpool.so.$(MAJOR)
	ln -sf libcarpool.so.$(MAJOR) $(OUT)/lib/libcarpool.so

# Linked already, with only the names of the API left, so that a program can contain other Rust libraries
# too: their runtimes would clash. What the shared library exports are the roots.
$(STATIC): $(RUST) $(SHARED) src/worker/preinit.S
	@mkdir -p $(OUT)/obj
	$(CC) -c -o $(OUT)/obj/preinit.o src/worker/preinit.S
	$(LD) -r -o $(OUT)/obj/linked.o --gc-sections --force-group-allocation $(NO_LOADER_LOCK) -u carpool_preinit \
	  `nm -D --defined-only --format=posix $(SHARED) | sed 's/ .*//;s/^/-u /'` --whole-archive $(RUST)
	$(OBJCOPY) -R .llvmbc -R .llvmcmd --wildcard --keep-global-symbol='pool_*' --keep-global-symbol='future_*' \
	  --keep-global-symbol=carpool_process_start $(OUT)/obj/linked.o $(OUT)/obj/carpool.o
	rm -f $@
	$(AR) rcs $@ $(OUT)/obj/carpool.o $(OUT)/obj/preinit.o

# $(call build_worker,file,from its folder to the library's)
build_worker = $(C) -Iinclude -o $1 src/worker/carpool-worker.c -L$(OUT)/lib -lcarpool -Wl,-rpath,'$$ORIGIN/'$2 $(LDFLAGS)

$(WORKER): src/worker/carpool-worker.c include/carpool.h $(SHARED)
	@mkdir -p $(@D)
	$(call build_worker,$@,../../lib)

$(HEADER) $(CDEF): $(OUT)/include/%: include/%
	install -D -m 644 $< $@

# $(call subst_vars,file in cmake/,from the library's folder to the prefix,from there to the headers)
subst_vars = sed -e 's|@VERSION@|$(VERSION)|g' -e 's|@MAJOR@|$(MAJOR)|g' -e 's|@NATIVE_LIBS@|$(NATIVE_LIBS)|g' \
  -e "s|@POINTER_SIZE@|`echo __SIZEOF_POINTER__ | $(CC) -E -P -`|g" \
  -e 's|@LIBDIR_TO_PREFIX@|'$2'|g' -e 's|@INCLUDEDIR@|'$3'|g' cmake/$1.in

package: $(HEADER) $(CDEF) $(CMAKE) $(CMAKE_VERSION) $(PC)
$(CMAKE) $(CMAKE_VERSION) $(PC): $(wildcard cmake/*.in) Makefile Cargo.toml
	@mkdir -p $(@D)
	@$(call subst_vars,$(@F),..,include) > $@

examples: $(EXAMPLES)                               ## the programs of examples-c, in out/bin
	$(if $(OPENSSL),,@echo "skip: sha256tree: openssl/evp.h is missing (Debian: libssl-dev)")
	$(if $(PNG),,@echo "skip: mandelbrot, isolate: png.h is missing (Debian: libpng-dev)")

$(OUT)/bin/%: examples-c/%.c $(HEADER) $(SHARED)
	@mkdir -p $(@D)
	$(C) -I$(OUT)/include -o $@ $(filter %.c,$^) -L$(OUT)/lib -L$(@D) -Wl,-rpath,'$$ORIGIN/../lib:$$ORIGIN' $(LDFLAGS) \
	  -lcarpool -pthread $(LDLIBS)

# A shared library that belongs to an example.
$(OUT)/bin/lib%.so: examples-c/%.c $(HEADER) $(SHARED)
	@mkdir -p $(@D)
	$(C) -shared -fPIC -I$(OUT)/include -o $@ $< -L$(OUT)/lib -Wl,-soname,$(@F) $(LDFLAGS) -lcarpool

$(OUT)/bin/03_library: LDLIBS += -l03_library_functions
$(OUT)/bin/03_library: $(OUT)/bin/lib03_library_functions.so
$(OUT)/bin/sha256tree: LDLIBS += -lcrypto
$(OUT)/bin/sha256tree: $(wildcard examples-c/sha256tree/*)
$(OUT)/bin/mandelbrot: LDLIBS += -lpng -lm
$(OUT)/bin/isolate: LDLIBS += -lpng

run: all                                            ## hashes a folder with sha256tree, checks and times it
	@python3 ffi-tests/tools.py openssl
	@$(MAKE) --no-print-directory examples
	@examples-c/run.sh

test:                                               ## all tests; REQUIRE=all: none may be skipped
	@python3 ffi-tests/run.py

check: test                                         ## the same as test

MINUTES ?= 10
soak: all                                           ## workers and programs die for MINUTES=10: nothing is lost or doubled
	@python3 ffi-tests/endurance.py soak $(MINUTES)

model: all                                          ## random calls compared with a model (MINUTES=10, SEED=1)
	MODEL_SECONDS=$$(( $(MINUTES) * 60 )) $(if $(SEED),MODEL_SEED=$(SEED)) $(CARGO) test --locked --test model

fuzz: all                                           ## hostile calls, and overwritten memory, for MINUTES=10
	@python3 ffi-tests/endurance.py fuzz $(MINUTES)

planted-faults:                                     ## plants faults in a copy, and sees that the model finds them
	python3 ffi-tests/planted_faults.py

chaos: all                                          ## system calls fail, processes die at any instruction (MINUTES=10)
	@python3 ffi-tests/endurance.py chaos $(MINUTES)

mutations:                                          ## breaks the protocols, and sees their models fail (PART=1/4: a part)
	python3 ffi-tests/mutations.py $(if $(PART),--part $(PART))

asan: all                                           ## the C programs and the library under AddressSanitizer (WORD=: some)
	@python3 ffi-tests/sanitizers.py asan $(WORD)

valgrind: all                                       ## the C programs with threads under valgrind's memcheck (WORD=: some)
	@python3 ffi-tests/sanitizers.py valgrind $(WORD)

bench: all                                          ## measures pools beside what others reach
	python3 benches/harness/run.py

counts:                                             ## counts instructions with callgrind, compares with before
	@python3 benches/harness/counts.py

header:                                             ## writes the headers in include/ anew from the sources
	UPDATE_HEADER=1 $(CARGO) test --locked --test header

architecture:                                       ## writes the list of files into ARCHITECTURE.md anew
	UPDATE_ARCHITECTURE=1 $(CARGO) test --locked --test tidy the_architecture

# $(call under_prefix,folder): the folder if it is absolute, else below the prefix.
under_prefix = $(if $(filter /%,$1),$1,$(PREFIX)/$1)
libdir = $(call under_prefix,$(LIBDIR))
includedir = $(call under_prefix,$(INCLUDEDIR))
workerdir = $(PREFIX)/libexec/carpool
# $(call relpath,from,to): the path of `to` relative to `from`.
relpath = "`realpath -ms --relative-to="$1" "$2"`"

install:                                            ## copies to PREFIX (DESTDIR, LIBDIR, INCLUDEDIR)
	@test -e $(STATIC) -a -e $(WORKER) || $(MAKE) all
	install -d "$(DESTDIR)$(libdir)/cmake/carpool" "$(DESTDIR)$(libdir)/pkgconfig" \
	  "$(DESTDIR)$(includedir)" "$(DESTDIR)$(workerdir)"
	install -m 644 include/carpool.h include/carpool.cdef.h "$(DESTDIR)$(includedir)"
	install -m 644 $(STATIC) "$(DESTDIR)$(libdir)"
	install -m 755 $(SHARED) "$(DESTDIR)$(libdir)"
	cp -fP $(OUT)/lib/libcarpool.so $(OUT)/lib/libcarpool.so.$(MAJOR) "$(DESTDIR)$(libdir)"
	$(call build_worker,"$(DESTDIR)$(workerdir)/carpool-worker",$(call relpath,$(workerdir),$(libdir)))
	@for file in $(patsubst $(OUT)/lib/%,%,$(CMAKE) $(CMAKE_VERSION) $(PC)); do \
	  $(call subst_vars,$$(basename $$file),$(call relpath,$(libdir),$(PREFIX)),$(call relpath,$(PREFIX),$(includedir))) \
	    > "$(DESTDIR)$(libdir)/$$file" || exit; done

uninstall:                                          ## removes what install has copied, given the same folders
	rm -f "$(DESTDIR)$(includedir)/carpool.h" "$(DESTDIR)$(includedir)/carpool.cdef.h" "$(DESTDIR)$(libdir)/pkgconfig/carpool.pc"
	rm -f "$(DESTDIR)$(libdir)/libcarpool.a" "$(DESTDIR)$(libdir)/libcarpool.so" \
	  "$(DESTDIR)$(libdir)/libcarpool.so.$(MAJOR)" "$(DESTDIR)$(libdir)/libcarpool.so.$(VERSION)"
	rm -rf "$(DESTDIR)$(libdir)/cmake/carpool" "$(DESTDIR)$(workerdir)"

clean:                                              ## removes out/ and what cargo has built
	rm -rf $(OUT)
	$(CARGO) clean

doctor:                                             ## the tools there are, and what will be skipped
	@python3 ffi-tests/tools.py doctor

help:                                               ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

FORCE:
