//! /dev/kmsg: a line in the kernel's log, which a board's operator reads with dmesg whatever else is broken.

use std::io::Write;

/// Writes a line of priority warning. Where that can not be done there is nobody to tell.
pub fn warn(text: &str) {
    // One write is one record; with a newline in it, it would be two.
    let line = format!("<4>boardbox: {}\n", text.replace('\n', " "));
    if let Ok(mut log) = std::fs::OpenOptions::new().write(true).open("/dev/kmsg") {
        let _ = log.write_all(line.as_bytes());
    }
}
