//! For tests: memory that ends where the slice ends. The pages before and behind cannot be touched, so a kernel that
//! reads or writes outside is stopped by the machine instead of being lucky.

use std::io;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

/// Which end of a slice lies exactly at a fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edge {
    /// What lies before the first element cannot be touched.
    Start,
    /// What lies behind the last element cannot be touched.
    End,
}

impl Edge {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Start, Self::End];
}

/// A slice between two pages that cannot be touched, with one end at its page.
#[derive(Debug)]
pub struct Fenced<T: Copy> {
    map: NonNull<libc::c_void>,
    bytes: usize,
    first: NonNull<T>,
    len: usize,
}

impl<T: Copy> Fenced<T> {
    /// A copy of `content` with its `edge` at a fence.
    ///
    /// # Errors
    /// If the system refuses to map the pages.
    pub fn new(content: &[T], edge: Edge) -> io::Result<Self> {
        // SAFETY: a question without conditions.
        let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).map_err(io::Error::other)?;
        let wanted = size_of_val(content);
        let inner = wanted.max(1).next_multiple_of(page);
        let bytes = inner + 2 * page;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // SAFETY: a new mapping at a place of the system's choice touches no memory of others.
        let map = unsafe { libc::mmap(std::ptr::null_mut(), bytes, libc::PROT_NONE, flags, -1, 0) };
        if map == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = match edge {
            Edge::Start => page,
            Edge::End => page + inner - wanted,
        };
        // SAFETY: `start` lies inside the mapping, which is not at address zero. Both edges are aligned for T, whose size
        // is a multiple of its alignment and whose alignment divides a page.
        let first = unsafe { NonNull::new_unchecked(map.byte_add(start).cast::<T>()) };
        // From here on `fenced` gives the mapping back.
        // SAFETY: as above.
        let fenced = Self { map: unsafe { NonNull::new_unchecked(map) }, bytes, first, len: content.len() };
        // SAFETY: the pages between the first and the last are ours, and nothing refers to them yet.
        let opened = unsafe { libc::mprotect(map.byte_add(page), inner, libc::PROT_READ | libc::PROT_WRITE) };
        if opened != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: `wanted` bytes from `first` on lie in the opened pages, and the mapping is new.
        unsafe { std::ptr::copy_nonoverlapping(content.as_ptr(), first.as_ptr(), content.len()) };
        Ok(fenced)
    }
}

impl<T: Copy> Deref for Fenced<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `len` elements were copied to `first`, in memory that is ours until `drop`.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }
}

impl<T: Copy> DerefMut for Fenced<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as `deref`; `self` is borrowed alone.
        unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr(), self.len) }
    }
}

impl<T: Copy> Drop for Fenced<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and its borrows have ended.
        unsafe { libc::munmap(self.map.as_ptr(), self.bytes) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;
    use std::process::Command;

    const CHILD: &str = "CONVNET_FENCE_TEST";

    /// Reads the element `offset` away from the first, in a process of its own; whether it survives that.
    fn survives(edge: Edge, offset: isize) -> bool {
        let test = "fence::tests::what_lies_outside_cannot_be_touched";
        let mut child = Command::new(std::env::current_exe().expect("this test is a file"));
        child.args([test, "--exact", "--nocapture"]).env(CHILD, format!("{} {offset}", edge as usize));
        child.output().expect("this test can be started again").status.success()
    }

    #[test]
    fn what_lies_outside_cannot_be_touched() {
        const LEN: usize = 1030;
        if let Ok(text) = std::env::var(CHILD) {
            let (edge, offset) = text.split_once(' ').expect("two numbers");
            let edge = if edge == "0" { Edge::Start } else { Edge::End };
            let fenced = Fenced::new(&[1.0_f32; LEN], edge).expect("pages");
            let offset: isize = offset.parse().expect("a number");
            // SAFETY: none where it lies outside: the machine is to stop this process.
            black_box(unsafe { fenced.as_ptr().offset(offset).read_volatile() });
            return;
        }
        assert!(survives(Edge::Start, 0) && !survives(Edge::Start, -1));
        assert!(survives(Edge::End, LEN as isize - 1) && !survives(Edge::End, LEN as isize));
    }

    #[test]
    fn a_copy_holds_what_was_given() {
        for edge in Edge::ALL {
            for len in [0, 1, 1024, 1025] {
                let content: Vec<u8> = (0..len).map(|i| i as u8).collect();
                let mut fenced = Fenced::new(&content, edge).expect("pages");
                assert_eq!(*fenced, *content);
                fenced.fill(3);
                assert!(fenced.iter().all(|&x| x == 3));
            }
        }
    }
}
