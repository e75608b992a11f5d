//! What the notifications of all services say, with their samples, in the layout of mails.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    cli::create_admin,
    stoa::{PASSWORD, Stoa, folder, token},
};

#[tokio::test(flavor = "multi_thread")]
async fn what_notifications_say() {
    let (_scratch, data_dir) = folder();
    let stoa = Stoa::serve(&data_dir);
    let made = create_admin(&data_dir, "root@example.com", &format!("{PASSWORD}\n"));
    assert!(made.status.success(), "{made:?}");
    let admin = stoa.login("root@example.com").await;
    let read = async |path: &str| -> Value {
        let answer = stoa.get(path, token(&admin)).await;
        answer.json().await.unwrap()
    };
    let types = read("/api/v1/notifications/types").await;
    let types = types["items"].as_array().unwrap();
    assert!(types.len() > 17, "{types:?}");
    for kind in types {
        let name = kind["name"].as_str().unwrap();
        let texts = read(&format!("/api/v1/notifications/templates?type={name}")).await;
        let texts = texts["items"].as_array().unwrap();
        for text in texts {
            let german = |other: &&Value| other["channel"] == text["channel"] && other["language"] == "de";
            assert!(
                texts.iter().any(|other| german(&other)),
                "{name} has no German text: {text}"
            );
        }
        let mut shown = format!(
            "{}: {}\n",
            kind["category"].as_str().unwrap(),
            kind["about"].as_str().unwrap()
        );
        for text in texts {
            let part = |part: &str| text[part].clone();
            let template = json!({ "subject": part("subject"), "text": part("text"), "html": part("html"), "link": part("link") });
            let body = json!({ "type": name, "channel": part("channel"), "language": part("language"), "template": template });
            let preview = stoa
                .request(reqwest::Method::POST, "/api/v1/notifications/templates/preview")
                .bearer_auth(token(&admin))
                .json(&body)
                .send()
                .await
                .unwrap();
            assert_eq!(preview.status(), 200, "{name}: {}", preview.text().await.unwrap());
            let made: Value = preview.json().await.unwrap();
            let said = |part: &str| made[part].as_str().unwrap_or_default();
            write!(
                shown,
                "\n==== {} in {}\n{}\n\n{}\n",
                text["channel"].as_str().unwrap(),
                text["language"].as_str().unwrap(),
                said("subject"),
                said("text"),
            )
            .unwrap();
            for more in [said("link"), said("html")]
                .into_iter()
                .filter(|more| !more.is_empty())
            {
                writeln!(shown, "----\n{more}").unwrap();
            }
        }
        // The address differs each time.
        insta::assert_snapshot!(name, shown.replace(&stoa.url, "https://stoa.example"));
    }
}
