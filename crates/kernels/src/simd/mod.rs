//! Vectors: plain loops compiled for every instruction set, and the operations of register-tiled kernels.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod plain;
mod transpose;
mod vector;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::Neon;
pub(crate) use plain::Plain;
pub(crate) use transpose::transpose_4x4;
pub(crate) use vector::Simd;

/// Defines a function whose body is compiled once for each instruction set and chosen by [`crate::cpu::isa`].
///
/// The body is plain Rust on slices, so the compiler vectorises it as wide as the instruction set allows; it never
/// contracts or reorders floating-point arithmetic, so all versions give the same bits. On AArch64 there is one version, since
/// NEON belongs to the architecture.
macro_rules! vectorized {
    ($(#[$meta:meta])* $visibility:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $result:ty)? $body:block) => {
        $(#[$meta])*
        $visibility fn $name($($argument: $type),*) $(-> $result)? {
            #[inline(always)]
            fn plain($($argument: $type),*) $(-> $result)? $body

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2($($argument: $type),*) $(-> $result)? {
                plain($($argument),*)
            }

            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]
            fn avx512($($argument: $type),*) $(-> $result)? {
                plain($($argument),*)
            }

            match $crate::cpu::isa() {
                #[cfg(target_arch = "x86_64")]
                // SAFETY: `isa` only returns what this machine supports.
                $crate::cpu::Isa::Avx2 => unsafe { avx2($($argument),*) },
                #[cfg(target_arch = "x86_64")]
                // SAFETY: as above.
                $crate::cpu::Isa::Avx512 => unsafe { avx512($($argument),*) },
                _ => plain($($argument),*),
            }
        }
    };
}
pub(crate) use vectorized;
