use std::io::{BufRead, BufReader};
use std::net::TcpListener;

use super::*;

const CONTENT: &[u8] = b"abc";
const MD5: &str = "900150983cd24fb0d6963f7d28e17f72"; // of "abc", RFC 1321
const SHA256: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // FIPS 180-2

fn file(digest: Option<&'static str>) -> Published<'static> {
    let home = "https://unused.invalid/weights/";
    Published { of: "net", folder: "weights", home, name: "net.h5", digest, max_bytes: 1000 }
}

/// A server that says a length and sends a content; gives its address. It answers with 404 what is not asked for by its name.
fn serve(length: usize, content: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/mirror", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut request, mut line) = (String::new(), String::new());
            reader.read_line(&mut request).unwrap();
            while reader.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            let known = request.starts_with("GET /mirror/net.h5 ");
            let status = if known { "200 OK" } else { "404 Not Found" };
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
                .unwrap();
            let _ = stream.write_all(content);
        }
    });
    address
}

fn fresh_folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("convnet-published-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn has_client() -> bool {
    let found = |name: &&str| std::process::Command::new(name).arg("--version").output().is_ok();
    let found = ["curl", "wget"].iter().any(found);
    if !found {
        eprintln!("skipped: neither curl nor wget is installed");
    }
    found
}

#[test]
fn a_file_is_fetched_once_whichever_digest_proves_it() {
    if !has_client() {
        return;
    }
    for digest in [Some(MD5), Some(SHA256), None] {
        let cache = fresh_folder("once");
        let mut said = Vec::new();
        let mut get = |home: &str| {
            file(digest).get_from(Some(cache.clone()), home, &mut |line| said.push(line.to_owned()))
        };
        let path = get(&serve(3, CONTENT)).unwrap();
        assert_eq!(path, cache.join("weights/net.h5"));
        assert_eq!(get("http://unused.invalid").unwrap(), path);
        assert_eq!(fs::read(&path).unwrap(), CONTENT);
        assert_eq!(said.len(), 1 + usize::from(digest.is_none()), "{said:?}");
        fs::remove_dir_all(cache).unwrap();
    }
}

#[test]
fn what_is_not_the_file_never_stands_in_its_place() {
    if !has_client() {
        return;
    }
    let folder = fresh_folder("copies");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("net.h5"), vec![0; 1001]).unwrap();
    for (home, expected) in [
        (serve(3, b"abd"), "MD5 4911e516e5aa21d327512e0c8b197616 instead of"),
        (serve(1000, CONTENT), "failed"), // cut short
        (serve(5000, &[0; 5000]), ""),    // too long
        (serve(3, CONTENT).replace("mirror", "elsewhere"), "failed"), // 404
        ("http://127.0.0.1:1".to_owned(), "failed"), // nobody there
        ("file:///nonexistent".to_owned(), "/nonexistent/net.h5"),
        (format!("file://{}", folder.display()), "more than the 1000 bytes"),
    ] {
        let cache = fresh_folder("not");
        let text = file(Some(MD5)).get_from(Some(cache.clone()), &home, &mut |_| {}).unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
        let place = cache.join("weights");
        for help in ["https://unused.invalid/weights/net.h5", &place.display().to_string(), MIRROR_VARIABLE] {
            assert!(text.contains(help), "{text}");
        }
        assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
        fs::remove_dir_all(cache).unwrap();
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_file_put_there_by_hand_is_checked_until_it_was_right() {
    let cache = fresh_folder("hand");
    let path = cache.join("weights/net.h5");
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let get = || {
        file(Some(MD5))
            .get_from(Some(cache.clone()), "http://unused.invalid", &mut |_| panic!("nothing to fetch"))
    };
    fs::write(&path, b"abd").unwrap();
    let text = get().unwrap_err().to_string();
    assert!(text.contains("other contents") && text.contains("remove it"), "{text}");
    fs::write(&path, CONTENT).unwrap();
    assert_eq!(get().unwrap(), path);
    assert!(beside(&path).exists());
    fs::write(&path, b"another").unwrap();
    assert!(get().is_err(), "the note is of another file");
    fs::remove_dir_all(cache).unwrap();
}

#[test]
fn copies_come_from_a_folder_too() {
    let (cache, folder) = (fresh_folder("cache"), fresh_folder("folder"));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("net.h5"), CONTENT).unwrap();
    let home = format!("file://{}/", folder.display());
    let path = file(Some(SHA256)).get_from(Some(cache.clone()), &home, &mut |_| {}).unwrap();
    assert_eq!(fs::read(path).unwrap(), CONTENT);
    fs::remove_dir_all(cache).unwrap();
    fs::remove_dir_all(folder).unwrap();
}
