//! An event as other programs read it, from the feed and in webhooks alike: CloudEvents 1.0 in its JSON format.
//!
//! What is here is a promise to whoever parses it: attributes may be added, none changes or goes.

use serde::Serialize;

use crate::store::EventRow;

/// The media type of one event in structured mode (CloudEvents HTTP binding §3.2).
pub const CLOUD_EVENT_JSON: &str = "application/cloudevents+json";

/// In the order in which it is written.
#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    /// With `id` it names the event among all there are. A reference to the instance in the API.
    source: String,
    #[serde(rename = "type")]
    kind: &'a str,
    time: String,
    subject: String,
    datacontenttype: &'static str,
    // Extension attributes: lower-case letters alone.
    instance: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    folder: Option<String>,
    data: &'a serde_json::Value,
}

impl<'a> From<&'a EventRow> for CloudEvent<'a> {
    fn from(event: &'a EventRow) -> Self {
        let account = event.account.map(|id| id.to_string());
        let folder = event.folder.map(|id| id.to_string());
        // What it is about: the file, else the narrowest thing that there is.
        let path = event.data.get("path").and_then(serde_json::Value::as_str).map(str::to_owned);
        let narrowest = path.or_else(|| folder.clone()).or_else(|| account.clone());
        Self {
            specversion: "1.0",
            id: event.id.to_string(),
            source: format!("/v1/instances/{}", event.instance),
            kind: event.kind.as_str(),
            time: event.at.to_string(),
            subject: narrowest.unwrap_or_else(|| event.instance.to_string()),
            datacontenttype: "application/json",
            instance: event.instance.to_string(),
            account,
            folder,
            data: &event.data,
        }
    }
}

/// The event as JSON.
pub fn cloud_event(event: &EventRow) -> serde_json::Value {
    serde_json::to_value(CloudEvent::from(event)).expect("texts and JSON can be written as JSON")
}

/// The same as the text of a request's body.
pub(super) fn cloud_event_text(event: &EventRow) -> String {
    serde_json::to_string(&CloudEvent::from(event)).expect("texts and JSON can be written as JSON")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::EventKind;
    use crate::events::rows;
    use crate::events::samples::publication;

    fn uploaded() -> EventRow {
        let id = "01937d0e-5f3c-7c3a-9d5e-2f4a1b6c8d7e";
        EventRow {
            id: id.parse().unwrap(),
            kind: EventKind::FileUploaded,
            instance: "01937d0e-0000-7000-8000-000000000001".parse().unwrap(),
            account: Some("01937d0e-0000-7000-8000-000000000002".parse().unwrap()),
            folder: Some("01937d0e-0000-7000-8000-000000000003".parse().unwrap()),
            at: crate::domain::Timestamp::from_micros(1_795_456_800_123_000),
            data: serde_json::json!({"path": "/export/été.csv", "bytes": 3}),
        }
    }

    #[test]
    fn an_event_is_written_as_it_was_promised() {
        assert_eq!(
            cloud_event_text(&uploaded()),
            "{\"specversion\":\"1.0\",\"id\":\"01937d0e-5f3c-7c3a-9d5e-2f4a1b6c8d7e\",\
             \"source\":\"/v1/instances/01937d0e-0000-7000-8000-000000000001\",\"type\":\"file.uploaded\",\
             \"time\":\"2026-11-23T18:00:00.123Z\",\"subject\":\"/export/été.csv\",\
             \"datacontenttype\":\"application/json\",\"instance\":\"01937d0e-0000-7000-8000-000000000001\",\
             \"account\":\"01937d0e-0000-7000-8000-000000000002\",\"folder\":\"01937d0e-0000-7000-8000-000000000003\",\
             \"data\":{\"bytes\":3,\"path\":\"/export/été.csv\"}}"
        );
    }

    #[test]
    fn what_an_event_has_not_is_left_out_and_its_subject_is_the_narrowest() {
        let account = EventRow { folder: None, data: serde_json::json!({}), ..uploaded() };
        let told = cloud_event(&account);
        assert_eq!((told.get("folder"), &told["subject"]), (None, &told["account"]));
        let instance = EventRow { account: None, ..account };
        let told = cloud_event(&instance);
        assert_eq!((told.get("account"), &told["subject"]), (None, &told["instance"]));
    }

    #[test]
    fn extension_attributes_are_named_as_the_standard_wants_and_none_is_null() {
        let told = cloud_event(&rows::of_publication(publication(1)).1.unwrap());
        for (name, value) in told.as_object().unwrap() {
            assert!(name.len() <= 20 && name.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
            assert!(!value.is_null(), "{name}");
        }
    }
}
