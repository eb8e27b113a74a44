use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use super::*;

/// An HTTP server that answers every request with what `answer` makes of its path; gives its address.
fn serve(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            reader.read_line(&mut request).unwrap();
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            let body = request.split(' ').nth(1).and_then(&answer);
            let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
            let body = body.unwrap_or_default();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
                body.len()
            )
            .unwrap();
            // A client that has seen enough hangs up.
            let _ = stream.write_all(&body);
        }
    });
    address
}

fn fresh_folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("convnet-data-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn debian() -> Option<&'static Path> {
    let folder = Path::new(DEBIAN_FOLDER);
    if !is_complete(folder) {
        eprintln!("skipped: Debian's package dataset-fashion-mnist is not installed");
        return None;
    }
    Some(folder)
}

/// Whether a download can be tried at all.
fn has_client() -> bool {
    let found = ["curl", "wget"]
        .iter()
        .any(|name| std::process::Command::new(name).arg("--version").output().is_ok());
    if !found {
        eprintln!("skipped: neither curl nor wget is installed");
    }
    found
}

#[test]
fn debians_copy_is_the_original() {
    let Some(folder) = debian() else { return };
    for file in &FILES {
        check(&folder.join(file.name), file, file.name).unwrap();
    }
    let dataset =
        load_from(None, folder, "http://unused.invalid", &mut |_| panic!("nothing to fetch")).unwrap();
    assert_eq!((dataset.train.len(), dataset.test.unwrap().len()), (60_000, 10_000));
    assert_eq!(dataset.class_names[dataset.train.labels()[0] as usize], "Ankle boot");
}

#[test]
fn files_are_fetched_once_into_the_cache() {
    let Some(folder) = debian().filter(|_| has_client()) else { return };
    let home = serve(move |path| fs::read(folder.join(path.trim_start_matches('/'))).ok());
    let cache = fresh_folder("fetch");
    let nowhere = Path::new("/nonexistent");
    let mut said = Vec::new();
    let mut load =
        |home: &str| load_from(Some(cache.clone()), nowhere, home, &mut |line| said.push(line.to_string()));
    let fetched = load(&home).unwrap();
    let again = load("http://unused.invalid").unwrap();
    assert_eq!(fetched.train, again.train);
    assert_eq!(said.len(), 4);
    assert_eq!(fs::read_dir(&cache).unwrap().count(), 4);
    fs::remove_dir_all(cache).unwrap();
}

#[test]
fn a_forged_or_missing_file_is_refused_and_nothing_stays() {
    if !has_client() {
        return;
    }
    let gz = || {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&[0; 100]).unwrap();
        encoder.finish().unwrap()
    };
    let oversized = serve(|_| Some(vec![0; 48_000_000]));
    for (home, expected) in [
        (serve(move |_| Some(gz())), "other contents than expected"),
        (serve(|_| Some(b"<html>sign in</html>".to_vec())), "no gzip file"),
        (serve(|_| None), "failed"),
        (oversized, ""),
    ] {
        let cache = fresh_folder("forged");
        let error =
            load_from(Some(cache.clone()), Path::new("/nonexistent"), &home, &mut |_| {}).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, DataError::Unavailable { .. }) && text.contains(expected), "{text}");
        for help in
            ["apt-get install dataset-fashion-mnist", "t10k-labels-idx1-ubyte.gz", &home, CACHE_VARIABLE]
        {
            assert!(text.contains(help), "{text}");
        }
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 0);
        fs::remove_dir_all(cache).unwrap();
    }
}
