//! MNIST, inside the program: LeCun, Cortes and Burges's 70,000 handwritten digits, 28×28 grey.
//!
//! The file in `assets/` is made by `examples/pack_mnist.rs`; `assets/NOTICE.md` has credit and licence. Each image is
//! cut to the 20×20 window that holds all its ink, and the windows are compressed with brotli in three streams that are
//! decoded side by side. Sizes of what was weighed, in bytes, with the time to decode in milliseconds on one thread
//! (read them as ratios):
//!
//! | stored as | whole images | ms | windows | ms |
//! |---|---|---|---|---|
//! | gzip -9 | 11,370,067 | | 10,806,183 | |
//! | zstd -22 (`ruzstd`) | 9,615,024 | 340 | 9,214,940 | 240 |
//! | xz -9e (`lzma-rust2`) | 9,108,188 | 710 | 8,753,700 | 620 |
//! | **brotli 11** (`brotli-decompressor`) | 9,259,777 | 200 | **8,804,096** | **175** |
//! | static rANS under 300 contexts, 8 lanes, tables not counted | | | 8,449,182 | 360 |
//!
//! Cut into three streams, so that two threads have 35,000 images each and need half the time, the windows take
//! 9,039,042 bytes. A codec of our own that gives each image one of eight learnt sets of tables would come to an
//! estimated 7.5 MB, but its trial was slower than brotli, so a library does it.

use super::Notify;
use crate::{Dataset, Result};

mod packed;

pub(super) const NAME: &str = "mnist";
pub(super) const DESCRIPTION: &str = "70,000 grey handwritten digits, 28×28, 10 classes; inside the program";

static PACKED: &[u8] = include_bytes!("../../../assets/mnist.bin");

pub(super) fn load(_: Notify<'_>) -> Result<Dataset> {
    let (train, test) = packed::unpack(PACKED)?;
    let class_names = (0..packed::CLASSES).map(|digit| digit.to_string()).collect();
    Ok(Dataset { name: NAME.into(), train, test: Some(test), class_names })
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::Split;

    /// The IDX files that a split came from, as a hash of each.
    fn digests(split: &Split) -> [String; 2] {
        let count = split.len() as u32;
        let mut images = Sha256::new();
        [0x803, count, 28, 28].iter().for_each(|word: &u32| images.update(word.to_be_bytes()));
        images.update(split.images());
        let mut labels = Sha256::new();
        [0x801, count].iter().for_each(|word: &u32| labels.update(word.to_be_bytes()));
        split.labels().iter().for_each(|&label| labels.update([label as u8]));
        [images, labels].map(|hash| hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    #[test]
    fn unpacked_images_and_labels_are_the_originals() {
        let mnist = load(&mut |_| {}).unwrap();
        assert_eq!(
            digests(&mnist.train),
            [
                "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
                "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            ]
        );
        assert_eq!(
            digests(&mnist.test.unwrap()),
            [
                "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
                "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
            ]
        );
    }

    #[test]
    fn a_damaged_file_is_an_error() {
        let mut state = 7_u32;
        for case in 0..60 {
            let mut bytes = PACKED.to_vec();
            for _ in 0..4 {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let range = if case % 2 == 0 { 40 } else { 4_000 };
                bytes[state as usize % range] = (state >> 24) as u8;
            }
            bytes.truncate(if case % 3 == 0 { state as usize % bytes.len() } else { bytes.len() });
            // Damage inside a stream may go unseen here (the digests above would see it); it must only not panic.
            let _ = packed::unpack(&bytes);
        }
        assert!(packed::unpack(&PACKED[..PACKED.len() - 1]).is_err());
        assert!(packed::unpack(&[PACKED, &[0]].concat()).is_err());
    }
}
