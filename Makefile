# make setup: what the cross builds and the comparisons need (Debian, as root). make test: formatting, lints, tests.
.PHONY: setup test
setup:
	scripts/setup

test:
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo test
