//! Files over the API.

use std::path::Path;

use super::*;

/// Whether a file with this content is anywhere below the gateway's directory.
pub(super) fn is_on_disk(client: &Client, content: &str) -> bool {
    fn holds(directory: &Path, content: &[u8]) -> bool {
        std::fs::read_dir(directory).unwrap().any(|entry| {
            let entry = entry.unwrap();
            match entry.file_type().unwrap().is_dir() {
                true => holds(&entry.path(), content),
                false => std::fs::read(entry.path()).unwrap() == content,
            }
        })
    }
    holds(client.bench.directory.path(), content.as_bytes())
}

/// Takes the file with this content away from the disk, by hand.
pub(super) fn remove_from_disk(client: &Client, content: &str) {
    fn remove(directory: &Path, content: &[u8]) -> usize {
        let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
        entries
            .map(|path| match path.is_dir() {
                true => remove(&path, content),
                false if std::fs::read(&path).unwrap() == content => std::fs::remove_file(path).map(|()| 1).unwrap(),
                false => 0,
            })
            .sum()
    }
    assert_eq!(remove(client.bench.directory.path(), content.as_bytes()), 1);
}

/// A client, and the path of the files of `/import`, from which a login may only pick up.
async fn import() -> (Client, Value, String) {
    let client = Client::new().await;
    let account = client.account(&client.instance("acme").await).await;
    let files = format!("{}/files", folder_of(&account, "/import"));
    (client, account, files)
}

/// Bytes that differ from place to place.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|index| u8::try_from(index * 31 % 251).unwrap()).collect()
}

#[tokio::test]
async fn a_file_comes_back_byte_for_byte() {
    let (client, _, files) = import().await;
    // Empty, small, exactly a chunk, and more than several, from the network in pieces of other sizes.
    for length in [0, 1, 512 * 1024, 3_000_001] {
        let path = format!("{files}/{length}.bin");
        let sent = content(length);
        let pieces: Vec<Result<Bytes, std::io::Error>> =
            sent.chunks(70_000).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let body = Body::from_stream(futures_util::stream::iter(pieces));
        let stored = client.send(Method::PUT, &path, &[], body).await.expect(201);
        assert_eq!(stored.json()["size"], length);
        let got = client.get(&path).await.expect(200);
        assert!(got.body == sent, "{length} bytes");
        assert_eq!(got.header("content-length"), length.to_string());
        assert_eq!(got.header("accept-ranges"), "bytes");
        assert_eq!(got.header("etag"), stored.header("etag"));
        assert!(got.header("last-modified").ends_with("GMT"));
        let head = client.send(Method::HEAD, &path, &[], Body::empty()).await.expect(200);
        assert!(head.body.is_empty());
        for header in ["content-length", "etag", "last-modified", "accept-ranges"] {
            assert_eq!(head.header(header), got.header(header), "{header}");
        }
    }
}

#[tokio::test]
async fn a_range_is_that_part_of_the_file() {
    let (client, _, files) = import().await;
    let path = format!("{files}/x.bin");
    let sent = content(2_000_000);
    client.send(Method::PUT, &path, &[], sent.clone()).await.expect(201);
    let cases = [
        ("bytes=0-0", 0, 1),
        ("bytes=100-199", 100, 200),
        ("bytes=600000-1900000", 600_000, 1_900_001),
        ("bytes=1999999-", 1_999_999, 2_000_000),
        ("bytes=-5", 1_999_995, 2_000_000),
    ];
    for (range, first, end) in cases {
        let answer = client.send(Method::GET, &path, &[("range", range)], Body::empty()).await.expect(206);
        assert!(answer.body == sent[first..end], "{range}");
        assert_eq!(answer.header("content-range"), format!("bytes {first}-{}/2000000", end - 1));
        assert_eq!(answer.header("content-length"), (end - first).to_string());
    }
    let answer = client.send(Method::GET, &path, &[("range", "bytes=2000000-")], Body::empty()).await.expect(416);
    assert_eq!(answer.header("content-range"), "bytes */2000000");
    assert_eq!(answer.json()["type"], "/problems/range-not-satisfiable");
    let headers = [("range", "bytes=0-0"), ("if-range", "W/\"x\"")];
    assert_eq!(client.send(Method::GET, &path, &headers, Body::empty()).await.expect(200).body.len(), sent.len());
}

#[tokio::test]
async fn a_file_that_is_unchanged_is_not_sent_again() {
    let (client, _, files) = import().await;
    let path = format!("{files}/x.csv");
    let stored = client.send(Method::PUT, &path, &[], "one").await.expect(201);
    let known = [("if-none-match", stored.header("etag"))];
    assert!(client.send(Method::GET, &path, &known, Body::empty()).await.expect(304).body.is_empty());
    client.send(Method::PUT, &path, &[], "three").await.expect(200);
    assert_eq!(client.send(Method::GET, &path, &known, Body::empty()).await.expect(200).body, "three");
}

#[tokio::test]
async fn an_exclusive_put_replaces_nothing() {
    let (client, _, files) = import().await;
    let path = format!("{files}/x.csv");
    let exclusive = [("if-none-match", "*")];
    client.send(Method::PUT, &path, &exclusive, "first").await.expect(201);
    let answer = client.send(Method::PUT, &path, &exclusive, "second").await.expect(412);
    assert_eq!(answer.json()["type"], "/problems/precondition-failed");
    assert_eq!(client.get(&path).await.expect(200).body, "first");
    client.send(Method::PUT, &path, &[], "third").await.expect(200);
    assert_eq!(client.get(&path).await.expect(200).body, "third");
    client.send(Method::PUT, &path, &[("if-match", "\"x\"")], "fourth").await.expect(400);
    client.send(Method::PUT, &path, &[("content-range", "bytes 0-1/9")], "fourth").await.expect(400);
    assert_eq!(client.get(&path).await.expect(200).body, "third");
}

#[tokio::test]
async fn a_body_that_breaks_off_stores_nothing() {
    let (client, _, files) = import().await;
    let path = format!("{files}/x.csv");
    client.send(Method::PUT, &path, &[], "whole").await.expect(201);
    let parts = [Ok(Bytes::from(content(600_000))), Err(std::io::Error::other("gone"))];
    let cut = Body::from_stream(futures_util::stream::iter(parts));
    client.send(Method::PUT, &path, &[], cut).await.expect(400);
    client.send(Method::PUT, &path, &[("content-length", "9")], "short").await.expect(400);
    assert_eq!(client.get(&path).await.expect(200).body, "whole");
    client.send(Method::PUT, &format!("{files}/y.csv"), &[("content-length", "9")], "short").await.expect(400);
    client.get(&format!("{files}/y.csv")).await.expect(404);
    let listed = client.get(&files).await.expect(200).json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_folder_is_listed_in_pages_by_name() {
    let (client, _, files) = import().await;
    for name in ["c.csv", "sub/inner/x.csv", "a%20b.csv", "%C3%A9t%C3%A9.csv", "B.csv"] {
        client.send(Method::PUT, &format!("{files}/{name}"), &[], name.to_owned()).await.expect(201);
    }
    let mut names = Vec::new();
    let mut path = format!("{files}?limit=2");
    loop {
        let page = client.get(&path).await.expect(200).json();
        for item in page["items"].as_array().unwrap() {
            assert_eq!(item["kind"], if item["name"] == "sub" { "folder" } else { "file" });
            names.push(item["name"].as_str().unwrap().to_owned());
        }
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("{files}?limit=2&cursor={cursor}");
    }
    assert_eq!(names, ["B.csv", "a b.csv", "c.csv", "sub", "été.csv"]);
    let inner = client.get(&format!("{files}?path=sub/inner")).await.expect(200).json();
    assert_eq!((&inner["items"][0]["name"], &inner["items"][0]["size"]), (&json!("x.csv"), &json!(15)));
    client.get(&format!("{files}?path=none")).await.expect(404);
    client.get(&format!("{files}?path=c.csv")).await.expect(409);
}

#[tokio::test]
async fn a_file_is_removed() {
    let (client, _, files) = import().await;
    let path = format!("{files}/sub/x.csv");
    client.send(Method::PUT, &path, &[], "x").await.expect(201);
    client.delete(&path).await.expect(204);
    client.delete(&path).await.expect(404);
    client.get(&path).await.expect(404);
    client.delete(&format!("{files}/sub")).await.expect(409);
}

#[tokio::test]
async fn nothing_leads_out_of_a_folder() {
    let (client, account, files) = import().await;
    let export = format!("{}/files", folder_of(&account, "/export"));
    client.send(Method::PUT, &format!("{export}/x.csv"), &[], "other").await.expect(201);
    for path in ["%2e%2e/export/x.csv", "..%2Fexport%2Fx.csv", "/export/x.csv", "a%5Cb", "a%00b", ".", "a//b"] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let answer = client.send(method, &format!("{files}/{path}"), &[], "").await.expect(422);
            assert_eq!(answer.fields(), [("path".into(), "malformed".into())], "{path}");
        }
    }
    client.get(&format!("{files}?path=../export")).await.expect(422);
    client.get(&format!("{files}/%FF")).await.expect(404);
    assert_eq!(client.get(&format!("{export}/x.csv")).await.expect(200).body, "other");
}

#[tokio::test]
async fn files_follow_their_folder_and_end_in_the_trash() {
    let (client, account, files) = import().await;
    client.send(Method::PUT, &format!("{files}/x.csv"), &[], "moved along").await.expect(201);
    let folder = folder_of(&account, "/import");
    let answer = client.patch(&folder, json!({"path": "/export"})).await.expect(409);
    assert_eq!(answer.fields(), [("path".into(), "conflict".into())]);
    client.patch(&folder, json!({"path": "/import/deeper"})).await.expect(409);
    client.patch(&folder, json!({"path": "/paie/2026"})).await.expect(200);
    assert_eq!(client.get(&format!("{files}/x.csv")).await.expect(200).body, "moved along");

    client.delete(&folder).await.expect(204);
    client.get(&format!("{files}/x.csv")).await.expect(404);
    assert!(is_on_disk(&client, "moved along"));
    let again = json!({"name": "Import", "path": "/paie/2026", "rights": "read-write"});
    let again = client.post(&format!("{}/folders", path_of(&account)), again).await.expect(201);
    let listed = client.get(&format!("{}/files", again.header("location"))).await.expect(200).json();
    assert_eq!(listed["items"], json!([]), "what was removed does not come back by itself");
}

#[tokio::test]
async fn a_folder_inside_a_removed_one_keeps_its_files() {
    let (client, account, _) = import().await;
    let inner = json!({"name": "Inner", "path": "/import/inner", "rights": "read-write"});
    let inner = client.post(&format!("{}/folders", path_of(&account)), inner).await.expect(201);
    let file = format!("{}/files/x.csv", inner.header("location"));
    client.send(Method::PUT, &file, &[], "stays").await.expect(201);
    let outer = folder_of(&account, "/import");
    client.patch(&outer, json!({"path": "/elsewhere"})).await.expect(409);
    client.delete(&outer).await.expect(204);
    assert_eq!(client.get(&file).await.expect(200).body, "stays");
}
