//! The folder that fetched data sets are kept in.

use std::env;
use std::path::PathBuf;

/// The environment variable that moves the cache folder.
pub const CACHE_VARIABLE: &str = "CONVNET_CACHE";

/// Where fetched data sets are kept, a folder each: `$CONVNET_CACHE`, else `$XDG_CACHE_HOME/convnet`, else
/// `~/.cache/convnet` (on Windows `%LOCALAPPDATA%\convnet`). `None` when no variable tells.
pub fn cache_folder() -> Option<PathBuf> {
    resolve(|name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from))
}

fn resolve(variable: impl Fn(&str) -> Option<PathBuf>) -> Option<PathBuf> {
    // The XDG rules say that a relative path there is to be ignored.
    let xdg =
        || variable("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("convnet"));
    let local = || variable("LOCALAPPDATA").filter(|_| cfg!(windows)).map(|path| path.join("convnet"));
    let home = || variable("HOME").map(|path| path.join(".cache").join("convnet"));
    variable(CACHE_VARIABLE).or_else(xdg).or_else(local).or_else(home)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(set: &'static [(&str, &str)]) -> Option<PathBuf> {
        resolve(|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| PathBuf::from(value)))
    }

    #[test]
    #[cfg(unix)]
    fn the_nearest_variable_wins() {
        let all = with(&[("CONVNET_CACHE", "/c"), ("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]);
        assert_eq!(all, Some("/c".into()));
        assert_eq!(with(&[("XDG_CACHE_HOME", "/x"), ("HOME", "/h")]), Some("/x/convnet".into()));
        assert_eq!(with(&[("XDG_CACHE_HOME", "x"), ("HOME", "/h")]), Some("/h/.cache/convnet".into()));
        assert_eq!(with(&[]), None);
    }
}
