//! Large pages of memory: where a network's memory lies in pages of 4 KB, looking up addresses costs more than reading them, most
//! of all in a virtual machine.

/// Bytes below which nothing is gained: some pages of 2 MB.
#[cfg(target_os = "linux")]
const FEWEST: usize = 4 << 20;

/// Asks the system to use large pages for a slice, best before it is touched. What it holds stays; the system may refuse, and small slices
/// are left alone.
pub fn prefer_large<T: Copy>(memory: &mut [T]) {
    #[cfg(target_os = "linux")]
    {
        let bytes = size_of_val(memory);
        // SAFETY: a question without conditions.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(0);
        if bytes < FEWEST || page == 0 {
            return;
        }
        let start = memory.as_mut_ptr().cast::<libc::c_void>();
        let skipped = start.addr().next_multiple_of(page) - start.addr();
        let len = (bytes - skipped) / page * page;
        // SAFETY: whole pages inside the slice; this advice changes no contents and no rights. Refused, it changes nothing.
        unsafe { libc::madvise(start.byte_add(skipped), len, libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

#[cfg(test)]
mod tests {
    #[test]
    fn contents_stay() {
        for len in [0, 1, (4 << 20) + 3, (9 << 20) + 5] {
            let mut memory: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            super::prefer_large(&mut memory);
            super::prefer_large(&mut memory[len.min(1)..]);
            assert!(memory.iter().enumerate().all(|(i, &x)| x == (i % 251) as u8));
        }
    }
}
