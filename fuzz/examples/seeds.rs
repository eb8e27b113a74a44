//! Writes the whole files that each target starts from: `seeds FOLDER` makes `FOLDER/TARGET/0`, `1`, ….

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let folder = PathBuf::from(std::env::args().nth(1).unwrap_or_else(|| "corpus".into()));
    for parser in convnet_fuzz::all() {
        let folder = folder.join(parser.name);
        std::fs::create_dir_all(&folder)?;
        for (index, seed) in (parser.seeds)().into_iter().enumerate() {
            std::fs::write(folder.join(index.to_string()), seed)?;
        }
    }
    Ok(())
}
