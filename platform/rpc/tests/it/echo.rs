//! A contract of one method, written out as the generator would.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use stoa_rpc::{Channel, trace};
use tonic::{Request, Response, Status, body::Body, metadata::MetadataValue, server::NamedService};
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

#[derive(Clone)]
pub(crate) struct EchoServer;

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
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<Text, Text>::default());
            Ok(grpc.unary(Say, request).await)
        })
    }
}

struct Say;

impl tonic::server::UnaryService<Text> for Say {
    type Response = Text;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Text>, Status>> + Send>>;

    fn call(&mut self, request: Request<Text>) -> Self::Future {
        Box::pin(say(request))
    }
}

/// What is said decides the answer.
async fn say(request: Request<Text>) -> Result<Response<Text>, Status> {
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
