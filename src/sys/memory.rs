//! Gives memory back that a monitor will not touch again for days: a board has little.

/// How far below the stack pointer the set-up's deep calls may have reached, in bytes. What lies beyond the mapping is left
/// alone by the kernel.
const DEPTH: usize = 256 * 1024;

/// What the calls between here and the next deep one may use, in bytes.
const NEAR: usize = 8 * 1024;

const PAGE: usize = 4096;

/// Drops the unused part of the stack, and this process's view of the program file's pages: they stay in the page cache, and
/// those that are needed again come back by themselves.
// Never inlined: where the stack is in use up to is where this function's own frame is. Within a caller's frame of more than
// NEAR bytes, what is far below `here` would be that caller's.
#[inline(never)]
pub fn give_back() {
    let here = std::hint::black_box(0u8);
    let top = (&raw const here as usize).saturating_sub(NEAR) & !(PAGE - 1);
    let bottom = top.saturating_sub(DEPTH);
    // SAFETY: the range ends well below this frame, and no frame lies below it: nobody refers to what is there. It is the
    // main thread's stack, the only one. Larger pages than 4 KiB make this EINVAL, which changes nothing.
    unsafe { libc::madvise(bottom as *mut libc::c_void, top - bottom, libc::MADV_DONTNEED) };
    for (start, length) in read_only_segments() {
        // SAFETY: the pages are an unmodified private mapping of the program file: read again, they are the same.
        unsafe { libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED) };
    }
}

#[cfg(target_pointer_width = "64")]
type Header = libc::Elf64_Phdr;
#[cfg(target_pointer_width = "32")]
type Header = libc::Elf32_Phdr;

/// The program's own segments that are never written: address and length, whole pages.
fn read_only_segments() -> heapless::Vec<(usize, usize), 8> {
    let mut segments = heapless::Vec::new();
    // SAFETY: getauxval only looks a number up.
    let (table, count) = unsafe { (libc::getauxval(libc::AT_PHDR), libc::getauxval(libc::AT_PHNUM)) };
    if table == 0 {
        return segments;
    }
    // SAFETY: the kernel put the address and the number of this program's headers there, mapped for its lifetime.
    let headers = unsafe { std::slice::from_raw_parts(table as usize as *const Header, count as usize) };
    // Where the file was loaded, for one that may be loaded anywhere.
    let own = headers.iter().find(|header| header.p_type == libc::PT_PHDR);
    let base = own.map_or(0, |own| (table as usize).wrapping_sub(own.p_vaddr as usize));
    for header in headers.iter().filter(|one| one.p_type == libc::PT_LOAD && one.p_flags & libc::PF_W == 0) {
        let start = base.wrapping_add(header.p_vaddr as usize);
        let end = start.wrapping_add(header.p_memsz as usize) & !(PAGE - 1);
        let start = start & !(PAGE - 1);
        if end > start {
            // Eight read-only segments are more than any linker makes.
            let _ = segments.push((start, end - start));
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_comes_back_unchanged() {
        static TEXT: &str = "read again from the file";
        let segments = read_only_segments();
        let code = give_back as fn() as usize;
        assert!(
            segments.iter().any(|&(start, length)| (start..start + length).contains(&code)),
            "{segments:?} {code:x}"
        );
        // A frame larger than what is left alone below give_back's own: nothing of it may be lost, wherever its pages begin.
        let frame: [u8; 40_000] = std::hint::black_box([7; 40_000]);
        give_back();
        assert!(std::hint::black_box(&frame).iter().all(|&byte| byte == 7));
        let deep = |depth: usize| std::hint::black_box([depth as u8; 4096])[depth];
        assert_eq!(deep(7), 7);
        assert_eq!(TEXT, "read again from the file");
    }
}
