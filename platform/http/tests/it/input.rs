//! Bodies, queries and paths that are refused, and how.

use axum::{
    Router,
    body::Body,
    extract::DefaultBodyLimit,
    routing::{get as on_get, post},
};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json, value::RawValue};
use stoa_http::{Json, MAX_DEPTH, Paged, Path, Query, Upload, field_error};
use stoa_kernel::UserId;

use crate::{Answer, get, request, send};

#[derive(Debug, Serialize, Deserialize, garde::Validate)]
#[serde(deny_unknown_fields)]
struct Order {
    #[garde(length(chars, min = 3, max = 10))]
    name: String,
    #[garde(email)]
    email: String,
    #[serde(default)]
    #[garde(dive, length(max = 3))]
    items: Vec<Item>,
    #[serde(default)]
    #[garde(custom(even))]
    lucky: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize, garde::Validate)]
#[serde(deny_unknown_fields)]
struct Item {
    #[garde(range(min = 1, max = 5))]
    count: u32,
    #[serde(default)]
    #[garde(skip)]
    size: Size,
}

#[derive(Debug, Serialize, Deserialize, garde::Validate)]
#[serde(deny_unknown_fields)]
struct Anything {
    #[garde(skip)]
    value: Box<RawValue>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Size {
    #[default]
    Small,
    Large,
}

fn even(value: &Option<i64>, (): &()) -> garde::Result {
    match value {
        Some(value) if value % 2 != 0 => Err(field_error("not_even", "Only even numbers bring luck")),
        Some(13..) => Err(garde::Error::new("Too much luck")),
        _ => Ok(()),
    }
}

#[derive(Debug, Serialize, Deserialize, garde::Validate)]
#[serde(deny_unknown_fields)]
struct Search {
    #[garde(length(chars, max = 5))]
    q: Option<String>,
    #[garde(skip)]
    deep: Option<bool>,
    #[garde(range(max = 9))]
    level: Option<u32>,
    #[garde(skip)]
    size: Option<Size>,
}

fn router() -> Router {
    Router::new()
        .route("/orders", post(|Json(order): Json<Order>| async { Json(order) }))
        .route("/anything", post(|Json(any): Json<Anything>| async { Json(any) }))
        .route(
            "/search",
            on_get(|Query(search): Query<Search>| async { Json(search) }),
        )
        .route("/filtered", on_get(filtered))
        .route(
            "/users/{id}",
            on_get(|Path(id): Path<UserId>| async move { Json(id) }),
        )
        .route(
            "/names/{name}",
            on_get(|Path(name): Path<String>| async { Json(name) }),
        )
        .route(
            "/upload",
            post(|upload: Upload| async move { Json((upload.media_type, upload.bytes.len())) }),
        )
        .layer(DefaultBodyLimit::max(1000))
}

#[derive(Debug, Deserialize, garde::Validate)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[garde(inner(length(max = 3)))]
    q: Option<String>,
    #[garde(skip)]
    big: Option<bool>,
}

async fn filtered(Paged { filter, page }: Paged<Filter>) -> Json<Value> {
    Json(json!([filter.q, filter.big, page.cursor, page.limit]))
}

async fn order(body: impl Into<Body>) -> Answer {
    let request = request(Method::POST, "/orders").header("content-type", "application/json; charset=utf-8");
    send(&router(), request.body(body.into()).unwrap()).await
}

async fn anything(body: String) -> Answer {
    let request = request(Method::POST, "/anything").header("content-type", "application/json");
    send(&router(), request.body(body.into()).unwrap()).await
}

fn invalid(errors: &Value) -> Value {
    json!({
        "type": "/problems/invalid_input",
        "title": "The input is not valid",
        "status": 422,
        "code": "invalid_input",
        "errors": errors,
    })
}

fn malformed(detail: &str) -> Value {
    json!({
        "type": "/problems/malformed_request",
        "title": "The request cannot be read",
        "status": 400,
        "code": "malformed_request",
        "detail": detail,
    })
}

/// The one wrong field of an answer, as field, code and message.
fn wrong(answer: &Answer) -> (&str, &str, &str) {
    assert_eq!(answer.status, 422, "{}", answer.body);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    let [error] = &answer.body["errors"].as_array().unwrap()[..] else {
        panic!("{}", answer.body)
    };
    let text = |name: &str| error[name].as_str().unwrap();
    (text("field"), text("code"), text("message"))
}

const GOOD: &str = r#"{"name": "Anna", "email": "a@example.com", "items": [{"count": 2}], "lucky": 4}"#;

#[tokio::test]
async fn a_good_body_is_taken() {
    let answer = order(GOOD).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.body["items"], json!([{"count": 2, "size": "small"}]));
}

#[tokio::test]
async fn what_is_no_json_is_malformed_and_told_where() {
    let answer = order("{\"name\": \n  oops}").await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.body,
        malformed("The body is not JSON: expected value at line 2 column 3.")
    );
    let answer = order("").await;
    assert_eq!(
        answer.body,
        malformed("The body is not JSON: EOF while parsing a value at line 1 column 0.")
    );
    let answer = order(format!("{GOOD} x")).await;
    assert_eq!(
        answer.body,
        malformed("The body is not JSON: trailing characters at line 1 column 81.")
    );
    let answer = order(b"{\"name\": \"\xff\"}".to_vec()).await;
    let detail = "The body is not UTF-8: invalid utf-8 sequence of 1 bytes from index 10.";
    assert_eq!(answer.body, malformed(detail));
    assert_eq!(order("{\"name\": \"Anna\"").await.status, 400);
}

#[tokio::test]
async fn json_is_nested_only_so_deep() {
    let nested = |depth: usize| {
        format!(
            "{{\"value\":{}1{}}}",
            "[".repeat(depth - 1),
            "]".repeat(depth - 1)
        )
    };
    for depth in [2, MAX_DEPTH] {
        let answer = anything(nested(depth)).await;
        assert_eq!(answer.status, 200, "{depth}");
    }
    for depth in [MAX_DEPTH + 1, 128, 400] {
        let answer = anything(nested(depth)).await;
        let detail = "The JSON is nested too deeply: at most 100 objects and lists within each other.";
        assert_eq!(answer.body, malformed(detail), "{depth}");
    }
    let flat = format!("{{\"value\":[{}]}}", vec!["{\"a\":[]}"; 100].join(","));
    assert_eq!(anything(flat).await.status, 200);
    let text = json!({"value": format!("\"{}\\", "[{".repeat(200))});
    assert_eq!(anything(text.to_string()).await.status, 200);
}

#[tokio::test]
async fn only_json_is_taken_where_json_is_wanted() {
    for media_type in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let request = request(Method::POST, "/orders").header("content-type", media_type);
        let answer = send(&router(), request.body(Body::from(GOOD)).unwrap()).await;
        assert_eq!(answer.status, 415);
        assert_eq!(answer.body["code"], "unsupported_media_type");
    }
    let without = request(Method::POST, "/orders").body(Body::from(GOOD)).unwrap();
    assert_eq!(send(&router(), without).await.status, 415);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let answer = order(format!(r#"{{"name": "{}"}}"#, "x".repeat(2000))).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.body["code"]),
        (413, &json!("too_large"))
    );
    let request = request(Method::POST, "/upload").header("content-type", "Image/PNG");
    let answer = send(&router(), request.body(Body::from(vec![0; 2000])).unwrap()).await;
    assert_eq!(answer.status, 413);
}

#[tokio::test]
async fn an_upload_says_what_it_is() {
    let request = request(Method::POST, "/upload").header("content-type", "Image/PNG; x=y");
    let answer = send(&router(), request.body(Body::from(vec![0; 10])).unwrap()).await;
    assert_eq!(answer.body, json!(["image/png", 10]));
}

#[tokio::test]
async fn what_does_not_fit_is_told_by_field() {
    let cases = [
        (
            r#"{"name": "Anna"}"#,
            ("email", "missing_field", "This field is required"),
        ),
        (r#"{"nam": "Anna"}"#, ("nam", "unknown_field", "Unknown field")),
        (
            r#"{"name": "A", "name": "B"}"#,
            ("name", "duplicate_field", "This field is given twice"),
        ),
        (r#"{"name": 5}"#, ("name", "wrong_type", "Expected a string")),
        (r#"{"name": null}"#, ("name", "wrong_type", "Expected a string")),
        (
            r#"{"items": [{"count": 1}, {"count": "x"}]}"#,
            ("items[1].count", "wrong_type", "Expected a whole number from 0"),
        ),
        (
            r#"{"items": [{"count": -1}]}"#,
            ("items[0].count", "invalid", "Expected a whole number from 0"),
        ),
        (
            r#"{"items": [{}]}"#,
            ("items[0].count", "missing_field", "This field is required"),
        ),
        (
            r#"{"items": [{"items": 1}]}"#,
            ("items[0].items", "unknown_field", "Unknown field"),
        ),
        (
            r#"{"items": [{"count": 1, "size": "huge"}]}"#,
            ("items[0].size", "invalid", "Expected `small` or `large`"),
        ),
        (r#"{"items": {}}"#, ("items", "wrong_type", "Expected a list")),
        ("[]", ("", "wrong_type", "Expected an object")),
        ("\"x\"", ("", "wrong_type", "Expected an object")),
        (
            r#" ["Anna", "a@example.com", [], 4]"#,
            ("", "wrong_type", "Expected an object"),
        ),
    ];
    for (body, expected) in cases {
        assert_eq!(wrong(&order(body).await), expected, "{body}");
    }
}

#[tokio::test]
async fn every_invalid_field_is_listed() {
    let body = json!({
        "name": "A",
        "email": "nobody",
        "items": [{"count": 1}, {"count": 0}, {"count": 9}, {"count": 1}],
        "lucky": 7,
    });
    let answer = order(body.to_string()).await;
    let expected = invalid(&json!([
        {"field": "email", "code": "format", "message": "Not an e-mail address: value is missing `@`"},
        {"field": "items[1].count", "code": "range", "message": "The least value is 1"},
        {"field": "items[2].count", "code": "range", "message": "The greatest value is 5"},
        {"field": "items", "code": "too_long", "message": "The greatest length is 3"},
        {"field": "lucky", "code": "not_even", "message": "Only even numbers bring luck"},
        {"field": "name", "code": "too_short", "message": "The shortest length is 3"},
    ]));
    assert_eq!(answer.status, 422);
    assert_eq!(answer.body, expected);
    let answer = order(r#"{"name": "Anna", "email": "a@example.com", "lucky": 14}"#).await;
    assert_eq!(wrong(&answer), ("lucky", "invalid", "Too much luck"));
}

#[tokio::test]
async fn a_nul_is_refused_wherever_text_is_taken() {
    let message = "The character U+0000 is not accepted";
    let answer = order(r#"{"name": "a\u0000b", "email": "a@example.com"}"#).await;
    assert_eq!(wrong(&answer), ("name", "invalid", message));
    let escaped = order(r#"{"name": "a\\u0000b", "email": "a@example.com"}"#).await;
    assert_eq!(escaped.body["name"], "a\\u0000b");
    assert_eq!(
        wrong(&get(&router(), "/search?q=a%00").await),
        ("q", "invalid", message)
    );
    assert_eq!(
        wrong(&get(&router(), "/names/a%00").await),
        ("name", "invalid", message)
    );
    assert_eq!(
        wrong(&get(&router(), "/users/%00").await),
        ("id", "invalid", message)
    );
}

#[tokio::test]
async fn a_good_query_is_taken() {
    let answer = get(
        &router(),
        "/search?q=a%20%2B+%C3%A9&deep=true&level=7&size=large&",
    )
    .await;
    assert_eq!(
        answer.body,
        json!({"q": "a + é", "deep": true, "level": 7, "size": "large"})
    );
    let answer = get(&router(), "/search").await;
    assert_eq!(
        answer.body,
        json!({"q": null, "deep": null, "level": null, "size": null})
    );
    assert_eq!(get(&router(), "/search?q=50%&level=1").await.body["q"], "50%");
}

#[tokio::test]
async fn a_query_that_does_not_fit_is_told_by_parameter() {
    let cases = [
        ("colour=red", ("colour", "unknown_field", "Unknown field")),
        (
            "q=a&q=b",
            ("q", "duplicate_field", "This parameter is given twice"),
        ),
        (
            "level=ten",
            ("level", "wrong_type", "Expected a whole number from 0"),
        ),
        (
            "level=-1",
            ("level", "wrong_type", "Expected a whole number from 0"),
        ),
        (
            "level=",
            ("level", "wrong_type", "Expected a whole number from 0"),
        ),
        ("deep=maybe", ("deep", "wrong_type", "Expected true or false")),
        ("size=huge", ("size", "invalid", "Expected `small` or `large`")),
        ("q=abcdef", ("q", "too_long", "The greatest length is 5")),
    ];
    for (query, expected) in cases {
        assert_eq!(
            wrong(&get(&router(), &format!("/search?{query}")).await),
            expected,
            "{query}"
        );
    }
    assert_eq!(
        get(&router(), "/search?q=%ff").await.body,
        malformed("The query is not UTF-8.")
    );
    let many = "q=1&".repeat(200);
    assert_eq!(get(&router(), &format!("/search?{many}")).await.status, 400);
}

#[tokio::test]
async fn a_list_has_its_filters_beside_the_page() {
    let query = async |query: &str| get(&router(), &format!("/filtered?{query}")).await;
    assert_eq!(query("").await.body, json!([null, null, null, 20]));
    assert_eq!(
        query("cursor=abc&big=true&limit=7&q=x").await.body,
        json!(["x", true, "abc", 7])
    );
    assert_eq!(
        query("cursor=&limit=100").await.body,
        json!([null, null, null, 100])
    );
    for limit in ["limit=0", "limit=101"] {
        assert_eq!(wrong(&query(limit).await).0, "limit");
    }
    for (text, field, code) in [
        ("p=1", "p", "unknown_field"),
        ("limit=1&limit=2", "limit", "duplicate_field"),
        ("limit=many", "limit", "wrong_type"),
        ("big=2", "big", "wrong_type"),
        ("q=a%00b", "q", "invalid"),
    ] {
        let answer = query(text).await;
        let (found, of_kind, _) = wrong(&answer);
        assert_eq!((found, of_kind), (field, code), "{text}");
    }
    let both = query("limit=0&q=long").await.body;
    let fields: Vec<_> = both["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["field"])
        .collect();
    assert_eq!(fields, ["q", "limit"]);
}

#[tokio::test]
async fn a_path_that_cannot_be_is_not_found() {
    let id = "01990000-0000-7000-8000-000000000000";
    assert_eq!(get(&router(), &format!("/users/{id}")).await.body, id);
    for path in ["/users/1", "/users/me", "/users/'%20OR%201=1--"] {
        let answer = get(&router(), path).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["code"]),
            (404, &json!("not_found"))
        );
    }
    assert_eq!(get(&router(), "/names/%ff").await.status, 400);
}
