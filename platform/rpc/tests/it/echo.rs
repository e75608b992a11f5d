//! A contract of one method, written out as the generator would.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use futures::{Stream, StreamExt};
use stoa_rpc::{Channel, deadline, trace};
use tonic::{
    Code, Request, Response, Status, Streaming, body::Body, metadata::MetadataValue, server::NamedService,
};
use tonic_prost::ProstCodec;

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Text {
    #[prost(string, tag = "1")]
    pub(crate) text: String,
}

/// The compiled contract.
pub(crate) fn descriptors() -> &'static [u8] {
    let files = protox::compile(["echo.proto"], [concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it")]).unwrap();
    prost::Message::encode_to_vec(&files).leak()
}

#[derive(Clone, Default)]
pub(crate) struct EchoServer {
    /// What it answers to "who".
    pub(crate) name: &'static str,
    /// Calls that have reached a handler.
    pub(crate) taken: Arc<AtomicUsize>,
}

impl NamedService for EchoServer {
    const NAME: &'static str = "stoa.test.v1.Echo";
}

impl tower::Service<http::Request<Body>> for EchoServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move {
            server.taken.fetch_add(1, Ordering::SeqCst);
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<Text, Text>::default());
            Ok(match request.uri().path() {
                "/stoa.test.v1.Echo/Chat" => grpc.streaming(Chat, request).await,
                _ => grpc.unary(Say(server.name), request).await,
            })
        })
    }
}

struct Chat;

impl tonic::server::StreamingService<Text> for Chat {
    type Response = Text;
    type ResponseStream = Pin<Box<dyn Stream<Item = Result<Text, Status>> + Send>>;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Self::ResponseStream>, Status>> + Send>>;

    /// Answers each text as it comes.
    fn call(&mut self, request: Request<Streaming<Text>>) -> Self::Future {
        let answers = request.into_inner().map(|text| match text?.text.as_str() {
            "fail" => Err(Status::aborted("enough")),
            text => Ok(Text {
                text: text.to_uppercase(),
            }),
        });
        Box::pin(async move { Ok(Response::new(answers.boxed() as _)) })
    }
}

struct Say(&'static str);

impl tonic::server::UnaryService<Text> for Say {
    type Response = Text;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Text>, Status>> + Send>>;

    fn call(&mut self, request: Request<Text>) -> Self::Future {
        Box::pin(say(self.0, request))
    }
}

/// What is said decides the answer.
async fn say(name: &'static str, request: Request<Text>) -> Result<Response<Text>, Status> {
    let seen = |name: &str| {
        request
            .metadata()
            .get(name)
            .map_or("none".to_owned(), |v| v.to_str().unwrap().to_owned())
    };
    let text = match request.get_ref().text.as_str() {
        "missing" => {
            let mut status = Status::not_found("there is no such thing: ü");
            status
                .metadata_mut()
                .insert("x-code", MetadataValue::from_static("user_not_found"));
            return Err(status);
        }
        "slow" => {
            tokio::time::sleep(Duration::from_secs(60)).await;
            "at last".to_owned()
        }
        "panic" => panic!("as told"),
        "trace" => format!(
            "{} {} {}",
            seen("traceparent"),
            seen("x-request-id"),
            trace::current().is_some()
        ),
        "timeout" => seen("grpc-timeout"),
        "left" => deadline::left().map_or("none".to_owned(), |left| left.as_millis().to_string()),
        "who" => name.to_owned(),
        other if other.starts_with("code ") => {
            let mut status = Status::with_details(
                Code::from_i32(other[5..].parse().unwrap()),
                format!("this is {other} %"),
                bytes::Bytes::from_static(b"\x00\xffdetails"),
            );
            let metadata = status.metadata_mut();
            metadata.insert("x-code", MetadataValue::from_static("stable_code"));
            metadata.insert_bin("x-more-bin", MetadataValue::from_bytes(b"\x00\xff"));
            return Err(status);
        }
        other => other.to_uppercase(),
    };
    Ok(Response::new(Text { text }))
}

/// Calls the one method, as a generated client does.
pub(crate) async fn call(channel: Channel, request: Request<Text>) -> Result<String, Status> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await?;
    let path = http::uri::PathAndQuery::from_static("/stoa.test.v1.Echo/Say");
    let codec = ProstCodec::<Text, Text>::default();
    Ok(grpc.unary(request, path, codec).await?.into_inner().text)
}

pub(crate) async fn ask(channel: Channel, text: &str) -> Result<String, Status> {
    call(
        channel,
        Request::new(Text {
            text: text.to_owned(),
        }),
    )
    .await
}

/// A conversation: sends what `texts` gives, and returns what is answered until its end or a failure.
pub(crate) async fn chat(
    channel: Channel,
    texts: impl Stream<Item = Text> + Send + 'static,
) -> Result<Vec<Result<String, Code>>, Status> {
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await?;
    let path = http::uri::PathAndQuery::from_static("/stoa.test.v1.Echo/Chat");
    let codec = ProstCodec::<Text, Text>::default();
    let answers = grpc
        .streaming(Request::new(texts), path, codec)
        .await?
        .into_inner();
    Ok(answers
        .map(|answer| answer.map(|text| text.text).map_err(|status| status.code()))
        .collect()
        .await)
}
