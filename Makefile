# make         static release files for powerpc (e500mc), aarch64 and x86_64 in dist/, with their sizes
# make test    formatting, lints, unit tests here and under qemu-user for the boards' architectures, integration tests, board
#              tests on emulated boards
# make bench   a start's cost beside a plain C program's, bubblewrap's, LXC's, crun's and runc's (root)
# make demo    builds this machine's file and shows the main job working, in namespaces of its own (root)
# make man     dist/man: the manual pages, from docs/ and boards/README.md
# make install [DESTDIR=] [PREFIX=/usr] [ARCH=] [INIT=busybox|sysvinit|openrc|systemd] [PROFILE=] [LXC=1] [DOCS=0]
#              what dist/ has onto this system or into a target tree; scripts/install tells more
# make deb     Debian packages of the three files, in dist/
# make qemu BOARD=p4080ds|aarch64|x86_64 [SHELL=1]
#              boots an emulated board with everything on it and runs the board tests, or leaves you at its shell
# make inits   boots Debian with systemd, sysvinit and OpenRC on an emulated machine; each brings a board up and down (root)
# make setup   what both need on a Debian machine with rustup (they call it themselves; root where packages are missing)
#
# dist/boardbox-ARCH alone is a target, too. CARGO_TARGET_DIR is respected.

# SHELL is make's own variable: what runs the recipes. On the command line it asks for a shell on the board.
ifeq ($(origin SHELL),command line)
override SHELL := /bin/sh
qemu_options := --shell
endif

export DESTDIR PREFIX ARCH INIT PROFILE LXC DOCS FILE

architectures := powerpc aarch64 x86_64
files := $(architectures:%=dist/boardbox-%)

.PHONY: all setup test bench demo qemu inits man install deb clean FORCE
# cargo is parallel by itself, and two of them at once wait for each other's lock.
.NOTPARALLEL:

all: $(files)
	@scripts/check-sizes $(files)

# cargo knows whether there is anything to do.
$(files): dist/boardbox-%: setup FORCE
	@scripts/build $*

setup:
	@scripts/setup

# Sets up what it needs itself: its slowest part begins while the rest is fetched.
test:
	@scripts/test

bench: all
	@scripts/setup bench
	@benches/run

demo: dist/boardbox-$(shell uname -m)
	@scripts/demo

man:
	@scripts/man

# Not built here: whoever installs, as root, need not have what builds.
install:
	@scripts/install

deb: all
	@scripts/deb powerpc aarch64 x86_64

qemu:
	@scripts/setup qemu
	@MAKEFLAGS= tests/qemu/run $(BOARD) $(qemu_options)

inits: dist/boardbox-x86_64
	@scripts/setup qemu inits
	@MAKEFLAGS= tests/inits/run

clean:
	cargo clean
	rm -rf dist
