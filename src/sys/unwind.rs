//! Release files neither unwind nor print backtraces: a panic is a trap (see trap.rs), and they carry no symbols. std refers to
//! the unwinder all the same, which would bring libunwind, stdio and more along: 15 KB on powerpc. These stand in for it. Only
//! the static files get them: std of the host's own builds unwinds for real.

#![allow(non_snake_case)]

use std::ffi::{c_int, c_void};

/// `_URC_END_OF_STACK` of the Itanium C++ ABI: a walk over the stack ends before its first frame.
const END_OF_STACK: c_int = 5;

/// What a backtrace calls; `_visit` is never called.
// SAFETY: the name and the arguments are the Itanium ABI's, and no other definition gets linked.
#[unsafe(no_mangle)]
pub extern "C" fn _Unwind_Backtrace(_visit: *const c_void, _data: *mut c_void) -> c_int {
    END_OF_STACK
}

/// Questions about a frame and changes to it: nobody gets to ask, as there is no frame.
macro_rules! never_called {
    ($($name:ident)*) => {$(
        #[doc = "Linked, never called."]
        // SAFETY: as above; all of these take pointers or words and return one or nothing.
        #[unsafe(no_mangle)]
        pub extern "C" fn $name() -> usize {
            0
        }
    )*};
}

never_called! {
    _Unwind_GetIP _Unwind_GetIPInfo _Unwind_GetCFA _Unwind_FindEnclosingFunction
    _Unwind_GetLanguageSpecificData _Unwind_GetRegionStart _Unwind_GetTextRelBase _Unwind_GetDataRelBase
    _Unwind_SetGR _Unwind_SetIP
}
