//! Transfers, sign-ins and sessions over the API.

use super::*;
use crate::management::fixture::EndReason;

#[tokio::test]
async fn the_transfers_of_an_account_are_told_and_outlive_it() {
    let client = Client::new().await;
    let account = client.account(&client.instance("acme").await).await;
    let files = format!("{}/files", folder_of(&account, "/import"));
    client.send(Method::PUT, &format!("{files}/paie.csv"), &[], "douze").await.expect(201);
    client.get(&format!("{files}/paie.csv")).await.expect(200);
    let path = format!("{}/transfers", path_of(&account));
    let uploads = client.get(&format!("{path}?direction=upload&outcome=completed")).await.expect(200).json();
    let [upload] = uploads["items"].as_array().unwrap().as_slice() else { panic!("{uploads}") };
    let told = ["actor", "path", "bytes", "direction", "outcome", "reason", "session", "unproven_end"]
        .map(|key| upload[key].clone());
    let expected = [
        json!("operator tests"),
        json!("/import/paie.csv"),
        json!(5),
        json!("upload"),
        json!("completed"),
        json!(null),
        json!(null),
        json!(false),
    ];
    assert_eq!(told, expected);
    assert_eq!(
        client.get(&format!("{path}?direction=upload&outcome=failed")).await.expect(200).json()["items"],
        json!([])
    );
    let later = client.get(&format!("{path}?since=2027-01-01T00:00:00Z")).await.expect(200).json();
    assert_eq!(later["items"], json!([]));
    let wrong = client.get(&format!("{path}?direction=sideways&outcome=x&since=soon&limit=0")).await.expect(422);
    let fields: Vec<String> = wrong.fields().into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["direction", "outcome", "since"]);

    client.delete(&path_of(&account)).await.expect(204);
    assert_eq!(client.get(&format!("{path}?direction=upload")).await.expect(200).json(), uploads);
    client.get("/v1/accounts/01937d0e-5f3c-7c3a-9d5e-2f4a1b6c8d7e/transfers").await.expect(404);
}

#[tokio::test]
async fn sign_ins_are_told_with_their_reason_in_words_a_page_at_a_time() {
    let client = Client::new().await;
    let account = client.account(&client.instance("acme").await).await;
    let (login, password) = (account["login"].as_str().unwrap(), account["password"].as_str().unwrap());
    assert!(client.bench.sign_in(login, "not the password").await.is_none());
    client.bench.clock.advance(std::time::Duration::from_secs(1));
    assert!(client.bench.sign_in(login, password).await.is_some());
    client.bench.access.flush().await;
    let path = format!("{}/sign-ins", path_of(&account));
    let first = client.get(&format!("{path}?limit=1")).await.expect(200).json();
    let granted = &first["items"][0];
    assert_eq!(
        (&granted["outcome"], &granted["reason"], &granted["count"]),
        (&json!("granted"), &json!(null), &json!(1))
    );
    assert_eq!((&granted["client"], &granted["address"]), (&json!("OpenSSH_9.9"), &json!("203.0.113.7")));
    assert_eq!(granted["algorithms"], "mlkem768x25519-sha256 ssh-ed25519 aes128-gcm@openssh.com");
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = client.get(&format!("{path}?limit=1&cursor={cursor}")).await.expect(200).json();
    let refused = &second["items"][0];
    assert_eq!((&refused["reason_code"], &second["next_cursor"]), (&json!("wrong_password"), &json!(null)));
    assert_eq!(refused["reason"], "The password was wrong.");
    let only = client.get(&format!("{path}?outcome=refused")).await.expect(200).json();
    assert_eq!(only["items"], json!([refused]));
    let answer = client.get(&format!("{path}?outcome=maybe")).await.expect(422);
    assert_eq!(answer.fields(), [("outcome".into(), "malformed".into())]);
}

#[tokio::test]
async fn a_session_is_listed_and_ended() {
    let client = Client::new().await;
    let instance = client.instance("acme").await;
    let (first, second) = (client.account(&instance).await, client.account(&instance).await);
    let mut sessions = Vec::new();
    for account in [&first, &second] {
        let (login, password) = (account["login"].as_str().unwrap(), account["password"].as_str().unwrap());
        client.bench.clock.advance(std::time::Duration::from_secs(1));
        sessions.push(client.bench.sign_in(login, password).await.unwrap());
    }
    let page = client.get("/v1/sessions?limit=1").await.expect(200).json();
    assert_eq!((&page["items"][0]["login"], &page["items"][0]["client"]), (&first["login"], &json!("OpenSSH_9.9")));
    assert_eq!(page["items"][0]["algorithms"], "mlkem768x25519-sha256 ssh-ed25519 aes128-gcm@openssh.com");
    let next = format!("/v1/sessions?limit=1&cursor={}", page["next_cursor"].as_str().unwrap());
    let next = client.get(&next).await.expect(200).json();
    assert_eq!((&next["items"][0]["login"], &next["next_cursor"]), (&second["login"], &json!(null)));
    let of_one =
        client.get(&format!("/v1/sessions?account={}", second["id"].as_str().unwrap())).await.expect(200).json();
    assert_eq!(of_one["items"], next["items"]);
    client.get("/v1/sessions?cursor=YWNtZQ").await.expect(422);

    let path = format!("/v1/sessions/{}", sessions[0].id());
    client.delete(&path).await.expect(204);
    assert_eq!(sessions[0].end_reason(), Some(EndReason::OperatorAsked));
    assert!(sessions[1].end_reason().is_none());
    client.delete(&path).await.expect(404);
}

#[tokio::test]
async fn a_block_is_told_with_its_reason_and_ended_at_once() {
    let client = Client::new().await;
    let account = client.account(&client.instance("acme").await).await;
    let (login, password) = (account["login"].as_str().unwrap(), account["password"].as_str().unwrap());
    for _ in 0..10 {
        assert!(client.bench.sign_in(login, "not the password").await.is_none());
    }
    client.bench.access.flush().await;
    client.bench.block("2001:db8:1:2::/64", "nobody has this").await;
    let first = client.get("/v1/sign-in-blocks?limit=1").await.expect(200).json();
    let [block] = first["items"].as_array().unwrap().as_slice() else { panic!("{first}") };
    assert_eq!((&block["address"], &block["login"]), (&json!("2001:db8:1:2::/64"), &json!("nobody has this")));
    let next = format!("/v1/sign-in-blocks?cursor={}", first["next_cursor"].as_str().unwrap());
    let next = client.get(&next).await.expect(200).json();
    let expected = json!([{
        "address": "203.0.113.7",
        "login": login,
        "reason": "10 wrong answers within 10 minutes",
        "since": "2026-11-23T08:00:00Z",
        "until": "2026-11-23T08:10:00Z",
    }]);
    assert_eq!((&next["items"], &next["next_cursor"]), (&expected, &json!(null)));

    assert!(client.bench.sign_in(login, password).await.is_none());
    let path = format!("/v1/sign-in-blocks?address=203.0.113.7&login={login}");
    client.delete(&path).await.expect(204);
    assert!(client.bench.sign_in(login, password).await.is_some());
    client.delete(&path).await.expect(404);
    client.delete("/v1/sign-in-blocks?address=2001:db8:1:2::/64&login=nobody%20has%20this").await.expect(204);
    assert_eq!(client.get("/v1/sign-in-blocks").await.expect(200).json()["items"], json!([]));
    let answer = client.delete("/v1/sign-in-blocks?address=203.0.113.7").await.expect(422);
    assert_eq!(answer.fields(), [("login".into(), "required".into())]);
    client.get("/v1/sign-in-blocks?cursor=YWNtZQ").await.expect(422);
}
