//! The multi-call binary: everything is in the library.

#![no_main]

boardbox::entry!(boardbox::cli::main);
